import { describe, expect, it } from "vitest";
import { getFileSession } from "../src/session/get.ts";
import { requireFileSession } from "../src/session/require.ts";
import type { SessionEvent } from "../src/session/session-event.ts";
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
