// The Nuxt app: built for production with what is packed, looked at in a browser; and developed.

import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  onTestFinished,
} from "vitest";
import { has } from "../_needs.ts";
import { args, executablePath } from "../e2e/chromium.ts";
import { type App, buildApp, type Server, startApp } from "./_app.ts";
import { describeApi, runApp } from "./_facts.ts";
import { root } from "./_pack.ts";

const serve = [".output/server/index.mjs"];

let app: App;
let cwd: string;
let server: Server;

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), "filesession-nuxt-"));
  app = await buildApp("nuxt");
  server = await startApp(app, serve, { cwd });
});

afterAll(async () => {
  await server?.kill();
  if (cwd) await rm(cwd, { recursive: true, force: true });
});

// Its own page counts a visit while it is rendered.
describe("playground/nuxt", () => {
  describeApi(runApp({ name: "nuxt", serve, quietPage: "/welcome" }));
});

/** One more server, in a directory below `cwd`, until the test is over. */
async function start(dir: string, env: NodeJS.ProcessEnv = {}): Promise<Server> {
  const another = await startApp(app, serve, { cwd: dir, env });
  onTestFinished(async () => void (await another.kill()));
  return another;
}

/** Somebody with a cookie. */
class Visitor {
  cookie = "";
  readonly #url: string;

  constructor({ url }: Server = server) {
    this.#url = url;
  }

  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { ...init.headers, ...(this.cookie && { cookie: this.cookie }) };
    const response = await fetch(this.#url + path, { ...init, headers, redirect: "manual" });
    for (const line of response.headers.getSetCookie()) {
      const [pair = ""] = line.split(";");
      this.cookie = /max-age=0/i.test(line) ? "" : pair;
    }
    return response;
  }

  async text(path: string, init?: RequestInit): Promise<string> {
    return (await this.fetch(path, init)).text();
  }

  async json<T = Record<string, unknown>>(path: string, init?: RequestInit): Promise<T> {
    return JSON.parse(await this.text(path, init)) as T;
  }

  async logIn(user: string): Promise<this> {
    const response = await this.fetch("/api/login", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ user }),
    });
    expect(response.status).toBe(200);
    return this;
  }
}

const post = { method: "POST" };
const who = (page: string): string =>
  /id="who"[^>]*>(.*?)<\/p>/s.exec(page)![1]!.replace(/<!--.*?-->/g, "");

describe("the server", () => {
  it("keeps nothing about a visitor who stores nothing", async () => {
    const visitor = new Visitor();
    expect(await visitor.json("/api/session")).toEqual({ id: null, isNew: true, data: {} });
    expect(who(await visitor.text("/welcome"))).toBe("Nobody");
    expect(visitor.cookie).toBe("");
  });

  it("renders who is there", async () => {
    const visitor = await new Visitor().logIn("Ada");
    const page = await visitor.fetch("/");
    expect(page.headers.get("cache-control")).toBe("private, no-cache");
    const html = await page.text();
    expect(who(html)).toBe("Ada");
    expect(html).toContain('<strong id="user">Ada</strong>');
  });

  it("keeps of 20 parallel updates 20", async () => {
    const visitor = await new Visitor().logIn("Ada");
    const keys = Array.from({ length: 20 }, (_, i) => `key${i}`);
    await Promise.all(keys.map((key) => visitor.fetch(`/api/add?key=${key}`, post)));
    const { data } = await visitor.json<{ data: object }>("/api/session");
    expect(Object.keys(data)).toEqual(expect.arrayContaining(keys));
  });

  it("does not bring a session back that was logged out meanwhile", async () => {
    const visitor = await new Visitor().logIn("Ada");
    const slow = visitor.fetch("/api/slow?ms=300", post);
    await sleep(100);
    await new Visitor().fetch("/api/_session", {
      method: "DELETE",
      headers: { cookie: visitor.cookie },
    });
    expect((await slow).status).toBe(409);
    expect(await visitor.json("/api/session")).toMatchObject({ id: null });
  });

  it("keeps sessions when it is started anew", async () => {
    const dir = await mkdtemp(join(cwd, "again-"));
    const first = await start(dir);
    const visitor = await new Visitor(first).logIn("Ada");
    await first.kill("SIGTERM");
    const second = await start(dir);
    const again = new Visitor(second);
    again.cookie = visitor.cookie;
    expect(who(await again.text("/"))).toBe("Ada");
  });

  it("takes its options from the environment", async () => {
    const dir = await mkdtemp(join(cwd, "env-"));
    const fileDir = join(dir, "elsewhere");
    const env = {
      NUXT_FILE_SESSION_FILE_DIR: fileDir,
      NUXT_FILE_SESSION_NAME: "sid",
      NUXT_FILE_SESSION_SECRET: "0123456789abcdef0123456789abcdef",
    };
    const other = await start(dir, env);
    const visitor = await new Visitor(other).logIn("Ada");
    expect(visitor.cookie).toMatch(/^sid=/);
    const { id } = await visitor.json("/api/session");
    const file = await readFile(join(fileDir, `sess_${String(id)}`), "utf8");
    expect(file).not.toContain("Ada");
    expect(existsSync(join(dir, ".data"))).toBe(false);
    expect(await visitor.json("/api/storage")).toEqual({ has: true });
  });

  it("mounts the sessions as a storage", async () => {
    const visitor = await new Visitor().logIn("Ada");
    expect(await visitor.json("/api/storage")).toEqual({ has: true });
  });
});

describe("a request inside of a page that is rendered", () => {
  it("begins a session, and its cookie comes with the page", async () => {
    const visitor = new Visitor();
    expect(await visitor.text("/")).toContain('<span id="visits" class="figure">1</span>');
    expect(visitor.cookie).toMatch(/^session=/);
    expect(await visitor.text("/")).toContain('<span id="visits" class="figure">2</span>');
  });

  it("logs in, and its cookie comes with the page", async () => {
    const visitor = new Visitor();
    const html = await visitor.text("/welcome?user=Ada");
    expect(html).toContain('<strong id="user">Ada</strong>');
    expect(visitor.cookie).toMatch(/^session=/);
    expect(who(await visitor.text("/"))).toBe("Ada");
  });

  it("gives a new token, and the old one is dead", async () => {
    const visitor = await new Visitor().logIn("Ada");
    const old = visitor.cookie;
    await visitor.text("/welcome?user=Grace");
    expect(visitor.cookie).not.toBe(old);
    expect(await visitor.text("/api/_session")).toContain("Grace");
    visitor.cookie = old;
    expect(await visitor.text("/api/_session")).toBe("[null]");
  });
});

describe("the endpoint", () => {
  it("says what is public, with its types, to nobody's cache", async () => {
    const visitor = await new Visitor().logIn("Ada");
    const response = await visitor.fetch("/api/_session");
    expect(response.headers.get("cache-control")).toBe("no-store");
    const [shape, user, since] = (await response.json()) as [object, string, [string, string]];
    expect(shape).toEqual({ user: 1, since: 2 });
    expect(user).toBe("Ada");
    expect(since).toEqual(["Date", expect.any(String)]);
    expect(await new Visitor().text("/api/_session")).toBe("[null]");
  });

  it("destroys the session at a DELETE, unless another site asks", async () => {
    const visitor = await new Visitor().logIn("Ada");
    const old = visitor.cookie;
    for (const site of ["cross-site", "same-site"]) {
      const headers = { "sec-fetch-site": site };
      const refused = await visitor.fetch("/api/_session", { method: "DELETE", headers });
      expect(refused.status).toBe(403);
    }
    expect(await visitor.text("/api/_session")).toContain("Ada");

    const headers = { "sec-fetch-site": "same-origin" };
    const answer = await visitor.fetch("/api/_session", { method: "DELETE", headers });
    expect(await answer.text()).toBe("[null]");
    expect(answer.headers.get("cache-control")).toContain("no-store");
    expect(visitor.cookie).toBe("");
    visitor.cookie = old;
    expect(await visitor.json("/api/session")).toMatchObject({ id: null });
  });

  it("knows no other method", async () => {
    const response = await new Visitor().fetch("/api/_session", post);
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("GET, HEAD, DELETE");
  });
});

describe("what is not public", () => {
  it("stays on the server, and the token too", async () => {
    const visitor = await new Visitor().logIn("Ada");
    const [, token = "-"] = visitor.cookie.split("=");
    const { id, data } = await visitor.json<{ id: string; data: { secret: string } }>(
      "/api/session",
    );
    expect(data.secret).toBe("stays on the server");
    for (const path of [
      "/",
      "/welcome",
      "/about",
      "/about/_payload.json",
      "/news",
      "/api/_session",
    ]) {
      const text = await visitor.text(path);
      for (const secret of [data.secret, '"secret"', token, id]) expect(text).not.toContain(secret);
    }
  });
});

describe("a page for everybody", () => {
  it("is nobody's when it was rendered with the app", async () => {
    const visitor = await new Visitor().logIn("Ada");
    const file = readFileSync(join(app.dir, ".output/public/about/index.html"), "utf8");
    const sent = await visitor.text("/about");
    expect(sent).toBe(file);
    expect(who(sent)).toBe("…");
    expect(sent).not.toContain("Ada");
  });

  it("is nobody's when it is kept for a while", async () => {
    const ada = await new Visitor().logIn("Ada");
    const first = await ada.text("/news");
    expect(who(first)).toBe("…");
    expect(first).not.toContain("Ada");
    const later = await new Visitor().fetch("/news");
    expect(await later.text()).toBe(first);
    expect(later.headers.getSetCookie()).toEqual([]);
  });
});

describe("what is built", () => {
  it("has nothing of the DevTools", () => {
    const files = readdirSync(join(app.dir, ".output"), { recursive: true, withFileTypes: true });
    const found = files
      .filter((entry) => entry.isFile() && !entry.parentPath.includes("node_modules"))
      .map(({ parentPath, name }) => join(parentPath, name))
      .filter((file) =>
        /__filesession__|frame-ancestors 'self'/.test(readFileSync(file, "latin1")),
      );
    expect(found).toEqual([]);
  });

  it("has one filesession, as it was packed", () => {
    const own = join(app.dir, ".output/server/node_modules/filesession/dist");
    expect(readdirSync(own)).toEqual(expect.arrayContaining(["index.js", "thread.js"]));
    const built = join(app.dir, ".output/server/chunks/nitro/nitro.mjs");
    expect(readFileSync(built, "utf8")).not.toContain("class FileHandler");
  });

  it("cleans by a scheduled task", () => {
    const built = readFileSync(join(app.dir, ".output/server/chunks/nitro/nitro.mjs"), "utf8");
    expect(built).toMatch(/"cron":\s*"[^"]+",\s*"tasks":\s*\[\s*"filesession:clean"/);
  });
});

// What builds is not what serves, and has no runtime but its own.
const isBuilder = !process.env.APP_RUNTIME;

describe.runIf(isBuilder)("what TypeScript says", () => {
  const probe = (): string => join(app.dir, "app/pages/probe.vue");
  const config = (): string => join(app.dir, "nuxt.config.ts");
  afterEach(() => rmSync(probe(), { force: true }));

  it("is nothing", async () => {
    expect(await typeErrors(app.dir)).toEqual([]);
  });

  it("is what does not fit the session, its public keys and the options", async () => {
    await writeFile(
      probe(),
      `<script setup lang="ts">
const { user, session, ready } = useUserSession();
const name: number | null = user.value;
const since: string | undefined = session.value?.since;
const secret = session.value?.secret;
const known: string = ready.value;
</script>
<template><p>{{ name }}{{ since }}{{ secret }}{{ known }}</p></template>
`,
    );
    const own = await readFile(config(), "utf8");
    await writeFile(
      config(),
      own.replace("fileSession: {", 'fileSession: { idleTimeout: "a day",'),
    );
    try {
      expect(await typeErrors(app.dir)).toEqual([
        "app/pages/probe.vue(3,7): error TS2322: Type 'string | null' is not assignable to type 'number | null'.",
        "app/pages/probe.vue(4,7): error TS2322: Type 'Date | undefined' is not assignable to type 'string | undefined'.",
        "app/pages/probe.vue(5,31): error TS2339: Property 'secret' does not exist on type 'Partial<Pick<SessionData, \"user\" | \"since\">>'.",
        "app/pages/probe.vue(6,7): error TS2322: Type 'boolean' is not assignable to type 'string'.",
        expect.stringMatching(
          /^nuxt\.config\.ts.*Type 'string' is not assignable to type 'number'/,
        ),
      ]);
    } finally {
      await writeFile(config(), own);
    }
  });

  it("is nothing about what docs/nuxt.md shows", async () => {
    const docs = readFileSync(join(root, "docs/nuxt.md"), "utf8");
    const shown = [...docs.matchAll(/^```(?:ts|vue) \[(.+?)\]\n(.*?)^```/gms)];
    expect(shown.length).toBeGreaterThan(3);
    const dir = join(cwd, "shown"); // an app of these files and no others
    await mkdir(dir);
    await symlink(join(app.dir, "node_modules"), join(dir, "node_modules"));
    for (const file of ["package.json", "tsconfig.json"])
      await copyFile(join(app.dir, file), join(dir, file));
    for (const [, name = "", code = ""] of shown) {
      await mkdir(dirname(join(dir, name)), { recursive: true });
      await writeFile(join(dir, name), code);
    }
    expect(await typeErrors(dir)).toEqual([]);
  });
});

/** What `npm run types` has to say in an app. */
async function typeErrors(dir: string): Promise<string[]> {
  const env = { ...process.env, PATH: `${dirname(app.node)}${delimiter}${process.env.PATH}` };
  const npm = promisify(execFile)("npm", ["run", "types", "--silent"], { cwd: dir, env });
  const { stdout } = await npm.catch((error: { stdout: string }) => error);
  return stdout.split("\n").filter((line) => /^\S.*error TS/.test(line));
}

describe.runIf(has("chromium"))("in a browser", () => {
  let browser: Browser;
  let context: BrowserContext;
  let complaints: string[];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executablePath!, args });
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    complaints = [];
    context = await browser.newContext();
    await context.addInitScript(noteWho);
  });
  afterEach(async () => {
    await context.close();
    expect(complaints).toEqual([]);
  });

  async function open(path: string, { url }: Server = server): Promise<Page> {
    const page = await context.newPage();
    page.on("console", (message) => {
      if (["warning", "error"].includes(message.type())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(url + path, { waitUntil: "networkidle" });
    return page;
  }

  async function logIn(page: Page, user: string): Promise<void> {
    await page.fill("input[name=user]", user);
    await page.press("input[name=user]", "Enter");
    await page.waitForSelector("#user");
  }

  it("shows the visitor from the first moment on, and asks nobody", async () => {
    await logIn(await open("/"), "Ada");
    const asked: string[] = [];
    context.on("request", (request) => asked.push(new URL(request.url()).pathname));

    const page = await open("/");

    expect(await seen(page)).toEqual(["Ada"]);
    expect(await page.textContent("#user")).toBe("Ada");
    expect(asked).toContain("/");
    expect(asked.filter((path) => path.startsWith("/api/"))).toEqual([]);
  });

  it("gives dates as dates, from the page and from the endpoint", async () => {
    const page = await open("/");
    await logIn(page, "Ada");
    const since = (): boolean => {
      const root = document.querySelector("#__nuxt") as unknown as {
        __vue_app__: {
          $nuxt: { payload: { state: Record<string, { session: { since: Date } }> } };
        };
      };
      return root.__vue_app__.$nuxt.payload.state["$sfilesession"]!.session.since instanceof Date;
    };
    expect(await page.evaluate(since)).toBe(true);
    await page.reload({ waitUntil: "networkidle" });
    expect(await page.evaluate(since)).toBe(true);
  });

  it("logs out, and is logged out on the next page", async () => {
    const page = await open("/");
    await logIn(page, "Ada");
    await page.click("#logout");
    await page.waitForSelector("form#login");
    expect(await page.textContent("#who")).toBe("Nobody");
    expect((await context.cookies()).map(({ name }) => name)).not.toContain("session");
    await page.reload();
    expect(await page.textContent("#who")).toBe("Nobody");
  });

  it("sees in one tab, when it looks again, what another has done", async () => {
    const one = await open("/");
    await logIn(one, "Ada");
    const two = await open("/");
    await one.click("#logout");
    await one.waitForSelector("form#login");
    expect(await two.textContent("#who")).toBe("Ada");
    await two.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await two.waitForSelector("form#login");
    expect(await two.textContent("#who")).toBe("Nobody");
  });

  it("finds out who is there on a page for everybody", async () => {
    await logIn(await open("/"), "Ada");
    for (const path of ["/about", "/news"]) {
      const page = await open(path);
      await page.waitForSelector("#user");
      expect(await page.textContent("#user")).toBe("Ada");
      expect(await seen(page)).toEqual(["…", "Ada"]);
    }
  });

  it("knows who is there before a page that is rendered in the browser shows anything", async () => {
    await logIn(await open("/"), "Ada");
    const page = await open("/client");
    expect(await page.textContent("#user")).toBe("Ada");
    expect(await seen(page)).toEqual(["Ada"]);
  });

  it("asks below the base of the app", async () => {
    const dir = await mkdtemp(join(cwd, "base-"));
    const based = await start(dir, { NUXT_APP_BASE_URL: "/base/" });
    const asked: string[] = [];
    context.on("response", (response) => asked.push(`${response.status()} ${response.url()}`));
    const page = await open("/base/client", based);
    expect(asked).toContain(`200 ${based.url}/base/api/_session`);
    expect(await page.textContent("#who")).toBe("Nobody");
    complaints = []; // the icon is named without the base
  });

  it.each(["before", "after"])("takes no answer from before a log-out, asked %s", async (when) => {
    const page = await open("/");
    await logIn(page, "Ada");
    const [answered, answer] = promised();
    const [isOut, letItIn] = promised();
    await page.route("**/api/_session", async (route) => {
      if (route.request().method() === "DELETE") {
        await answered;
        return route.continue();
      }
      const response = await route.fetch();
      expect(await response.text()).toContain("Ada");
      answer();
      await isOut;
      await route.fulfill({ response });
    });
    const ask = (): Promise<boolean> =>
      page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    if (when === "before") await ask();
    await page.click("#logout");
    if (when === "after") await ask();
    await page.waitForSelector("form#login");
    const late = page.waitForResponse((response) => response.request().method() === "GET");
    letItIn();
    await late;
    await sleep(100);
    expect(await page.textContent("#who")).toBe("Nobody");
  });

  it("is logged in by a page that has logged in", async () => {
    const page = await open("/welcome?user=Ada");
    expect(await page.textContent("#user")).toBe("Ada");
    await page.click("text=Home");
    await page.waitForSelector("#logout");
  });

  it("can be used with the keyboard, and has no name too many for a narrow screen", async () => {
    const page = await open("/");
    await page.setViewportSize({ width: 320, height: 640 });
    await logIn(page, "Ada ".repeat(19).trim());
    const isWide = (): boolean => document.documentElement.scrollWidth > innerWidth;
    expect(await page.evaluate(isWide)).toBe(false);
  });

  describe.runIf(isBuilder)("while it is developed", () => {
    let dev: Server;

    beforeAll(async () => {
      rmSync(join(app.dir, ".data"), { recursive: true, force: true });
      const program = ["node_modules/nuxt/bin/nuxt.mjs", "dev", "--no-fork"];
      const env = { NODE_ENV: "development", NUXT_TELEMETRY_DISABLED: "1", TEST: undefined };
      dev = await startApp(app, program, { env });
      const isThere = async (): Promise<boolean> => {
        const { ok, headers } = await fetch(dev.url + "/api/session"); // before, it is a page that waits
        return ok && headers.get("content-type") === "application/json";
      };
      while (!(await isThere())) await sleep(200);
    });
    afterAll(() => dev?.kill());

    it("has a page for the DevTools, which shows the session and ends it", async () => {
      const visitor = await new Visitor(dev).logIn("Ada");
      const [name = "", value = ""] = visitor.cookie.split("=");
      await context.addCookies([{ name, value, url: dev.url }]);
      const page = await open("/__filesession__", dev);
      const { id } = await visitor.json("/api/session");
      expect(await page.textContent("dl")).toContain(String(id));
      const text = (await page.textContent("main"))!.replace(/\s+/g, " ");
      expect(text).toContain("since Date");
      expect(text).toContain("stays on the server");
      expect(text).toContain(`sess_${String(id)}`);
      expect(text).toMatch(/Recent changes.*update.*ms/s);
      expect(text).not.toContain(value);

      await page.click("text=Destroy it");
      await page.waitForSelector("text=You have none");
      expect(await visitor.json("/api/session")).toMatchObject({ id: null });
      await page.waitForSelector("text=gone");
    });

    it("shows that page to no other site", async () => {
      const visitor = await new Visitor(dev).logIn("Ada");
      for (const site of ["cross-site", "same-site"]) {
        const headers = { "sec-fetch-site": site };
        expect((await visitor.fetch("/__filesession__", { headers })).status).toBe(403);
      }
      expect((await visitor.fetch("/__filesession__", post)).status).toBe(403);
      const page = await visitor.fetch("/__filesession__");
      expect(page.headers.get("content-security-policy")).toContain("frame-ancestors 'self'");
      expect(await visitor.text("/api/_session")).toContain("Ada");
    });

    it("is not made anew by sessions", async () => {
      const before = dev.output();
      const visitor = new Visitor(dev);
      for (let i = 0; i < 20; i++) await new Visitor(dev).logIn(`User ${i}`);
      await visitor.logIn("Ada");
      await sleep(2000);
      expect(dev.output().slice(before.length)).toBe("");
      expect(await visitor.text("/api/_session")).toContain("Ada");
      // And it does say so when it is.
      const route = join(app.dir, "server/api/control.get.ts");
      onTestFinished(() => rm(route));
      await writeFile(route, "export default defineEventHandler(() => 1);\n");
      await expect.poll(() => dev.output().length, { timeout: 10_000 }).not.toBe(before.length);
    });

    it("has the task", async () => {
      const { tasks, scheduledTasks } = await new Visitor(dev).json("/_nitro/tasks");
      expect(tasks).toHaveProperty("filesession:clean");
      expect(scheduledTasks).toEqual([
        { cron: expect.any(String) as string, tasks: ["filesession:clean"] },
      ]);
    });
  });
});

/** Has the page write down every text that `#who` has had, from the first on. */
function noteWho(): void {
  const texts: string[] = [];
  Object.assign(window, { seenWho: texts });
  const look = (): void => {
    const text = document.querySelector("#who")?.textContent?.trim();
    if (text && texts.at(-1) !== text) texts.push(text);
  };
  new MutationObserver(look).observe(document, {
    subtree: true,
    childList: true,
    characterData: true,
  });
}

/** A promise, and what resolves it. */
function promised(): [Promise<void>, () => void] {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => (resolve = done));
  return [promise, resolve];
}

function seen(page: Page): Promise<string[]> {
  return page.evaluate(() => (window as unknown as { seenWho: string[] }).seenWho);
}
