import { describe, expect, it, onTestFinished, vi } from "vitest";
import { FileHandler } from "../src/file/handler.ts";
import { type FileSessionConfig, readConfig } from "../src/session/config.ts";
import { keepClean, stopCleaning } from "../src/session/cleaner.ts";
import { SealedHandler } from "../src/session/sealed.ts";
import { newToken, parseToken } from "../src/session/token.ts";
import { tempDir } from "./_dir.ts";

describe("readConfig", () => {
  it("refuses options that make no sense, by name", () => {
    const fileDir = tempDir();
    const refused: Record<string, unknown>[] = [
      { name: "" },
      { name: "my session" },
      { name: "a=b" },
      { maxAge: 0 },
      { maxAge: Number.NaN },
      { maxAge: "1d" },
      { idleTimeout: -1 },
      { idleTimeout: Infinity },
      { cookie: true },
      { cookie: null },
      { cookie: { domain: "not a domain" } },
      { cookie: { sameSite: "none", secure: false } },
      { generateId: "uuid" },
      { checkIp: "yes" },
      { trustProxy: -1 },
      { trustProxy: 1.5 },
      { trustProxy: "1" },
      { trustProxy: "loopback" },
      { cleanInterval: -1 },
      { filePrefix: "../" },
      { fileDir: "" },
      { secret: "too short" },
      { secret: [] },
      { secret: undefined },
      { maxSessions: 0 },
      { maxSessions: 1.5 },
      { maxBytes: 0 },
      { schema: {} },
      { version: 0 },
      { version: "2" },
      { migrate: (old: unknown) => old },
      { onInvalid: "ignore" },
    ];
    for (const options of refused) {
      const [name = ""] = Object.keys(options);
      const error: unknown = expect.objectContaining({
        code: "ERR_SESSION_OPTION",
        message: expect.stringContaining(`\`${name}\``) as string,
      });
      expect(() => readConfig({ fileDir, ...options } as FileSessionConfig)).toThrow(
        error as Error,
      );
    }
  });

  it("takes a week, a day, ten minutes and `session` when nothing is said", () => {
    expect(readConfig({ fileDir: tempDir() })).toMatchObject({
      name: "session",
      maxAgeMs: 604_800_000,
      idleMs: 86_400_000,
      cleanMs: 600_000,
      proxies: 0,
      checkIp: false,
    });
  });

  it("makes one handler for each directory and prefix, whatever config asks for it", () => {
    const fileDir = tempDir();
    const { handler } = readConfig({ fileDir });
    expect(handler).toBeInstanceOf(FileHandler);
    expect(readConfig({ fileDir: `${fileDir}/.`, filePrefix: "sess_" }).handler).toBe(handler);
    expect(readConfig({ fileDir, filePrefix: "other_" }).handler).not.toBe(handler);
    expect(readConfig({ fileDir, maxBytes: 1000 }).handler).not.toBe(handler);
  });

  it("takes a handler that is ready", () => {
    const handler = new FileHandler({ fileDir: tempDir() });
    expect(readConfig({ handler, fileDir: "/dev/null/unused" }).handler).toBe(handler);
  });
});

describe("readConfig with a secret", () => {
  const [one, two] = ["1".repeat(32), "2".repeat(32)] as const;

  it("makes one handler for the same secrets over the same place, whatever config asks for it", () => {
    const fileDir = tempDir();
    const { handler } = readConfig({ fileDir, secret: one });
    expect(handler).toBeInstanceOf(SealedHandler);
    expect((handler as SealedHandler).handler).toBe(readConfig({ fileDir }).handler);
    expect(readConfig({ fileDir, secret: [one] }).handler).toBe(handler);
    expect(readConfig({ fileDir, secret: [one, two] }).handler).not.toBe(handler);
    expect(readConfig({ fileDir: tempDir(), secret: one }).handler).not.toBe(handler);
  });

  it("seals for a handler that is ready", () => {
    const handler = new FileHandler({ fileDir: tempDir() });
    const sealed = readConfig({ handler, secret: one }).handler;
    expect((sealed as SealedHandler).handler).toBe(handler);
    expect(readConfig({ handler, secret: one }).handler).toBe(sealed);
  });

  it("notices a list that has changed, and is not read again for one that has not", () => {
    const secret = [one];
    const config = { fileDir: tempDir(), secret };
    const settings = readConfig(config);
    expect(readConfig(config)).toBe(settings);
    expect(readConfig({ ...config, secret: [one] })).toBe(settings);
    secret.unshift(two);
    expect(readConfig(config).handler).not.toBe(settings.handler);
    secret.pop();
    const changed = readConfig(config).handler;
    expect(changed).not.toBe(settings.handler);
    secret[0] = one;
    expect(readConfig(config).handler).toBe(settings.handler);
  });
});

describe("newToken", () => {
  it("is 256 random bits in base64url, whose id is the SHA-256 of the text in hex", () => {
    const tokens = Array.from({ length: 1000 }, () => newToken());
    expect(new Set(tokens.map((token) => token.secret)).size).toBe(1000);
    for (const { secret, id } of tokens) {
      expect(Buffer.from(secret, "base64url")).toHaveLength(32);
      expect(parseToken(secret, false)).toEqual({ secret, id });
      expect(id).toMatch(/^[0-9a-f]{64}$/);
    }
  });

  it("is what `generateId` gives, if that can be a token, and the error does not show it", () => {
    const secret = "0123456789abcdef";
    expect(parseToken(newToken(() => secret).secret, true)).toEqual(newToken(() => secret));
    expect(parseToken(secret, false)).toBeUndefined();
    for (const bad of ["short", "a".repeat(129), "with spaces in between", 1234567890123456])
      expect(() => newToken(() => bad as string)).toThrow(
        expect.objectContaining({
          code: "ERR_SESSION_OPTION",
          message: expect.not.stringContaining(String(bad)) as string,
        }) as Error,
      );
  });
});

describe("keepClean", () => {
  function scheduled() {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    onTestFinished(() => void vi.useRealTimers());
    onTestFinished(() => void vi.restoreAllMocks());
    const handler = new FileHandler({ fileDir: tempDir() });
    const clean = vi.spyOn(handler, "clean");
    return { handler, clean };
  }
  const nothing = { removed: 0, kept: 0, skipped: 0 };

  it("cleans at every interval, without waiting for busy sessions, and not before", async () => {
    const { handler, clean } = scheduled();
    keepClean(handler, 600_000, 86_400);
    await vi.advanceTimersByTimeAsync(599_999);
    expect(clean).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(clean.mock.calls).toEqual([[86_400, { blocking: false }]]);
  });

  it("does nothing for a handler that cleans by itself, sealed or not", async () => {
    const { handler, clean } = scheduled();
    const selfCleaning = Object.assign(handler, { selfCleaning: true });
    keepClean(selfCleaning, 1000, 60);
    keepClean(new SealedHandler(selfCleaning, "x".repeat(32)), 1000, 60);
    await vi.advanceTimersByTimeAsync(1000);
    expect(clean).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("goes by the longest idle timeout that was asked for, and has one timer", async () => {
    const { handler, clean } = scheduled();
    keepClean(handler, 1000, 60);
    keepClean(handler, 1000, 3600);
    keepClean(handler, 1000, 60);
    clean.mockResolvedValue(nothing);
    await vi.advanceTimersByTimeAsync(1000);
    expect(clean.mock.calls).toEqual([[3600, { blocking: false }]]);
    expect(vi.getTimerCount()).toBe(1);
  });

  it("without a timeout cleans what has ended by itself, and leaves others their timeout", async () => {
    const { handler, clean } = scheduled();
    clean.mockResolvedValue(nothing);
    keepClean(handler, 1000);
    await vi.advanceTimersByTimeAsync(1000);
    keepClean(handler, 1000, 60);
    keepClean(handler, 1000);
    await vi.advanceTimersByTimeAsync(1000);
    expect(clean.mock.calls.map(([timeout]) => timeout)).toEqual([Number.MAX_SAFE_INTEGER, 60]);
  });

  it("can be ended, and then be asked for anew", async () => {
    const { handler, clean } = scheduled();
    keepClean(handler, 1000, 3600);
    stopCleaning(handler);
    expect(vi.getTimerCount()).toBe(0);
    keepClean(handler, 1000, 60);
    await vi.advanceTimersByTimeAsync(1000);
    expect(clean.mock.calls).toEqual([[60, { blocking: false }]]);
  });

  it("cleans what is sealed once, whatever the secrets", async () => {
    const { handler, clean } = scheduled();
    for (const secret of ["1".repeat(32), "2".repeat(32)])
      keepClean(new SealedHandler(handler, secret), 1000, 60);
    keepClean(new SealedHandler(new SealedHandler(handler, "3".repeat(32)), "4".repeat(32)), 1, 60);
    await vi.advanceTimersByTimeAsync(1000);
    expect(clean.mock.calls).toEqual([[60, { blocking: false }]]);
    expect(vi.getTimerCount()).toBe(1);
  });

  it("does not begin a run while one is under way", async () => {
    const { handler, clean } = scheduled();
    let end: (result: typeof nothing) => void = () => undefined;
    clean.mockImplementation(() => new Promise((resolve) => (end = resolve)));
    keepClean(handler, 1000, 60);
    await vi.advanceTimersByTimeAsync(3000);
    expect(clean).toHaveBeenCalledTimes(1);
    end(nothing);
    await vi.advanceTimersByTimeAsync(1000);
    expect(clean).toHaveBeenCalledTimes(2);
  });

  it("leaves it to another process that is at it", async () => {
    const { handler, clean } = scheduled();
    const other = new FileHandler({ fileDir: handler.fileDir });
    await other._acquireLock(".clean");
    keepClean(handler, 1000, 60);
    await vi.advanceTimersByTimeAsync(1000);
    expect(clean).not.toHaveBeenCalled();
    await other._releaseLock(".clean");
    await vi.advanceTimersByTimeAsync(1000);
    expect(clean).toHaveBeenCalledTimes(1);
  });

  it("reports a run that failed as a warning, and tries again", async () => {
    const { handler, clean } = scheduled();
    const warning = vi.spyOn(process, "emitWarning").mockReturnValue();
    clean.mockRejectedValue(new Error("disk gone"));
    keepClean(handler, 1000, 60);
    await vi.advanceTimersByTimeAsync(2000);
    expect(clean).toHaveBeenCalledTimes(2);
    const message = "Cannot clean up ended sessions: disk gone";
    expect(warning).toHaveBeenCalledWith(message, { type: "SessionWarning" });
  });
});
