import { expect, it, vi } from "vitest";
import { FileHandler } from "../src/file/handler.ts";
import type { CookieOptions } from "../src/session/cookie.ts";
import type { FileSessionConfig } from "../src/session/config.ts";
import type { H3EventLike } from "../src/session/event.ts";
import { useFileSession } from "../src/session/use.ts";
import { cachedEvent, describeH3 } from "./_h3.ts";
import { noPlace, filesIn, tempDir } from "./_dir.ts";

/** A handler that stores something, and then does what the test wants. */
function storing(config: FileSessionConfig, then: (event: H3EventLike) => unknown = () => "") {
  return async (event: H3EventLike) => {
    await (await useFileSession(event, config)).update({ n: 1 });
    return then(event);
  };
}

const elsewhere = { host: "shop.example" };

describeH3("the session cookie", (h3) => {
  it("is HttpOnly, SameSite=Lax, Path=/, Secure, and lives as long as the session may", async () => {
    const site = await h3.serve({ "/": storing({ fileDir: tempDir() }) });
    const { cookies } = await site.visitor().get("/", elsewhere);
    expect(cookies).toEqual([
      expect.stringMatching(
        /^session=[\w-]{43}; Max-Age=604800; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
      ),
    ]);
  });

  it("is not Secure for plain http on localhost, where some browsers would drop it", async () => {
    const site = await h3.serve({ "/": storing({ fileDir: tempDir() }) });
    const isSecure = async (headers: Record<string, string>) =>
      (await site.visitor().get("/", headers)).cookies[0]?.includes("; Secure");
    for (const host of [
      "localhost",
      "localhost:3000",
      "app.localhost",
      "127.0.0.1:80",
      "[::1]:3000",
    ])
      expect(await isSecure({ host })).toBe(false);
    for (const host of [
      "localhost.example",
      "notlocalhost",
      "127.0.0.1.example",
      "10.0.0.1",
      "::1",
    ])
      expect(await isSecure({ host })).toBe(true);
    expect(await isSecure({ host: "localhost", "x-forwarded-proto": "https" })).toBe(true);
  });

  it("has what the option `cookie` says", async () => {
    const cookie: CookieOptions = { sameSite: "strict", path: "/app", domain: "shop.example" };
    const fileDir = tempDir();
    const site = await h3.serve({
      "/": storing({ fileDir, cookie }),
      "/open": storing({ fileDir, cookie: { httpOnly: false, secure: false, maxAge: 60 } }),
      "/until": storing({ fileDir, cookie: { expires: new Date(0) } }),
      "/out": async (event) => {
        await (await useFileSession(event, { fileDir, cookie })).clear();
        return "";
      },
    });
    const visitor = site.visitor();
    const attributes = async (path: string) =>
      (await visitor.get(path, elsewhere)).cookies[0]?.replace(/^session=[^;]*; /, "");
    const ours = "Domain=shop.example; Path=/app; HttpOnly; Secure; SameSite=Strict";
    expect(await attributes("/")).toBe(`Max-Age=604800; ${ours}`);
    visitor.cookies.set("session", "anything");
    expect(await attributes("/out")).toBe(`Max-Age=0; ${ours}`);
    expect(await attributes("/open")).toBe("Max-Age=60; Path=/; SameSite=Lax");
    await visitor.get("/out", elsewhere);
    const until = "Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Lax";
    expect(await attributes("/until")).toBe(until);
  });

  it("stays Secure where browsers insist on it", async () => {
    const fileDir = tempDir();
    const site = await h3.serve({
      "/host": storing({ fileDir, name: "__Host-session" }),
      "/none": storing({ fileDir, cookie: { sameSite: "none" } }),
    });
    for (const path of ["/host", "/none"]) {
      const { cookies } = await site.visitor().get(path, { host: "localhost" });
      expect(cookies).toEqual([expect.stringContaining("; Secure")]);
    }
  });

  it("is set once however often the session changes, and leaves other cookies alone", async () => {
    const config = { fileDir: tempDir() };
    const site = await h3.serve({
      "/": async (event) => {
        h3.setCookie(event, "theme", "dark");
        const session = await useFileSession(event, config);
        await session.update({ n: 1 });
        h3.setCookie(event, "lang", "en");
        await session.clear();
        await session.update({ n: 2 });
        await session.regenerate();
        await session.update({ n: 3 });
        return session.data;
      },
      "/read": async (event) => (await useFileSession(event, config)).data,
    });
    const visitor = site.visitor();
    const { cookies } = await visitor.get("/");
    expect(cookies.map((cookie) => cookie.split("=")[0])).toEqual(["theme", "lang", "session"]);
    expect((await visitor.get("/read")).json).toEqual({ n: 3 });
  });

  it("is not sent again for an update, or a read", async () => {
    const config = { fileDir: tempDir() };
    const site = await h3.serve({ "/": storing(config) });
    const visitor = site.visitor();
    expect((await visitor.get("/")).cookies).toHaveLength(1);
    expect((await visitor.get("/")).cookies).toHaveLength(0);
  });

  it("is set for what is left of `maxAge` when the token changes", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: 0 });
    const config = { fileDir: tempDir(), maxAge: 1000 };
    const site = await h3.serve({
      "/": storing(config),
      "/new": async (event) => {
        await (await useFileSession(event, config)).regenerate();
        return "";
      },
    });
    const visitor = site.visitor();
    await visitor.get("/");
    vi.setSystemTime(400_000);
    expect((await visitor.get("/new")).cookies[0]).toContain("; Max-Age=600;");
  });

  it("reaches the browser with every kind of response, once", async () => {
    const fileDir = tempDir();
    const responses: Record<string, [status: number, (event: H3EventLike) => unknown]> = {
      "/text": [200, () => "text"],
      "/json": [200, () => ({ json: true })],
      "/response": [200, () => new Response("text")],
      "/redirect": [302, (event) => h3.redirect(event, "/")],
      "/error-response": [418, () => new Response("text", { status: 418 })],
      "/http-error": [404, () => Promise.reject(h3.httpError(404))],
      "/error": [500, () => Promise.reject(new Error("a bug"))],
      "/stream": [200, () => new Response("text").body],
    };
    const routes = Object.entries(responses).map(([path, [, then]]) => [
      path,
      storing({ fileDir }, (event) => {
        h3.setCookie(event, "theme", "dark");
        return then(event);
      }),
    ]);
    const site = await h3.serve(Object.fromEntries(routes));
    for (const [path, [status]] of Object.entries(responses)) {
      const answer = await site.visitor().get(path);
      const ours = answer.cookies.filter((cookie) => cookie.startsWith("session="));
      expect([path, answer.status, ours.length]).toEqual([path, status, 1]);
      expect(answer.headers.get("vary")).toBe("Cookie");
    }
  });

  it('comes with `Vary: Cookie` and `Cache-Control: no-cache="Set-Cookie"`, beside what is there', async () => {
    const fileDir = tempDir();
    const given: Record<string, [vary: string, cacheControl: string]> = {
      "/1": ["Accept-Encoding", "public, max-age=60"],
      "/2": ["accept, cookie", 'private, no-cache="set-cookie"'],
      "/3": ["*", "no-cache"],
    };
    const routes = Object.entries(given).map(([path, [vary, cacheControl]]) => [
      path,
      async (event: H3EventLike) => {
        h3.setHeader(event, "vary", vary);
        h3.setHeader(event, "cache-control", cacheControl);
        const session = await useFileSession(event, { fileDir });
        await session.update({ n: 1 });
        await session.regenerate();
        return "";
      },
    ]);
    const site = await h3.serve({
      ...Object.fromEntries(routes),
      "/plain": storing({ fileDir }),
      "/read": async (event) => (await useFileSession(event, { fileDir })).data,
    });
    const caching = async (path: string) => {
      const { headers } = await site.visitor().get(path);
      return [headers.get("vary"), headers.get("cache-control")];
    };
    expect(await caching("/plain")).toEqual(["Cookie", 'no-cache="Set-Cookie"']);
    expect(await caching("/1")).toEqual([
      "Accept-Encoding, Cookie",
      'public, max-age=60, no-cache="Set-Cookie"',
    ]);
    expect(await caching("/2")).toEqual(given["/2"]);
    expect(await caching("/3")).toEqual(given["/3"]);
    expect(await caching("/read")).toEqual([null, null]);
  });

  it("is never set with `cookie: false`; a session that is there can be used", async () => {
    const fileDir = tempDir();
    const silent = { fileDir, cookie: false } as const;
    const site = await h3.serve({
      "/login": storing({ fileDir }),
      "/": async (event) => {
        const session = await useFileSession(event, silent);
        await session.update({ m: 2 });
        const refused = await session.regenerate().catch((error: { code: string }) => error.code);
        return [session.data, refused];
      },
      "/out": async (event) => {
        await (await useFileSession(event, silent)).clear();
        return "";
      },
    });
    const visitor = site.visitor();
    const [beginning] = [await visitor.get("/")];
    expect([beginning.json, beginning.cookies]).toEqual([[{ m: 2 }, "ERR_SESSION_OPTION"], []]);
    await visitor.get("/login");
    const using = await visitor.get("/");
    expect([using.json, using.cookies]).toEqual([[{ n: 1, m: 2 }, "ERR_SESSION_OPTION"], []]);
    expect((await visitor.get("/out")).cookies).toEqual([]);
    expect(filesIn(fileDir)).toHaveLength(1); // the one that nobody can come back to
  });
});

describeH3("a session after the headers have gone", (h3) => {
  // A stream is read after the response began. The session may have been opened before, or not.
  const streaming =
    (
      config: FileSessionConfig,
      opened: "before" | "after",
      late: (session: Awaited<ReturnType<typeof useFileSession>>) => Promise<unknown>,
    ) =>
    async (event: H3EventLike) => {
      if (opened === "before") await useFileSession(event, config);
      return new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode("begun, ")),
        async pull(controller) {
          await new Promise((resolve) => setImmediate(resolve));
          const session = await useFileSession(event, config);
          const outcome = await late(session).then(
            () => "done",
            (error: { code?: string }) => error.code ?? String(error),
          );
          controller.enqueue(new TextEncoder().encode(outcome));
          controller.close();
        },
      });
    };

  it.each(["before", "after"] as const)(
    "does not begin when it was opened %s, and nothing is written",
    async (opened) => {
      const config = { fileDir: tempDir() };
      const site = await h3.serve({
        "/": streaming(config, opened, (session) => session.update({ n: 1 })),
      });
      const answer = await site.visitor().get("/");
      expect([answer.text, answer.cookies]).toEqual(["begun, ERR_SESSION_HEADERS_SENT", []]);
      expect(filesIn(config.fileDir)).toEqual([]);
    },
  );

  it("is neither moved nor destroyed, but it is changed", async () => {
    const config = { fileDir: tempDir() };
    const site = await h3.serve({
      "/login": storing(config),
      "/regenerate": streaming(config, "before", (session) => session.regenerate()),
      "/clear": streaming(config, "before", (session) => session.clear()),
      "/update": streaming(config, "before", (session) => session.update({ n: 2 })),
      "/": async (event) => (await useFileSession(event, config)).data,
    });
    const visitor = site.visitor();
    await visitor.get("/login");
    const files = filesIn(config.fileDir);
    expect((await visitor.get("/regenerate")).text).toBe("begun, ERR_SESSION_HEADERS_SENT");
    expect((await visitor.get("/clear")).text).toBe("begun, ERR_SESSION_HEADERS_SENT");
    expect(filesIn(config.fileDir)).toEqual(files);
    expect((await visitor.get("/")).json).toEqual({ n: 1 });
    expect((await visitor.get("/update")).text).toBe("begun, done");
    expect((await visitor.get("/")).json).toEqual({ n: 2 });
  });

  it("is changed also when it began in the same request", async () => {
    const config = { fileDir: tempDir() };
    const site = await h3.serve({
      "/": storing(
        config,
        streaming(config, "before", (session) => session.update({ m: 2 })),
      ),
      "/read": async (event) => (await useFileSession(event, config)).data,
    });
    const visitor = site.visitor();
    expect((await visitor.get("/")).text).toBe("begun, done");
    expect((await visitor.get("/read")).json).toEqual({ n: 1, m: 2 });
  });

  it.each([
    ["begun", "/update", {}],
    ["moved", "/regenerate", { n: 1 }],
  ])("is as before when they went while it was being %s", async (_, path, before) => {
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir });
    // A write that nobody waits for: it has reached the disk when the response begins, and resolves
    // after that.
    const slowly =
      (change: (session: Awaited<ReturnType<typeof useFileSession>>) => Promise<unknown>) =>
      async (event: H3EventLike) => {
        const session = await useFileSession(event, { handler });
        let began = (): void => undefined;
        const response = new Promise<void>((resolve) => (began = resolve));
        const update = handler.update.bind(handler);
        vi.spyOn(handler, "update").mockImplementation(async (...args) => {
          const record = await update(...args);
          await response;
          return record as never;
        });
        const written = change(session).catch((error: { code: string }) => error.code);
        return new ReadableStream({
          start: (controller) => controller.enqueue(new TextEncoder().encode("begun, ")),
          async pull(controller) {
            await new Promise((resolve) => setImmediate(resolve));
            began();
            controller.enqueue(new TextEncoder().encode(String(await written)));
            controller.close();
          },
        });
      };
    const site = await h3.serve({
      "/login": storing({ handler }),
      "/update": slowly((session) => session.update({ n: 2 })),
      "/regenerate": slowly((session) => session.regenerate()),
      "/": async (event) => (await useFileSession(event, { handler })).data,
    });
    const visitor = site.visitor();
    if (path === "/regenerate") await visitor.get("/login");
    const files = filesIn(fileDir);
    const answer = await visitor.get(path);
    expect([answer.text, answer.cookies]).toEqual(["begun, ERR_SESSION_HEADERS_SENT", []]);
    expect(filesIn(fileDir)).toEqual(files);
    expect((await visitor.get("/")).json).toEqual(before);
  });
});

describeH3("a session in a cached handler", (h3) => {
  it("is not read and not begun", async () => {
    const config = { fileDir: tempDir() };
    const site = await h3.serve({
      "/login": storing(config),
      "/cached": async (event) => {
        await useFileSession(event, config); // as a middleware may have done
        // What nitropack 2 does: the cached handler gets an event of its own, with the context of
        // the visitor's.
        const cached = cachedEvent(event);
        const session = await useFileSession(cached, config);
        await session.clear();
        await session.regenerate();
        const outcome = await session
          .update({ n: 2 })
          .catch((error: { code: string }) => error.code);
        return [session.data, outcome];
      },
    });
    const visitor = site.visitor();
    await visitor.get("/login");
    const files = filesIn(config.fileDir);
    const answer = await visitor.get("/cached");
    expect([answer.json, answer.cookies]).toEqual([[{}, "ERR_SESSION_OPTION"], []]);
    expect(filesIn(config.fileDir)).toEqual(files);
  });

  it("may use a context in which `cache` is something else", async () => {
    const config = { fileDir: tempDir() };
    const site = await h3.serve({
      "/": async (event) => {
        Object.assign(event.context, { cache: new Map() });
        return storing(config)(event);
      },
    });
    expect((await site.visitor().get("/")).cookies).toHaveLength(1);
  });
});

describeH3("a session error", (h3) => {
  it("is a response with its status, and tells the client nothing else", async () => {
    const fileDir = tempDir();
    const site = await h3.serve({
      "/option": async (event) => (await useFileSession(event, { fileDir, maxAge: -1 })).data,
      "/dir": async (event) => (await useFileSession(event, { fileDir: noPlace })).data,
    });
    const option = await site.visitor().get("/option");
    const dir = await site.visitor().get("/dir");
    expect([option.status, dir.status]).toEqual([500, 503]);
    expect(option.text + dir.text).not.toMatch(/maxAge|dev\/null/);
  });
});
