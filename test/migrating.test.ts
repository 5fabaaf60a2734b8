// The snippets of docs/migrating.md, as they stand there, with the real packages they migrate from.

import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import * as h3 from "h3-v1";
import { sealData } from "iron-session";
import { transformSync } from "rolldown/utils";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { FileHandler, type useFileSession } from "../src/index.ts";
import { tempDir } from "./_dir.ts";
import { close, sendOverNode, Site, type Visitor } from "./_h3.ts";

const page = readFileSync(new URL("../docs/migrating.md", import.meta.url), "utf8");
const cache = fileURLToPath(new URL("../node_modules/.cache/", import.meta.url));
const password = "a password of at least 32 characters";
const home = process.cwd();

beforeEach(() => {
  process.chdir(tempDir()); // where `.data/sessions` is
  vi.stubEnv("SESSION_PASSWORD", password);
  vi.stubEnv("NUXT_SESSION_PASSWORD", password);
});
afterEach(() => {
  process.chdir(home);
  vi.unstubAllEnvs();
});

interface Snippet {
  /** Of the package that the snippet has, too: another copy of it would have other sessions. */
  useFileSession: typeof useFileSession;
  [name: string]: (...args: never[]) => unknown;
}

/** What the snippet that begins with this comment exports. */
async function snippet(name: string): Promise<Snippet> {
  const code = [...page.matchAll(/^```ts\n(.*?)^```/gms)]
    .map(([, code = ""]) => code)
    .find((code) => code.startsWith(`// ${name}\n`));
  // Inside of the package, where its dependencies are found.
  mkdirSync(cache, { recursive: true });
  const dir = mkdtempSync(join(cache, "migrating-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const file = join(dir, "snippet.mjs");
  const whole = `${code}\nexport { useFileSession } from "filesession";\n`;
  writeFileSync(file, transformSync(name, whole).code);
  return { ...((await import(pathToFileURL(file).href)) as Snippet) };
}

/** A browser that visits an app of this handler. */
async function visitor(...handlers: h3.EventHandler[]): Promise<Visitor> {
  const app = h3.createApp();
  for (const handler of handlers) app.use(handler);
  const server = createServer(h3.toNodeListener(app));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  onTestFinished(() => close(server));
  const { port } = server.address() as AddressInfo;
  return new Site((path, headers) => sendOverNode(port, path, headers)).visitor();
}

/** A browser that visits an app of this middleware, which says what is in the session. */
async function visitorOf(name: string): Promise<Visitor> {
  const { default: middleware, useFileSession } = await snippet(name);
  const session = h3.defineEventHandler(async (event) => (await useFileSession(event)).data);
  return visitor(middleware as h3.EventHandler, session);
}

describe("from nuxt-auth-utils", () => {
  it("keeps who is logged in, and what they have stored", async () => {
    const utils = await snippet("server/utils/user-session.ts");
    const config = { name: "nuxt-session", password };
    const browser = await visitor(
      h3.defineEventHandler(async (event) => {
        const { update } = await h3.useSession(event, config);
        if (event.path !== "/old") return;
        await update({
          user: { login: "ada" },
          secure: { apiToken: "t" },
          loggedInAt: new Date(0),
        });
        return "";
      }),
    );
    await browser.get("/old");
    expect(browser.cookies.get("nuxt-session")).toMatch(/^Fe26/);
    const calls: [string, unknown[]][] = [
      ["getUserSession", []],
      ["setUserSession", [{ user: { login: "ada", name: "Ada" } }]],
      ["requireUserSession", []],
      ["replaceUserSession", [{ user: { login: "eve" } }]],
      ["clearUserSession", []],
      ["requireUserSession", []],
    ];
    const here = await visitor(
      h3.defineEventHandler((event) => {
        const [name = "", args = []] = calls[Number(event.path.slice(1))] ?? [];
        return utils[name]?.(...([event, ...args] as never[]));
      }),
    );
    here.cookies.set("nuxt-session", browser.cookies.get("nuxt-session") ?? "");

    const data = { secure: { apiToken: "t" }, loggedInAt: new Date(0).toISOString() };
    expect((await here.get("/0")).json).toMatchObject({ ...data, user: { login: "ada" } });
    expect(here.cookies.get("nuxt-session")).toMatch(/^[\w-]{43}$/);
    const before = here.cookies.get("nuxt-session");
    expect((await here.get("/1")).json).toEqual({ ...data, user: { login: "ada", name: "Ada" } });
    expect((await here.get("/2")).json).toMatchObject({ user: { name: "Ada" } });
    expect((await here.get("/3")).json).toEqual({ user: { login: "eve" } });
    expect(here.cookies.get("nuxt-session")).not.toBe(before);
    await here.get("/4");
    expect((await here.get("/5")).status).toBe(401);
  });
});

describe("from iron-session", () => {
  const seal = (data: object) => sealData(data, { password });

  it("takes the session over, and its cookie back", async () => {
    const browser = await visitorOf("server/middleware/iron-session.ts");
    browser.cookies.set("app-session", await seal({ user: "Ada" }));
    expect((await browser.get("/")).json).toEqual({ user: "Ada" });
    expect([...browser.cookies.keys()]).toEqual(["session"]);
    expect((await browser.get("/")).json).toEqual({ user: "Ada" });
  });

  it("also one in several cookies", async () => {
    const browser = await visitorOf("server/middleware/iron-session.ts");
    const long = await seal({ user: "Ada" });
    browser.cookies.set("app-session.0", long.slice(0, 100));
    browser.cookies.set("app-session.1", long.slice(100));
    expect((await browser.get("/")).json).toEqual({ user: "Ada" });
    expect([...browser.cookies.keys()]).toEqual(["session"]);
  });

  it("leaves a session that is here already, and makes none of what it cannot open", async () => {
    const browser = await visitorOf("server/middleware/iron-session.ts");
    browser.cookies.set("app-session", await seal({ user: "Ada" }));
    await browser.get("/");
    browser.cookies.set("app-session", await seal({ user: "Eve" }));
    expect((await browser.get("/")).json).toEqual({ user: "Ada" });
    const other = await visitorOf("server/middleware/iron-session.ts");
    other.cookies.set("app-session", (await seal({ user: "Eve" })).replace("Fe26.2*1", "Fe26.2*2"));
    expect((await other.get("/")).json).toEqual({});
    expect(other.cookies.has("session")).toBe(false);
  });

  it("is nothing for `adopt`, which takes its cookie away", async () => {
    const { useFileSession } = await snippet("server/middleware/iron-session.ts");
    const adopting = h3.defineEventHandler(async (event) => {
      const adopt = { password: { default: password, 1: password }, name: "app-session" };
      return (await useFileSession(event, { adopt })).data;
    });
    for (const cookie of [
      await seal({ user: "Ada" }),
      (await seal({ user: "Ada" })).slice(0, -2),
    ]) {
      const browser = await visitor(adopting);
      browser.cookies.set("app-session", cookie);
      expect((await browser.get("/")).json).toEqual({});
      expect([...browser.cookies.keys()]).toEqual([]);
    }
  });
});

describe("from express-session", () => {
  it("copies a session under the sid that it has", async () => {
    const { copy } = await snippet("copy-sessions.ts");
    const cookie = { originalMaxAge: 3600_000, expires: new Date(Date.now() + 3600_000) };
    await copy?.(...(["the-sid", JSON.stringify({ cookie, user: "Ada" })] as never[]));
    const id = createHash("sha256").update("the-sid").digest("hex");
    const { data } = await new FileHandler().retrieve(id);
    expect(data).toMatchObject({ user: "Ada", cookie: { originalMaxAge: 3600_000 } });
  });
});

describe("from files of one's own", () => {
  it("takes a session over once, whoever comes at the same time", async () => {
    mkdirSync("old-sessions");
    const sid = "0123456789abcdef";
    writeFileSync(`old-sessions/${sid}.json`, '{"user":"Ada"}');
    const browser = await visitorOf("server/middleware/old-files.ts");
    const cookie = `sid=${sid}`;
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => browser.get("/", { cookie })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(answers.filter(({ text }) => text.includes("Ada"))).toHaveLength(1);
    expect(readdirSync("old-sessions")).toEqual([]);
    expect(readdirSync(".data/sessions")).toHaveLength(1);
    expect((await browser.get("/")).json).toEqual({ user: "Ada" });
  });

  it("looks for no file outside, and puts back what it could not take", async () => {
    mkdirSync("old-sessions");
    writeFileSync("0123456789abcdef.json", '{"user":"Eve"}');
    const browser = await visitorOf("server/middleware/old-files.ts");
    browser.cookies.set("sid", "..%2f0123456789abcdef");
    expect((await browser.get("/")).json).toEqual({});
    vi.spyOn(console, "error").mockReturnValue(); // h3 1 reports what is thrown
    onTestFinished(() => void vi.restoreAllMocks());
    writeFileSync("old-sessions/0123456789abcdef.json", "no JSON");
    browser.cookies.set("sid", "0123456789abcdef");
    expect((await browser.get("/")).status).toBe(500);
    expect(readdirSync("old-sessions")).toEqual(["0123456789abcdef.json"]);
  });
});
