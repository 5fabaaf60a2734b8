import { AsyncLocalStorage } from "node:async_hooks";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { setEnvironmentData } from "node:worker_threads";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { CleanResult } from "../src/core/handler.ts";
import { type FileHandlerOptions, FileHandler, SessionError } from "../src/index.ts";
import { testHandler } from "../src/testing.ts";
import { intercept } from "./_calls.mjs";
import { events } from "./_channels.ts";
import { tempDir } from "./_dir.ts";
import { fileHarness } from "./_file-harness.ts";

vi.mock("../src/file/worker.ts", async (original) => ({
  ...(await original<object>()),
  threadFile: () => new URL("_thread.mjs", import.meta.url),
}));

/** A handler with these options, closed when the test is over. */
function opened(options: FileHandlerOptions = {}): FileHandler {
  const handler = new FileHandler({ fileDir: tempDir(), ...options });
  onTestFinished(() => handler.close());
  return handler;
}

/** The calls that this thread makes on files in `dir` from now on. */
function callsHere(dir: string): string[] {
  const calls: string[] = [];
  const end = intercept(dir, ({ name, path }, proceed) => {
    if (path !== dir) calls.push(name);
    return proceed();
  });
  onTestFinished(end);
  return calls;
}

/** What the threads find in their environment. */
function tellThreads(key: "slow" | "fatal", value: { dir: string; ms?: number }): void {
  setEnvironmentData(key, value);
  onTestFinished(() => setEnvironmentData(key, undefined));
}

describe("FileHandler, two threads", () => {
  testHandler(it, () => {
    const clock = new SharedArrayBuffer(8);
    const shiftMs = new Float64Array(clock);
    setEnvironmentData("clock", clock);
    const harness = fileHarness({ threads: 2 });
    return {
      ...harness,
      advance(seconds) {
        harness.advance(seconds);
        shiftMs[0] = (shiftMs[0] ?? 0) + seconds * 1000;
      },
    };
  });
});

describe("option `threads`", () => {
  it("keeps this thread away from the files", async () => {
    const handler = opened({ threads: 2 });
    const calls = callsHere(handler.fileDir);
    await handler.store("a", { n: 1 });
    await handler.update("a", () => ({ n: 2 }));
    await handler.update("b", () => ({ n: 3 }), { oldId: "a" });
    await handler.touch("b");
    await handler._acquireLock("c");
    await handler._releaseLock("c");
    expect((await handler.retrieve("b")).data).toEqual({ n: 3 });
    for await (const id of handler.keys()) expect(id).toBe("b");
    expect(await handler.clean(0)).toEqual({ removed: 1, kept: 0, skipped: 0 });
    expect(calls).toEqual([]);
  });

  it("lets others go on while the disk is slow", async () => {
    const fileDir = tempDir();
    tellThreads("slow", { dir: fileDir, ms: 20 });
    const handler = opened({ fileDir, threads: 2 });
    await handler.store("a", 0);
    let turns = 0;
    const turning = setInterval(() => turns++, 1);
    await Promise.all([handler.store("b", 1), handler.update("a", () => 1)]);
    clearInterval(turning);
    expect(turns).toBeGreaterThan(20); // ten calls take 200 ms
  });

  it("is 0 by default on a local disk", async () => {
    const handler = opened();
    const calls = callsHere(handler.fileDir);
    await handler.store("a", 1);
    expect(calls).toContain("linkSync");
  });

  it("is not 0 by default for cleaning", async () => {
    const handler = opened();
    await handler.store("a", 1);
    const calls = callsHere(handler.fileDir);
    expect(await handler.clean(0)).toEqual({ removed: 1, kept: 0, skipped: 0 });
    expect(calls).toEqual([]);
  });

  it("is 4 by default on a network disk", async () => {
    const fileDir = tempDir();
    const nfs = { type: 0x6969n };
    vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    onTestFinished(() => void vi.restoreAllMocks());
    const end = intercept(fileDir, ({ name }, proceed) =>
      name === "statfsSync" ? nfs : proceed(),
    );
    const handler = opened({ fileDir });
    end();
    const calls = callsHere(fileDir);
    await handler.store("a", 1);
    expect(calls).toEqual([]);
  });

  it("with 0 has no exception", async () => {
    const handler = opened({ threads: 0 });
    const calls = callsHere(handler.fileDir);
    await handler.store("a", "x".repeat(300_000));
    expect(calls).toContain("linkSync");
  });

  it("is a whole number up to 64", () => {
    for (const threads of [-1, 0.5, 65, Number.NaN])
      expect(() => new FileHandler({ fileDir: tempDir(), threads })).toThrow("`threads`");
  });
});

describe("a session of more than 256 KiB", () => {
  const large = { text: "x".repeat(300_000) };

  it("is left to a thread, unlike others", async () => {
    const handler = opened();
    const calls = callsHere(handler.fileDir);
    await handler.store("large", large);
    await handler.update("large", ({ data }) => data);
    await handler.touch("large");
    expect((await handler.retrieve("large")).data).toEqual(large);
    expect(new Set(calls)).toEqual(new Set(["lstatSync"]));
    await handler.store("small", 1);
    expect(calls).toContain("linkSync");
    expect(await handler.remove("large")).toBe(true);
  });

  it("comes back when it is small again", async () => {
    const handler = opened();
    await handler.store("a", large);
    await handler.remove("a");
    await handler.store("a", 1);
    expect((await handler.retrieve("a")).data).toBe(1);
  });
});

describe("what a thread passes on", () => {
  it("a change runs in the async context of its caller, and rejects with what it throws", async () => {
    const handler = opened({ threads: 2 });
    const context = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    await Promise.all(
      ["one", "two"].map((name) =>
        context.run(name, () =>
          handler.update("a", async () => {
            seen.push(context.getStore());
            return name;
          }),
        ),
      ),
    );
    expect(seen).toEqual(["one", "two"]);
    const thrown = { not: "an error" };
    const failing = handler.update("a", () => {
      throw thrown;
    });
    await expect(failing).rejects.toBe(thrown);
    expect((await handler.retrieve("a")).data).toBe("two");
  });

  it("of the options of a call what they are, whatever else is with them", async () => {
    const handler = opened({ threads: 1 });
    const options = { ip: "::1", request: () => undefined };
    expect((await handler.store("a", 1, options)).ip).toBe("::1");
    await expect(handler.store("a", 1, { ip: (() => "") as never })).rejects.toThrow("`ip`");
  });

  it("errors, with their code and what caused them", async () => {
    const handler = opened({ threads: 2 });
    await rm(handler.fileDir, { recursive: true });
    await writeFile(handler.fileDir, "a file where the directory was");
    const error: unknown = await handler.store("a", 1).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SessionError);
    expect(error).toMatchObject({ code: "ERR_SESSION_DIR", status: 503 });
    expect((error as SessionError).cause).toBeInstanceOf(Error);
  });

  it("warnings", async () => {
    const handler = opened({ threads: 2 });
    await handler.store("a", 1);
    await writeFile(handler._sessionFile("a"), "damaged");
    const warned = once(process, "warning");
    expect(await handler.retrieve("a")).toEqual({});
    const [warning] = (await warned) as unknown[];
    expect(warning).toMatchObject({ name: "SessionWarning", code: "FILESESSION_DAMAGED" });
  });

  it("what happens to a session", async () => {
    const handler = opened({ threads: 2, staleAfter: 0.05 });
    const corrupt = events("corrupt");
    const stale = events("stale-lock");
    await handler.store("a", 1);
    await writeFile(handler._sessionFile("a"), "damaged");
    await writeFile(handler._lockFile("a"), "");
    expect(await handler.retrieve("a")).toEqual({});
    await handler.store("a", 1);
    const file = expect.stringContaining(".bad") as string;
    expect(corrupt).toEqual([{ handler: "file", id: "a", file }]);
    expect(stale).toEqual([{ handler: "file", id: "a", file: handler._lockFile("a") }]);
  });

  it("the counts of a clean, and that it is to end", async () => {
    const handler = opened({ threads: 2 });
    await handler.store("a", 1);
    const counts: CleanResult[] = [];
    await handler.clean(60, { onProgress: (result) => counts.push(result) });
    expect(counts).toEqual([{ removed: 0, kept: 1, skipped: 0 }]);
    const reason = new Error("enough");
    const ending = new AbortController();
    const cleaning = handler.clean(0, { signal: ending.signal });
    ending.abort(reason);
    await expect(cleaning).rejects.toBe(reason);
    const thrown = new Error("in onProgress");
    const failing = handler.clean(60, {
      onProgress: () => {
        throw thrown;
      },
    });
    await expect(failing).rejects.toBe(thrown);
  });
});

describe("a thread", () => {
  it("that dies fails what it was at, and the next call starts another", async () => {
    const fileDir = tempDir();
    tellThreads("fatal", { dir: fileDir });
    const handler = opened({ fileDir, threads: 1 });
    await expect(handler.store("a", 1)).rejects.toMatchObject({ code: "ERR_SESSION_DIR" });
    setEnvironmentData("fatal", undefined);
    await handler.store("b", 1);
    expect((await handler.retrieve("b")).data).toBe(1);
  });

  it("keeps no process alive, and no call is cut off by the process's end", () => {
    const script = `
      import { FileHandler } from ${JSON.stringify(new URL("../dist/index.js", import.meta.url).href)};
      const handler = new FileHandler({ fileDir: ${JSON.stringify(tempDir())}, threads: 1 });
      handler.store("a", 1).then(() => handler.retrieve("a")).then(({ data }) => console.log(data));
    `;
    const args = ["--input-type=module", "-e", script];
    expect(execFileSync(process.execPath, args, { timeout: 10_000 }).toString()).toBe("1\n");
  });
});
