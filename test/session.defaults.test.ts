import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { MemoryHandler } from "../src/testing.ts";
import {
  closeFileSessions,
  configureFileSession,
  fileSessions,
  useFileSession,
} from "../src/index.ts";
import type { FileSession, FileSessionConfig } from "../src/index.ts";
import { tempDir } from "./_dir.ts";

const secret = "0123456789abcdef0123456789abcdef";

afterEach(async () => {
  vi.useRealTimers();
  configureFileSession({ fileDir: tempDir() });
  await closeFileSessions();
});

/** The session of somebody new. */
function newcomer(
  config?: FileSessionConfig,
  headers: Headers = new Headers(),
): Promise<FileSession> {
  const request = new Request("http://localhost/");
  return useFileSession({ request, responseHeaders: headers }, config);
}

/** The session of whoever has this cookie. */
function visitor(cookies: Headers, config?: FileSessionConfig): Promise<FileSession> {
  const [cookie = ""] = cookies.getSetCookie();
  const request = new Request("http://localhost/", { headers: { cookie } });
  return useFileSession({ request, responseHeaders: new Headers() }, config);
}

describe("configureFileSession", () => {
  it("says what a config leaves out", async () => {
    const fileDir = tempDir();
    configureFileSession({ fileDir, name: "app" });
    const cookies = new Headers();
    await (await newcomer(undefined, cookies)).update({ n: 1 });
    expect(cookies.get("set-cookie")).toMatch(/^app=/);
    expect(readdirSync(fileDir)).toHaveLength(1);
    expect((await visitor(cookies)).data).toEqual({ n: 1 });
  });

  it("says it to other copies of this package too, as bundlers make them", async () => {
    vi.resetModules();
    const copy = await import("../src/index.ts");
    expect(copy.configureFileSession).not.toBe(configureFileSession);
    for (const name of ["one", "other"]) {
      copy.configureFileSession({ fileDir: tempDir(), name });
      const cookies = new Headers();
      await (await newcomer(undefined, cookies)).update({ n: 1 });
      expect(cookies.get("set-cookie")).toMatch(new RegExp(`^${name}=`));
    }
    await copy.closeFileSessions();
  });

  it("gives way to what a config says, and not to what is undefined there", async () => {
    configureFileSession({ fileDir: tempDir(), name: "app", maxAge: 60 });
    const [one, other] = [new Headers(), new Headers()];
    await (await newcomer({ name: "own" }, one)).update({ n: 1 });
    await (await newcomer({ name: undefined }, other)).update({ n: 1 });
    expect(one.get("set-cookie")).toMatch(/^own=.*Max-Age=60;/);
    expect(other.get("set-cookie")).toMatch(/^app=.*Max-Age=60;/);
  });

  it("does not mean its handler for a config that names a place", async () => {
    const fileDir = tempDir();
    configureFileSession({ handler: new MemoryHandler() });
    await (await newcomer()).update({ n: 1 });
    await (await newcomer({ fileDir })).update({ n: 1 });
    expect(readdirSync(fileDir)).toHaveLength(1);
  });

  it("does not let a secret that is missing in a config be the one said here", async () => {
    configureFileSession({ fileDir: tempDir(), secret });
    await expect(newcomer({ secret: undefined })).rejects.toMatchObject({
      code: "ERR_SESSION_OPTION",
    });
  });

  it("replaces what was said before", async () => {
    configureFileSession({ fileDir: tempDir(), name: "first" });
    const fileDir = tempDir();
    configureFileSession({ fileDir });
    const cookies = new Headers();
    await (await newcomer(undefined, cookies)).update({ n: 1 });
    expect(cookies.get("set-cookie")).toMatch(/^session=/);
    expect(readdirSync(fileDir)).toHaveLength(1);
  });

  it("is a copy: what is changed afterwards changes nothing", async () => {
    const cookie = { path: "/app" };
    configureFileSession({ fileDir: tempDir(), cookie });
    cookie.path = "/elsewhere";
    const cookies = new Headers();
    await (await newcomer(undefined, cookies)).update({ n: 1 });
    expect(cookies.get("set-cookie")).toContain("Path=/app");
  });

  it("refuses at once what makes no sense, and keeps what was said before", async () => {
    const fileDir = tempDir();
    configureFileSession({ fileDir, name: "app" });
    expect(() => configureFileSession({ fileDir, maxAge: 0 })).toThrow(
      expect.objectContaining({ code: "ERR_SESSION_OPTION" }) as Error,
    );
    const file = join(fileDir, "file");
    writeFileSync(file, "");
    expect(() => configureFileSession({ fileDir: file })).toThrow(
      expect.objectContaining({ code: "ERR_SESSION_DIR" }) as Error,
    );
    const cookies = new Headers();
    await (await newcomer(undefined, cookies)).update({ n: 1 });
    expect(cookies.get("set-cookie")).toMatch(/^app=/);
  });

  it("makes no directory for options that it refuses", () => {
    const fileDir = join(tempDir(), "sessions");
    for (const refused of [{ maxAge: 0 }, { secret: undefined }, { version: 0 }])
      expect(() => configureFileSession({ fileDir, ...refused })).toThrow();
    expect(existsSync(fileDir)).toBe(false);
  });

  it("is meant by `fileSessions` too, also by one that was made before", async () => {
    const sessions = fileSessions();
    configureFileSession({ fileDir: tempDir() });
    const session = await newcomer();
    await session.tag("ada");
    expect(await sessions.list("ada")).toMatchObject([{ id: session.id }]);
  });
});

describe("closeFileSessions", () => {
  it("waits for what is being written", async () => {
    configureFileSession({ fileDir: tempDir() });
    const cookies = new Headers();
    await (await newcomer(undefined, cookies)).update({ n: 0 });
    const slow = await visitor(cookies);
    let finish = (): void => {};
    const written: string[] = [];
    const isUnderWay = new Promise<void>((begun) => {
      const work = new Promise<void>((done) => (finish = done));
      void slow
        .update(async () => {
          begun();
          await work;
          return { n: 1 };
        })
        .then(() => written.push("written"));
    });
    await isUnderWay;
    const closed = closeFileSessions().then(() => written.push("closed"));
    finish();
    await closed;
    expect(written).toEqual(["written", "closed"]);
    expect((await visitor(cookies)).data).toEqual({ n: 1 });
  });

  it("ends the cleaning", async () => {
    vi.useFakeTimers();
    configureFileSession({ fileDir: tempDir() });
    await (await newcomer()).update({ n: 1 });
    expect(vi.getTimerCount()).toBe(1);
    await closeFileSessions();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("leaves a handler that was given as it is", async () => {
    const handler = new MemoryHandler();
    await (await newcomer({ handler })).update({ n: 1 });
    await closeFileSessions();
    await expect((await newcomer({ handler })).update({ n: 1 })).resolves.toBeDefined();
  });

  it("lets whoever asks afterwards open the place again", async () => {
    const fileDir = tempDir();
    await (await newcomer({ fileDir })).update({ n: 1 });
    await closeFileSessions();
    await (await newcomer({ fileDir })).update({ n: 2 });
    expect(readdirSync(fileDir)).toHaveLength(2);
  });
});
