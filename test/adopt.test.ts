// Visitors who come with a cookie of h3's `useSession`: real ones, which both majors have made.

import * as h3v1 from "h3-v1";
import * as h3v2 from "h3-v2";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { FileHandler } from "../src/file/handler.ts";
import type { AdoptOptions } from "../src/session/adopt.ts";
import { type FileSessionConfig, readConfig } from "../src/session/config.ts";
import type { H3EventLike } from "../src/session/event.ts";
import { useFileSession } from "../src/session/use.ts";
import { keysOf } from "../src/testing/place.ts";
import { MemoryHandler } from "../src/testing/memory-handler.ts";
import { filesIn, tempDir } from "./_dir.ts";
import { describeH3, type Site, type Visitor } from "./_h3.ts";

const password = "what h3 had, of 32 characters and more";
const start = Date.UTC(2030, 0, 1);
const day = 86_400;

interface Data {
  user?: string;
  text?: string;
}

const ada: Data = { user: "Ada" };
const long: Data = { user: "Ada", text: "a long text ".repeat(800) };

type Major = 1 | 2;

interface Old {
  name?: string;
  password?: string;
  maxAge?: number;
  idleTimeout?: number;
}

/** The cookies that h3's `useSession` sets for this data. */
async function oldCookies(major: Major, data: object, old: Old = {}): Promise<Map<string, string>> {
  const config = { password, ...old };
  const request = new Request("http://localhost/");
  const response = await (major === 1
    ? h3v1.toWebHandler(
        h3v1.createApp().use(
          h3v1.eventHandler(async (event) => {
            await (await h3v1.useSession(event, config)).update(data);
            return "";
          }),
        ),
      )(request)
    : new h3v2.H3()
        .get("/", async (event) => {
          await (await h3v2.useSession(event, config)).update(data);
          return "";
        })
        .fetch(request));
  const pairs = response.headers.getSetCookie().map((text) => text.split(/[=;]/, 2));
  return new Map(pairs as [string, string][]);
}

async function seal(major: Major, data: object = ada, old: Old = {}): Promise<string> {
  const cookies = await oldCookies(major, data, old);
  return cookies.get(old.name ?? "h3") ?? "";
}

function setClock(seconds: number): void {
  vi.setSystemTime(start + seconds * 1000);
}

/** A handler, and routes that use it. */
function place(config: FileSessionConfig = {}, adopt: AdoptOptions = { password }) {
  const fileDir = tempDir();
  const handler = new FileHandler({ fileDir });
  onTestFinished(() => handler.close());
  const use = (event: H3EventLike) =>
    useFileSession<Data>(event, { handler, adopt, cleanInterval: false, ...config });
  const routes = {
    "/": async (event: H3EventLike) => {
      const { id, data, time, isNew } = await use(event);
      return { id: id ?? null, data, time: time ?? null, isNew };
    },
    "/write": async (event: H3EventLike) => (await (await use(event)).update({ text: "new" })).data,
    "/regenerate": async (event: H3EventLike) => (await (await use(event)).regenerate()).data,
    "/logout": async (event: H3EventLike) => (await (await use(event)).clear()).data,
  };
  return { handler, use, routes, files: () => filesIn(fileDir) };
}

/** A browser that has these cookies. */
function comesWith(site: Site, cookies: Iterable<readonly [string, string]>): Visitor {
  const visitor = site.visitor();
  for (const [name, value] of cookies) visitor.cookies.set(name, value);
  return visitor;
}

const nobody = { id: null, data: {}, time: null, isNew: true };

/** The Set-Cookie headers that give something, by name. */
function given(cookies: string[]): string[] {
  const set = cookies.filter((text) => !/; Max-Age=0(;|$)/.test(text));
  return set.map((text) => text.slice(0, text.indexOf("=")));
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: start });
  vi.spyOn(process, "emitWarning").mockReturnValue();
});

describeH3("adopt", (h3) => {
  describe.each<[Major]>([[1], [2]])("of h3 %i", (major) => {
    it.each([
      ["the same name", "session"],
      ["h3's own name", undefined],
    ])("takes over a cookie of %s: data, creation time, and no log-in", async (_, name) => {
      const { routes } = place();
      const site = await h3.serve(routes);
      const visitor = comesWith(site, await oldCookies(major, ada, name ? { name } : {}));
      setClock(3600);

      const first = await visitor.get("/");

      const { id } = first.json as { id: string };
      expect(first.json).toEqual({ id, data: ada, time: start, isNew: false });
      expect([...visitor.cookies.keys()]).toEqual(["session"]);
      expect(visitor.cookies.get("session")).toMatch(/^[\w-]{43}$/);
      expect(given(first.cookies)).toEqual(["session"]);
      const next = await visitor.get("/");
      expect(next.json).toEqual(first.json);
      expect(next.cookies).toEqual([]);
      expect((await visitor.get("/write")).json).toEqual({ user: "Ada", text: "new" });
    });

    it("says with each write how long the session may sit unused", async () => {
      const { handler, routes } = place({ idleTimeout: 1800 });
      const writes = [vi.spyOn(handler, "update"), vi.spyOn(handler, "store")];
      const site = await h3.serve(routes);
      await comesWith(site, await oldCookies(major, ada)).get("/");
      const asked = writes.flatMap(({ mock }) => mock.calls.map(([, , options]) => options));
      expect(asked.map((options) => options?.idleTimeout)).toEqual([1800, 1800]);
    });

    it("takes over a cookie of another name, when that is said, and no other", async () => {
      const { routes } = place({}, { password, name: "sid" });
      const site = await h3.serve(routes);
      const visitor = comesWith(site, await oldCookies(major, ada, { name: "sid" }));
      expect((await visitor.get("/")).json).toMatchObject({ data: ada });
      expect([...visitor.cookies.keys()]).toEqual(["session"]);
      const other = comesWith(site, await oldCookies(major, ada));
      const answer = await other.get("/");
      expect(answer.json).toEqual(nobody);
      expect(answer.cookies).toEqual([]);
    });

    it("ends the session when it would have ended: `maxAge` counts from the creation", async () => {
      const { routes, files } = place({ maxAge: 10 * day, idleTimeout: 10 * day });
      const site = await h3.serve(routes);
      const visitor = comesWith(site, await oldCookies(major, ada));
      setClock(9 * day);
      const { cookies } = await visitor.get("/");
      expect(cookies.find((text) => text.startsWith("session="))).toContain("; Max-Age=86400;");
      setClock(10 * day - 1);
      expect((await visitor.get("/")).json).toMatchObject({ data: ada });
      setClock(10 * day);
      expect((await visitor.get("/")).json).toEqual(nobody);
      expect(files()).toHaveLength(2);
    });

    it("ends the session when nobody has used it here for `idleTimeout`", async () => {
      const { routes } = place();
      const site = await h3.serve(routes);
      const visitor = comesWith(site, await oldCookies(major, ada));
      setClock(2 * day);
      await visitor.get("/");
      setClock(3 * day - 1);
      expect((await visitor.get("/")).json).toMatchObject({ data: ada });
      setClock(4 * day - 1);
      expect((await visitor.get("/")).json).toEqual(nobody);
    });

    it("makes one session of 20 requests at once, which all see it", async () => {
      const { routes, handler } = place();
      const site = await h3.serve(routes);
      const visitor = comesWith(site, await oldCookies(major, ada));
      const cookie = `h3=${visitor.cookies.get("h3")}`;

      const answers = await Promise.all(
        Array.from({ length: 20 }, () => visitor.get("/", { cookie })),
      );

      const ids = new Set(answers.map(({ json }) => (json as { id: string }).id));
      expect(ids.size).toBe(1);
      for (const { json } of answers) expect(json).toMatchObject({ data: ada, time: start });
      expect(answers.flatMap(({ cookies }) => given(cookies))).toEqual(["session"]);
      expect(await keysOf(handler)).toEqual([...ids]);
      expect((await visitor.get("/")).json).toMatchObject({ data: ada });
    });

    it("makes one session of two requests that are both about to", async () => {
      const { routes, handler } = place();
      const site = await h3.serve(routes);
      const old = await oldCookies(major, ada);
      const store = handler.store.bind(handler);
      const begun: (() => void)[] = [];
      vi.spyOn(handler, "store").mockImplementation(async (...args) => {
        await new Promise<void>((resolve) => {
          begun.push(resolve);
          if (begun.length === 2) for (const begin of begun) begin();
        });
        return store(...args) as never;
      });
      const visitors = [comesWith(site, old), comesWith(site, old)];
      const answers = await Promise.all(visitors.map((visitor) => visitor.get("/")));
      expect(answers.map(({ json }) => (json as { data: Data }).data)).toEqual([ada, ada]);
      expect(answers.flatMap(({ cookies }) => given(cookies))).toEqual(["session"]);
      const [id] = answers.map(({ json }) => (json as { id: string }).id);
      expect(await keysOf(handler)).toEqual([id]);
    });

    it("opens a cookie once: after a log-out, and for whoever has a copy, it is a miss", async () => {
      const { routes, handler } = place();
      const site = await h3.serve(routes);
      const old = await oldCookies(major, ada);
      const visitor = comesWith(site, old);
      await visitor.get("/");
      await visitor.get("/logout");
      for (const seconds of [1, 59, 61, 6 * day, 7 * day - 1]) {
        setClock(seconds);
        await handler.clean(1);
        const copy = comesWith(site, old);
        const answer = await copy.get("/");
        expect(answer.json).toEqual(nobody);
        expect(given(answer.cookies)).toEqual([]);
        expect(copy.cookies.size).toBe(0);
      }
    });

    it("leads nobody to a session that has got another token since", async () => {
      const { routes } = place();
      const site = await h3.serve(routes);
      const old = await oldCookies(major, ada);
      const visitor = comesWith(site, old);
      await visitor.get("/");
      await visitor.get("/regenerate");
      expect((await comesWith(site, old).get("/")).json).toEqual(nobody);
      expect((await visitor.get("/")).json).toMatchObject({ data: ada });
    });

    it("leads to the session for a minute those who come late, to look", async () => {
      const { routes, handler } = place();
      const site = await h3.serve(routes);
      const old = await oldCookies(major, ada);
      const { id } = (await comesWith(site, old).get("/")).json as { id: string };
      setClock(59);
      const late = comesWith(site, old);
      const answer = await late.get("/");
      expect(answer.json).toEqual({ id, data: ada, time: start, isNew: false });
      expect(answer.cookies).toEqual([]);
      expect((await late.get("/write")).status).toBe(409);
      expect((await late.get("/regenerate")).cookies).toEqual([]);
      expect((await late.get("/logout")).status).toBe(409);
      setClock(60);
      expect((await late.get("/")).json).toEqual(nobody);
      expect(late.cookies.size).toBe(0);
      await handler.clean(3600);
      expect((await comesWith(site, old).get("/")).json).toEqual(nobody);
    });

    it("goes on when the process has died halfway", async () => {
      const { routes, handler } = place();
      const site = await h3.serve(routes);
      const old = await oldCookies(major, ada);
      vi.spyOn(handler, "store").mockRejectedValueOnce(new Error("died"));
      expect((await comesWith(site, old).get("/")).status).toBe(500);
      setClock(2 * day);
      await handler.clean(day);
      const visitor = comesWith(site, old);
      expect((await visitor.get("/")).json).toMatchObject({ data: ada, time: start });
      expect((await visitor.get("/")).json).toMatchObject({ data: ada, time: start });
    });

    it("takes for a session no cookie that was changed in any of its parts", async () => {
      const { routes, files } = place();
      const site = await h3.serve(routes);
      const parts = (await seal(major, ada, { maxAge: 3600 })).split("*");
      const flipped = (part: string): string => (part.startsWith("1") ? "2" : "1") + part.slice(1);
      for (const changed of parts.keys()) {
        if (changed === 0) continue; // then it does not look like a seal
        const text = parts.map((part, at) => (at === changed ? flipped(part) : part)).join("*");
        const visitor = comesWith(site, [["h3", text]]);
        const answer = await visitor.get("/");
        expect(answer.json).toEqual(nobody);
        expect(given(answer.cookies)).toEqual([]);
        expect(visitor.cookies.size).toBe(0);
      }
      expect(files()).toEqual([]);
      expect((await comesWith(site, [["h3", parts.join("*")]]).get("/")).json).not.toEqual(nobody);
    });

    it("takes for a session none of another password, and says so once, without it", async () => {
      const { routes, files } = place({}, { password: "p".repeat(32) });
      const site = await h3.serve(routes);
      const [text, name] = [await seal(major), await seal(major, ada, { name: "session" })];
      for (const cookie of [{ h3: text }, { h3: text, session: name }]) {
        const visitor = comesWith(site, Object.entries(cookie));
        const answer = await visitor.get("/");
        expect([answer.status, answer.json]).toEqual([200, nobody]);
        expect(visitor.cookies.size).toBe(0);
        expect(answer.cookies).toHaveLength(Object.keys(cookie).length);
      }
      expect(files()).toEqual([]);
      for (const [message] of vi.mocked(process.emitWarning).mock.calls)
        expect(String(message)).not.toMatch(/Fe26|ppp/);
    });

    it("takes for a session none that has ended", async () => {
      const week = place({ idleTimeout: 7 * day });
      const site = await h3.serve(week.routes);
      const month = await seal(major, ada, { maxAge: 30 * day });
      const hour = await seal(major, ada, { maxAge: 3600 });
      const ended = async (text: string): Promise<unknown> => {
        const visitor = comesWith(site, [["h3", text]]);
        const { json } = await visitor.get("/");
        expect(visitor.cookies.has("h3")).toBe(false);
        return json;
      };
      setClock(3600 + 60); // iron lets clocks differ by a minute
      expect(await ended(hour)).toEqual(nobody);
      setClock(7 * day - 1);
      expect(await ended(month)).toMatchObject({ data: ada, time: start });
      setClock(7 * day);
      await week.handler.clean(0);
      expect(await ended(month)).toEqual(nobody);
      expect(await ended(await seal(major))).toMatchObject({ data: ada });
    });

    it("remembers one as long as it opens that was made by a clock that is ahead", async () => {
      const { routes, handler } = place();
      const site = await h3.serve(routes);
      setClock(3600);
      const old = await oldCookies(major, ada);
      setClock(0);
      const visitor = comesWith(site, old);
      expect((await visitor.get("/")).json).toMatchObject({ data: ada, time: start });
      setClock(7 * day + 3599);
      await handler.clean(1);
      expect((await comesWith(site, old).get("/")).json).toEqual(nobody);
    });

    it("makes no session that ends while it is being made", async () => {
      const { routes, handler } = place();
      const site = await h3.serve(routes);
      const old = await oldCookies(major, ada);
      setClock(7 * day - 1);
      const store = handler.store.bind(handler);
      vi.spyOn(handler, "store").mockImplementation((...args) => {
        setClock(7 * day);
        return store(...args) as never;
      });
      const answer = await comesWith(site, old).get("/");
      expect(answer.json).toEqual(nobody);
      expect(given(answer.cookies)).toEqual([]);
    });

    it("leaves a cookie without data behind, and no file", async () => {
      const { routes, files } = place();
      const site = await h3.serve(routes);
      const visitor = comesWith(site, await oldCookies(major, {}));
      const answer = await visitor.get("/");
      expect(answer.json).toEqual(nobody);
      expect(visitor.cookies.size).toBe(0);
      expect(files()).toEqual([]);
      const write = await comesWith(site, await oldCookies(major, {}, { name: "session" })).get(
        "/write",
      );
      expect(write.json).toEqual({ text: "new" });
      expect(write.cookies).toHaveLength(1);
      expect(given(write.cookies)).toEqual(["session"]);
    });

    it("seals again what it takes over, with a `secret`", async () => {
      const { routes, handler, files } = place({ secret: "s".repeat(32) });
      const site = await h3.serve(routes);
      const old = await oldCookies(major, ada);
      const visitor = comesWith(site, old);
      const { id } = (await visitor.get("/")).json as { id: string };
      expect((await visitor.get("/")).json).toEqual({ id, data: ada, time: start, isNew: false });
      expect((await comesWith(site, old).get("/")).json).toMatchObject({ data: ada });
      expect((await handler.retrieve(id)).data).toMatch(/^sealed1\./);
      expect(files()).toHaveLength(2);
    });

    it("brings the data up to date, as of version 0", async () => {
      const migrate = vi.fn((old: unknown, from: number) => ({
        ...(old as Data),
        text: `${from}`,
      }));
      const { routes } = place({ version: 2, migrate });
      const site = await h3.serve(routes);
      const visitor = comesWith(site, await oldCookies(major, ada));
      expect((await visitor.get("/")).json).toMatchObject({ data: { user: "Ada", text: "0" } });
      expect(migrate).toHaveBeenCalledWith(ada, 0);
    });
  });

  it.each([["session"], ["h3"]])(
    "takes over what h3 2 has put into several cookies, called %s",
    async (name) => {
      const { routes } = place();
      const site = await h3.serve(routes);
      const old = await oldCookies(2, long, { name });
      expect([...old.keys()].length).toBeGreaterThan(3);
      const visitor = comesWith(site, [["theme", "dark"], [`${name}.x`, "mine"], ...old]);

      const first = await visitor.get("/");

      expect(first.json).toMatchObject({ data: long, time: start });
      expect([...visitor.cookies.keys()].sort()).toEqual([`${name}.x`, "session", "theme"].sort());
      expect(visitor.cookies.get("session")).toMatch(/^[\w-]{43}$/);
      expect((await visitor.get("/")).json).toEqual(first.json);
      const copy = comesWith(site, old);
      setClock(60);
      expect((await copy.get("/")).json).toEqual(nobody);
      expect(copy.cookies.size).toBe(0);
    },
  );

  it("takes for a session no chunks of which one is missing, and has them go", async () => {
    const { routes, files } = place();
    const site = await h3.serve(routes);
    const old = await oldCookies(2, long);
    for (const missing of ["h3.1", "h3.2"]) {
      const visitor = comesWith(site, old);
      visitor.cookies.delete(missing);
      expect((await visitor.get("/")).json).toEqual(nobody);
      expect(visitor.cookies.size).toBe(0);
    }
    expect(files()).toEqual([]);
  });

  it("takes over what the app's own route has set, on this very server", async () => {
    const { routes } = place();
    const useSession = h3.major === 1 ? h3v1.useSession : h3v2.useSession;
    const site = await h3.serve({
      ...routes,
      "/old": async (event) => {
        const session = await useSession(event as never, { password });
        await session.update(ada);
        return session.data;
      },
    });
    const visitor = site.visitor();
    await visitor.get("/old");
    expect([...visitor.cookies.keys()]).toEqual(["h3"]);
    expect((await visitor.get("/")).json).toMatchObject({ data: ada });
    expect([...visitor.cookies.keys()]).toEqual(["session"]);
  });

  it("looks at no old cookie of a visitor who has a session, and at none of one who has none", async () => {
    const { routes, handler, use } = place();
    const site = await h3.serve({
      ...routes,
      "/grace": async (event) => (await (await use(event)).regenerate({ grace: 60 })).data,
    });
    const visitor = site.visitor();
    await visitor.get("/write");
    const late = comesWith(site, visitor.cookies);
    await visitor.get("/grace");
    const update = vi.spyOn(handler, "update");
    for (const one of [visitor, late]) {
      one.cookies.set("h3", await seal(1));
      const { cookies, json } = await one.get("/");
      expect(json).toMatchObject({ data: { text: "new" } });
      expect(cookies).toEqual([]);
    }
    for (const text of ["", "Fe26", "x".repeat(43), "__chunk"]) {
      const answer = await comesWith(site, [["h3", text]]).get("/");
      expect(answer.json).toEqual(nobody);
      expect(answer.cookies).toEqual([]);
    }
    expect(update).not.toHaveBeenCalled();
  });

  it("sets nothing, and uses nothing up, with `cookie: false` or in a cached handler", async () => {
    const { routes, use, handler } = place();
    const config = { handler, adopt: { password }, cookie: false } as const;
    const site = await h3.serve({
      ...routes,
      "/off": async (event) => (await useFileSession(event, config)).data,
      "/cached": async (event) => {
        (event.context as { cache?: unknown }).cache = { options: {} };
        return (await use(event)).data;
      },
    });
    const visitor = comesWith(site, await oldCookies(2, ada));
    for (const path of ["/off", "/cached"]) {
      const answer = await visitor.get(path);
      expect(answer.json).toEqual({});
      expect(answer.cookies).toEqual([]);
    }
    expect((await visitor.get("/")).json).toMatchObject({ data: ada });
  });

  it("expires the old cookies where option `cookie` says that they are", async () => {
    const { routes } = place({ cookie: { path: "/shop", domain: "shop.example" } });
    const site = await h3.serve(routes);
    const { cookies } = await comesWith(site, await oldCookies(2, long)).get("/");
    expect(cookies.length).toBeGreaterThan(3);
    for (const text of cookies) expect(text).toMatch(/; Domain=shop\.example; Path=\/shop;/);
  });

  it("refuses the request, and leaves the cookie alone, when the package is missing", async () => {
    vi.doMock("iron-webcrypto", () => {
      throw new Error("Cannot find package 'iron-webcrypto'");
    });
    onTestFinished(() => vi.doUnmock("iron-webcrypto"));
    const errors: unknown[] = [];
    const { routes, use } = place();
    const site = await h3.serve({
      ...routes,
      "/": async (event) => use(event).catch((error: unknown) => void errors.push(error)),
    });
    const visitor = comesWith(site, await oldCookies(2, ada));
    const answer = await visitor.get("/");
    expect(answer.cookies).toEqual([]);
    expect(errors).toMatchObject([{ code: "ERR_SESSION_OPTION", cause: expect.any(Error) }]);
    expect(String(errors[0])).toContain("npm install iron-webcrypto");
    expect((await site.visitor().get("/write")).status).toBe(200); // nothing to open
  });

  it("does the same with iron-webcrypto 2, and knows no other spelling of a seal", async () => {
    vi.doMock("iron-webcrypto", () => import("iron-webcrypto-v2"));
    onTestFinished(() => vi.doUnmock("iron-webcrypto"));
    const { routes } = place();
    const site = await h3.serve(routes);
    for (const major of [1, 2] as const) {
      const text = await seal(major);
      expect((await comesWith(site, [["h3", text]]).get("/")).json).toMatchObject({ data: ada });
      setClock(60);
      const last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
      const at = last.indexOf(text.at(-1) ?? "");
      // Two bits of the last character belong to nothing: these decode to the same bytes.
      for (const spelling of [0, 1, 2, 3].map((bits) => text.slice(0, -1) + last[at + bits]))
        for (const other of [spelling, `${spelling}=`])
          expect((await comesWith(site, [["h3", other]]).get("/")).json).toEqual(nobody);
      const chunked = comesWith(site, await oldCookies(2, long));
      expect((await chunked.get("/")).json).toMatchObject({ data: long });
      setClock(0);
    }
  });

  it("takes several passwords, by the ids that seals name", async () => {
    const { routes } = place({}, { password: { default: password, other: "o".repeat(32) } });
    const site = await h3.serve(routes);
    const named = { id: "other", secret: "o".repeat(32) } as unknown as string;
    for (const text of [await seal(1), await seal(2, ada, { password: named })])
      expect((await comesWith(site, [["h3", text]]).get("/")).json).toMatchObject({ data: ada });
    const unknown = { id: "constructor", secret: "o".repeat(32) } as unknown as string;
    const none = await seal(1, ada, { password: unknown });
    expect((await comesWith(site, [["h3", none]]).get("/")).json).toEqual(nobody);
  });

  it("honours when h3 2 has seen the visitor last", async () => {
    const { routes } = place({ idleTimeout: 3600 });
    const site = await h3.serve(routes);
    const text = await seal(2, ada, { idleTimeout: 7200, maxAge: 7 * day });
    setClock(3600);
    expect((await comesWith(site, [["h3", text]]).get("/")).json).toEqual(nobody);
    setClock(3599);
    expect((await comesWith(site, [["h3", text]]).get("/")).json).toMatchObject({ data: ada });
  });

  it("tells of data that cannot be stored, and fails no request", async () => {
    const { routes, files } = place({
      handler: new FileHandler({ fileDir: tempDir(), maxBytes: 1000 }),
    });
    const site = await h3.serve(routes);
    for (const old of [await oldCookies(2, long), await oldCookies(1, { "~flash": {} })]) {
      const visitor = comesWith(site, old);
      const answer = await visitor.get("/");
      expect([answer.status, answer.json]).toEqual([200, nobody]);
      expect(visitor.cookies.size).toBe(0);
      expect(process.emitWarning).toHaveBeenLastCalledWith(
        expect.stringContaining("Cannot adopt a session of h3's"),
        expect.anything(),
      );
    }
    expect(files()).toEqual([]);
  });

  it("lets a request fail once whose data does not fit, with `onInvalid: throw`", async () => {
    const refuse = { issues: [{ message: "no", path: ["user"] }] };
    const schema = {
      "~standard": { version: 1, vendor: "test", validate: () => refuse },
    } as const;
    const { routes } = place({ schema, onInvalid: "throw" });
    const site = await h3.serve(routes);
    const visitor = comesWith(site, await oldCookies(1, ada));
    expect((await visitor.get("/")).status).toBe(500);
    expect(visitor.cookies.size).toBe(0);
    expect((await visitor.get("/")).json).toEqual(nobody);
  });

  it("takes over data that fits a schema, and counts as empty what does not", async () => {
    const schema = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: (value: unknown) =>
          (value as Data).user === "Ada"
            ? { value: value as object }
            : { issues: [{ message: "who?", path: ["user"] }] },
      },
    } as const;
    const { routes } = place({ schema });
    const site = await h3.serve(routes);
    expect((await comesWith(site, await oldCookies(2, ada)).get("/")).json).toMatchObject({
      data: ada,
    });
    const eve = comesWith(site, await oldCookies(2, { user: "Eve" }));
    expect((await eve.get("/")).json).toMatchObject({ data: {}, isNew: false });
  });

  it.each([["before"], ["update"], ["store"]] as const)(
    "uses nothing up when the response has begun: %s",
    async (when) => {
      const { routes, handler, use } = place();
      const seen: unknown[] = [];
      // A call of the handler's has done its work when the response begins, and resolves after that.
      const late = async (event: H3EventLike): Promise<ReadableStream> => {
        let begin = (): void => undefined;
        const begun = new Promise<void>((resolve) => (begin = resolve));
        let reach = (): void => undefined;
        const reached = new Promise<void>((resolve) => (reach = resolve));
        const after = async <R>(done: Promise<R>): Promise<R> => {
          const result = await done;
          reach();
          await begun;
          return result;
        };
        const { store, update } = { store: handler.store, update: handler.update };
        if (when === "store")
          vi.spyOn(handler, "store").mockImplementationOnce((...args) =>
            after(store.apply(handler, args) as never),
          );
        if (when === "update")
          vi.spyOn(handler, "update").mockImplementationOnce((...args) =>
            after(update.apply(handler, args) as never),
          );
        const opened = when === "before" ? begun.then(() => use(event)) : use(event);
        if (when !== "before") await reached;
        return new ReadableStream({
          start: (controller) => controller.enqueue(new TextEncoder().encode("begun, ")),
          async pull(controller) {
            await new Promise((resolve) => setImmediate(resolve));
            begin();
            const { id, data, isNew } = await opened;
            seen.push({ id, data, isNew });
            controller.close();
          },
        });
      };
      const site = await h3.serve({ ...routes, "/late": late });
      const old = await oldCookies(2, ada);
      expect((await comesWith(site, old).get("/late")).cookies).toEqual([]);
      expect(seen).toEqual([{ id: undefined, data: {}, isNew: true }]);
      const visitor = comesWith(site, old);
      expect((await visitor.get("/")).json).toMatchObject({ data: ada, time: start });
      await visitor.get("/logout");
      setClock(6 * day);
      await handler.clean(3600);
      expect((await comesWith(site, old).get("/")).json).toEqual(nobody);
    },
  );
});

describe("adopt", () => {
  it("refuses what is no password of h3's, and shows none", () => {
    const refused: unknown[] = [
      null,
      {},
      { password: undefined },
      { password: "a secret that is short" },
      { password: {} },
      { password: { default: "a secret that is short" } },
      { password: { default: "a secret ".repeat(5), other: "a secret" } },
      { password: ["a secret ".repeat(5)] },
    ];
    const handler = new MemoryHandler();
    for (const adopt of refused) {
      const read = () => readConfig({ handler, adopt: adopt as AdoptOptions });
      expect(read).toThrow(expect.objectContaining({ code: "ERR_SESSION_OPTION" }) as Error);
      expect(read).toThrow(/`adopt`.*32 characters/);
      expect(read).not.toThrow(/a secret/);
    }
    const noName = { handler, adopt: { password, name: "a name" } };
    expect(() => readConfig(noName)).toThrow(/name/);
  });

  it("is read once for a config that stays the same", () => {
    const handler = new MemoryHandler();
    const adopt = { password };
    const settings = readConfig({ handler, adopt });
    expect(readConfig({ handler, adopt: { password } })).toBe(settings);
    expect(readConfig({ handler, adopt: { password, name: "sid" } })).not.toBe(settings);
    readConfig({ handler, adopt });
    adopt.password = "another of at least 32 characters, too";
    expect(readConfig({ handler, adopt }).adoption?.password).toBe(adopt.password);
    expect(readConfig({ handler, adopt, cookie: false }).adoption).toBeUndefined();
  });
});
