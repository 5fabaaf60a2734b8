import { describe, expect, it, vi } from "vitest";
import { getFileSession } from "../src/session/get.ts";
import { requireFileSession } from "../src/session/require.ts";
import type { CookiesRequestLike, SessionEvent } from "../src/session/session-event.ts";
import { useFileSession } from "../src/session/use.ts";
import { filesIn, tempDir } from "./_dir.ts";

/** A browser's request, and headers for the answer. */
function visit(cookie = "", url = "https://shop.example/", headers: Record<string, string> = {}) {
  const request = new Request(url, { headers: cookie ? { cookie, ...headers } : headers });
  return { request, responseHeaders: new Headers() };
}

/** The cookie that was set, as the browser sends it. */
function cookieOf(headers: Headers): string {
  return /^[^;]*/.exec(headers.getSetCookie()[0] ?? "")?.[0] ?? "";
}

/** A visitor with a session. */
async function login(fileDir: string): Promise<string> {
  const event = visit();
  await (await useFileSession(event, { fileDir })).update({ user: 7 });
  return cookieOf(event.responseHeaders);
}

describe("a session of a Request and a Headers", () => {
  it("begins in the one and is found in the next", async () => {
    const fileDir = tempDir();
    const { data } = await useFileSession(visit(await login(fileDir)), { fileDir });
    expect(data).toEqual({ user: 7 });
  });

  it("has the cookie that it has elsewhere, and its caching headers", async () => {
    const { responseHeaders, request } = visit();
    responseHeaders.append("set-cookie", "theme=dark");
    responseHeaders.set("vary", "Accept");
    const session = await useFileSession({ request, responseHeaders }, { fileDir: tempDir() });
    await session.update({ user: 7 });
    await session.regenerate();
    expect(responseHeaders.getSetCookie()).toEqual([
      "theme=dark",
      expect.stringMatching(
        /^session=[\w-]{43}; Max-Age=604800; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
      ),
    ]);
    expect(responseHeaders.get("vary")).toBe("Accept, Cookie");
    expect(responseHeaders.get("cache-control")).toBe('no-cache="Set-Cookie"');
  });

  it("leaves no trace when nothing is stored", async () => {
    const fileDir = tempDir();
    const event = visit();
    await useFileSession(event, { fileDir });
    expect([...event.responseHeaders]).toEqual([]);
    expect(filesIn(fileDir)).toEqual([]);
  });

  it.each([
    ["http://localhost:3000/", {}, false],
    ["http://localhost:3000/", { "x-forwarded-proto": "https" }, true],
    ["https://localhost:3000/", {}, true],
    ["http://shop.example/", {}, true],
    ["http://localhost/", { host: "shop.example" }, true],
  ])("is Secure unless it is plain http on localhost (%s, %o)", async (url, headers, isSecure) => {
    const event = visit("", url, headers);
    await (await useFileSession(event, { fileDir: tempDir() })).update({ user: 7 });
    expect(event.responseHeaders.getSetCookie()[0]?.includes("; Secure")).toBe(isSecure);
  });

  it("is destroyed, and the cookie taken back", async () => {
    const fileDir = tempDir();
    const event = visit(await login(fileDir));
    await (await useFileSession(event, { fileDir })).clear();
    expect(event.responseHeaders.getSetCookie()).toEqual([
      expect.stringMatching(/^session=; Max-Age=0;/),
    ]);
    expect(filesIn(fileDir)).toEqual([]);
  });

  it("is one for each request", async () => {
    const fileDir = tempDir();
    const event = visit();
    const [one, two] = await Promise.all([
      useFileSession(event, { fileDir }),
      useFileSession({ ...event }, { fileDir }),
    ]);
    expect(two).toBe(one);
    const other = await useFileSession(visit(), { fileDir });
    expect(other).not.toBe(one);
  });

  it("is another's for another request, also when its headers are the same object", async () => {
    const fileDir = tempDir();
    const { request, responseHeaders } = visit(await login(fileDir));
    const mine = await useFileSession({ request, responseHeaders }, { fileDir });
    const theirs = await useFileSession({ request: visit().request, responseHeaders }, { fileDir });
    expect([mine.data, theirs.data]).toEqual([{ user: 7 }, {}]);
  });

  it("has its cookie in all Headers that are given for one request", async () => {
    const fileDir = tempDir();
    const { request, responseHeaders: first } = visit();
    const [second, third] = [new Headers(), new Headers()];
    const session = await useFileSession({ request, responseHeaders: first }, { fileDir });
    await useFileSession({ request, responseHeaders: second }, { fileDir });
    await session.update({ user: 7 });
    const same = await useFileSession({ request, responseHeaders: third }, { fileDir });
    expect(same).toBe(session);
    expect(first.getSetCookie()).toHaveLength(1);
    expect([...second]).toEqual([...first]);
    expect([...third]).toEqual([...first]);
  });

  it("knows the address that it is told", async () => {
    const config = { fileDir: tempDir(), checkIp: true };
    const event = { ...visit(), ip: "192.0.2.1" };
    await (await useFileSession(event, config)).update({ user: 7 });
    const cookie = cookieOf(event.responseHeaders);
    const dataFor = async (ip?: string) =>
      (await useFileSession({ ...visit(cookie), ip }, config)).data;
    expect(await dataFor("192.0.2.1")).toEqual({ user: 7 });
    expect(await dataFor("192.0.2.2")).toEqual({});
    expect(await dataFor()).toEqual({});
  });

  it("is looked at, and demanded", async () => {
    const fileDir = tempDir();
    const cookie = await login(fileDir);
    expect(await getFileSession(visit(), { fileDir })).toBeUndefined();
    expect((await getFileSession(visit(cookie), { fileDir }))?.data).toEqual({ user: 7 });
    expect((await requireFileSession(visit(cookie), { fileDir })).data).toEqual({ user: 7 });
    const refused = requireFileSession(visit(), { fileDir });
    await expect(refused).rejects.toMatchObject({ code: "ERR_SESSION_REQUIRED" });
  });
});

/** What a framework keeps the cookies of request and response in. */
class Jar {
  readonly set = vi.fn<CookiesRequestLike["cookies"]["set"]>((name, value) => {
    if (this.isSealed) throw new TypeError("Cookies cannot be set while a page is being rendered");
    this.#values.set(name, value);
  });
  isSealed = false;
  readonly #values: Map<string, string>;

  constructor(cookie = "") {
    this.#values = new Map(cookie ? [cookie.split("=") as [string, string]] : []);
  }

  get(name: string): string | undefined {
    return this.#values.get(name);
  }
}

/** A browser's request as a framework hands it on. */
function visitWithJar(cookie = "", url = "https://shop.example/") {
  return { request: visit(cookie, url).request, cookies: new Jar(cookie) };
}

describe("a session of a request and its framework's cookies", () => {
  it("begins in the one and is found in the next", async () => {
    const fileDir = tempDir();
    const event = visitWithJar();
    await (await useFileSession(event, { fileDir })).update({ user: 7 });
    const next = visitWithJar(`session=${event.cookies.get("session")}`);
    const session = await useFileSession(next, { fileDir });
    expect(session.data).toEqual({ user: 7 });
    expect(next.cookies.set).not.toHaveBeenCalled();
  });

  it.each([
    ["https://shop.example/", true],
    ["http://localhost:3000/", false],
  ])("says every attribute, so that no framework adds its own (%s)", async (url, secure) => {
    const { request, cookies } = visitWithJar("", url);
    await (await useFileSession({ request, cookies }, { fileDir: tempDir() })).update({ user: 7 });
    expect(cookies.set).toHaveBeenCalledExactlyOnceWith(
      "session",
      expect.stringMatching(/^[\w-]{43}$/),
      { path: "/", httpOnly: true, secure, sameSite: "lax", maxAge: 604_800 },
    );
  });

  it.each([
    ["localhost:3000", false],
    ["shop.example", true],
    [undefined, true],
  ])("needs no address of the request, only its host (%s)", async (host, secure) => {
    const cookies = new Jar();
    const request = { headers: new Headers(host ? { host } : {}) };
    await (await useFileSession({ request, cookies }, { fileDir: tempDir() })).update({ user: 7 });
    expect(cookies.set.mock.lastCall?.[2]).toMatchObject({ secure });
  });

  it.each([
    ["a text", (value: string) => value],
    ["an object", (value: string) => ({ value })],
  ])("is found where the cookie is %s", async (_, form) => {
    const fileDir = tempDir();
    const { request } = visit(await login(fileDir));
    const cookies = {
      get: (name: string) => form(request.headers.get("cookie")!.slice(`${name}=`.length)),
      set: () => undefined,
    };
    expect((await useFileSession({ request, cookies }, { fileDir })).data).toEqual({ user: 7 });
  });

  it("is the one that was begun a moment before, by whoever has the same cookies", async () => {
    const fileDir = tempDir();
    const { request, cookies } = visitWithJar(await login(fileDir));
    const session = await useFileSession({ request, cookies }, { fileDir });
    await session.regenerate();
    // A framework that hands out the request's headers anew.
    const later = { request: { headers: new Headers(request.headers) }, cookies };
    expect((await getFileSession(later, { fileDir }))?.id).toBe(session.id);
    await session.clear();
    const last = { request: { headers: new Headers(request.headers) }, cookies };
    expect(await getFileSession(last, { fileDir })).toBeUndefined();
  });

  it("is that of a browser which sent several, whichever the framework has kept", async () => {
    const fileDir = tempDir();
    const mine = await login(fileDir);
    const request = new Request("https://shop.example/", {
      headers: { cookie: `session=${"A".repeat(43)}; ${mine}` },
    });
    const cookies = new Jar(`session=${"A".repeat(43)}`);
    expect((await useFileSession({ request, cookies }, { fileDir })).data).toEqual({ user: 7 });
  });

  it("is one for each request, and sets no cookie when it is asked for again", async () => {
    const fileDir = tempDir();
    const { request, cookies } = visitWithJar();
    const session = await useFileSession({ request, cookies }, { fileDir });
    await session.update({ user: 7 });
    // The page that is rendered after an action, in the same request.
    const sealed = new Jar(`session=${cookies.get("session")}`);
    sealed.isSealed = true;
    expect(await useFileSession({ request, cookies: sealed }, { fileDir })).toBe(session);
    expect(sealed.set).not.toHaveBeenCalled();
    await session.update({ user: 8 });
    expect((await useFileSession(visitWithJar(), { fileDir })).data).toEqual({});
  });

  it("takes the cookie back when it is destroyed", async () => {
    const fileDir = tempDir();
    const event = visitWithJar(await login(fileDir));
    await (await useFileSession(event, { fileDir })).clear();
    expect(event.cookies.set).toHaveBeenCalledExactlyOnceWith(
      "session",
      "",
      expect.objectContaining({ maxAge: 0, path: "/" }),
    );
    expect(filesIn(fileDir)).toEqual([]);
  });

  describe("where no cookie can be set", () => {
    function sealedVisit(cookie = "") {
      const event = visitWithJar(cookie);
      event.cookies.isSealed = true;
      return event;
    }

    it("does not begin, and leaves nothing behind", async () => {
      const fileDir = tempDir();
      const session = await useFileSession(sealedVisit(), { fileDir });
      for (const attempt of [session.update({ user: 7 }), session.update({ user: 8 })])
        await expect(attempt).rejects.toMatchObject({ code: "ERR_SESSION_HEADERS_SENT" });
      expect(session.id).toBeUndefined();
      expect(filesIn(fileDir)).toEqual([]);
    });

    it("is read and changed, and keeps its token", async () => {
      const fileDir = tempDir();
      const cookie = await login(fileDir);
      const session = await useFileSession(sealedVisit(cookie), { fileDir });
      await session.update({ user: 8 });
      await expect(session.regenerate()).rejects.toMatchObject({
        code: "ERR_SESSION_HEADERS_SENT",
      });
      const { data } = await useFileSession(visitWithJar(cookie), { fileDir });
      expect(data).toEqual({ user: 8 });
    });

    it("is destroyed, and the cookie names nothing", async () => {
      const fileDir = tempDir();
      const cookie = await login(fileDir);
      await (await useFileSession(sealedVisit(cookie), { fileDir })).clear();
      expect(filesIn(fileDir)).toEqual([]);
      expect(await getFileSession(visitWithJar(cookie), { fileDir })).toBeUndefined();
    });
  });
});

describe.each<[string, (request: Request) => SessionEvent]>([
  ["a bare Request", (request) => request],
  ["the event of h3 2 without a response", (request) => ({ req: request })],
])("a session of %s", (_, eventOf) => {
  it("is read and changed", async () => {
    const fileDir = tempDir();
    const { request } = visit(await login(fileDir));
    await (await useFileSession(eventOf(request), { fileDir })).update({ user: 8 });
    expect((await useFileSession(eventOf(request), { fileDir })).data).toEqual({ user: 8 });
  });

  it("does not begin", async () => {
    const fileDir = tempDir();
    const session = await useFileSession(eventOf(visit().request), { fileDir });
    const refused = session.update({ user: 7 });
    await expect(refused).rejects.toMatchObject({ code: "ERR_SESSION_HEADERS_SENT" });
    expect(filesIn(fileDir)).toEqual([]);
  });
});
