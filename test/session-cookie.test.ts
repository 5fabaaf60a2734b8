import { describe, expect, it, onTestFinished } from "vitest";
import { FileHandler, type FileSessionConfig, useFileSession } from "../src/index.ts";
import { type BrowserCookie, MemoryHandler, moveClock, sessionCookie } from "../src/testing.ts";
import { filesIn, tempDir } from "./_dir.ts";
import { describeH3, type H3, type Site } from "./_h3.ts";

const url = "http://localhost:3000";

/** An app that shows the session's data, and tells who begins one. */
function served(h3: H3, config: FileSessionConfig): Promise<Site> {
  return h3.serve({
    "/": async (event) => {
      const session = await useFileSession(event, config);
      return { data: session.data, id: session.id, isNew: session.isNew };
    },
    "/begin": async (event) => {
      await (await useFileSession(event, config)).update({ user: "Bob" });
      return "";
    },
    "/regenerate": async (event) => {
      await (await useFileSession(event, config)).regenerate();
      return "";
    },
  });
}

describeH3("sessionCookie", (h3) => {
  const configs: [string, () => FileSessionConfig][] = [
    ["a directory", () => ({ fileDir: tempDir(), filePrefix: "test_" })],
    ["a FileHandler", () => ({ handler: new FileHandler({ fileDir: tempDir() }) })],
    ["a MemoryHandler", () => ({ handler: new MemoryHandler() })],
    ["another name", () => ({ handler: new MemoryHandler(), name: "__Host-sid" })],
    [
      "tokens of the app",
      () => {
        let n = 0;
        return {
          handler: new MemoryHandler(),
          generateId: () => `token_number_${String(++n).padStart(8, "0")}`,
        };
      },
    ],
  ];

  it.each(configs)("lets its visitor into the session: %s", async (_, newConfig) => {
    const config = newConfig();
    const site = await served(h3, config);

    const ada = await sessionCookie(url, { user: "Ada", roles: new Set(["editor"]) }, config);

    const { json } = await site.visitor().get("/", { cookie: ada.header });
    expect(json).toEqual({ data: { user: "Ada", roles: {} }, id: ada.id, isNew: false });
    expect(ada.header).toBe(`${ada.name}=${ada.value}`);
    expect(ada.name).toBe(config.name ?? "session");
    expect((await site.visitor().get("/")).json).toMatchObject({ data: {}, isNew: true });
  });

  it("makes a session for each call, and one like the app's", async () => {
    const config = { handler: new MemoryHandler() };
    const site = await served(h3, config);
    const [ada, other] = [
      await sessionCookie(url, { user: "Ada" }, config),
      await sessionCookie(url, { user: "Ada" }, config),
    ];
    expect(other.id).not.toBe(ada.id);
    expect(other.value).not.toBe(ada.value);

    const visitor = site.visitor();
    visitor.cookies.set(ada.name, ada.value);
    await visitor.get("/regenerate");

    expect(visitor.cookies.get(ada.name)).not.toBe(ada.value);
    expect((await visitor.get("/")).json).toMatchObject({ data: { user: "Ada" } });
    expect((await site.visitor().get("/", { cookie: ada.header })).json).toMatchObject({
      data: {},
    });
    expect((await site.visitor().get("/", { cookie: other.header })).json).toMatchObject({
      data: { user: "Ada" },
    });
  });

  it("comes from the address that `checkIp` asks for", async () => {
    if (!h3.overNode) return;
    const config = { handler: new MemoryHandler(), checkIp: true };
    const site = await served(h3, config);
    const [near, far] = [
      await sessionCookie(url, { user: "Ada" }, config, { ip: "127.0.0.1" }),
      await sessionCookie(url, { user: "Ada" }, config, { ip: "198.51.100.7" }),
    ];

    const seen = [near, far].map(({ header }) => site.visitor().get("/", { cookie: header }));

    expect((await seen[0]!).json).toMatchObject({ data: { user: "Ada" } });
    expect((await seen[1]!).json).toMatchObject({ data: {} });
  });

  it("ends with the session, by the moved clock", async () => {
    const { advance, restore } = moveClock();
    onTestFinished(restore);
    const config = { handler: new MemoryHandler(), idleTimeout: 60 };
    const site = await served(h3, config);
    const { header } = await sessionCookie(url, { user: "Ada" }, config);
    advance(59);
    expect((await site.visitor().get("/", { cookie: header })).json).toMatchObject({
      data: { user: "Ada" },
    });

    advance(61);

    expect((await site.visitor().get("/", { cookie: header })).json).toMatchObject({ data: {} });
  });
});

describe("sessionCookie", () => {
  const forBrowser = async (
    config: FileSessionConfig = {},
    at: string | URL = url,
  ): Promise<BrowserCookie> =>
    (await sessionCookie(at, {}, { handler: new MemoryHandler(), ...config })).forBrowser;

  it("gives a browser the cookie as the app has it", async () => {
    const { advance, restore } = moveClock();
    onTestFinished(restore);
    advance((1000 - (Date.now() % 1000)) / 1000); // a whole second
    const now = Math.floor(Date.now() / 1000);

    expect(await forBrowser({ maxAge: 100, name: "sid" })).toEqual({
      name: "sid",
      value: expect.stringMatching(/^[\w-]{43}$/) as string,
      domain: "localhost",
      path: "/",
      expires: now + 100,
      httpOnly: true,
      secure: false,
      sameSite: "Lax",
    });
  });

  it("gives it the attributes that the app has asked for", async () => {
    const expires = new Date(Date.now() + 5_000_000);
    expires.setMilliseconds(0);
    for (const [cookie, wanted] of [
      [{ domain: "example.com" }, { domain: ".example.com" }],
      [{ domain: ".example.com" }, { domain: ".example.com" }],
      [{ path: "/shop" }, { path: "/shop" }],
      [{ httpOnly: false }, { httpOnly: false }],
      [{ sameSite: "strict" }, { sameSite: "Strict" }],
      [{ sameSite: true }, { sameSite: "Strict" }],
      [{ sameSite: false }, { sameSite: "Lax" }],
      [{ sameSite: "none" }, { sameSite: "None", secure: true }],
      [{ secure: true }, { secure: true }],
      [{ expires }, { expires: expires.getTime() / 1000 }],
    ] as const)
      expect(await forBrowser({ cookie })).toMatchObject(wanted);
  });

  it("is for the app's host, and Secure unless that is plain http on this machine", async () => {
    for (const [at, domain, secure] of [
      ["http://localhost", "localhost", false],
      ["http://127.0.0.1:8080/path?query", "127.0.0.1", false],
      [new URL("http://app.localhost:3000"), "app.localhost", false],
      ["https://localhost", "localhost", true],
      ["https://shop.example.com:8443", "shop.example.com", true],
      ["http://shop.example.com", "shop.example.com", true],
    ] as const)
      expect(await forBrowser({}, at)).toMatchObject({ domain, secure });
  });

  it("refuses what makes no session, and stores nothing: ERR_SESSION_OPTION, ERR_SESSION_DATA", async () => {
    const fileDir = tempDir();
    const refused = (code: string, message: RegExp) =>
      expect.objectContaining({
        code,
        message: expect.stringMatching(message) as string,
      }) as Error;
    const config = { fileDir };
    for (const at of ["localhost:3000", "/path", "", "ftp://localhost", undefined])
      await expect(sessionCookie(at as string, {}, config)).rejects.toEqual(
        refused("ERR_SESSION_OPTION", /`url`.*https:\/\//),
      );
    await expect(sessionCookie(url, {}, { ...config, cookie: false })).rejects.toEqual(
      refused("ERR_SESSION_OPTION", /`cookie`/),
    );
    await expect(sessionCookie(url, {}, { ...config, checkIp: true })).rejects.toEqual(
      refused("ERR_SESSION_OPTION", /`ip`.*checkIp/),
    );
    await expect(sessionCookie(url, {}, { ...config, maxAge: -1 })).rejects.toEqual(
      refused("ERR_SESSION_OPTION", /`maxAge`/),
    );
    for (const data of [undefined, null, "Ada", [1], () => ({}), { fn: () => {} }])
      await expect(sessionCookie(url, data as object, config)).rejects.toEqual(
        refused("ERR_SESSION_DATA", /data/),
      );

    expect(filesIn(fileDir)).toEqual([]);
  });
});
