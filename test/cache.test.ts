// What reading costs, counted in system calls, and that what is remembered is never old.

import { closeSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { FileHandler } from "../src/index.ts";
import { intercept } from "./_calls.mjs";
import { tempDir } from "./_dir.ts";

let fileDir: string;
let handler: FileHandler;
let now: number;

beforeEach(async () => {
  fileDir = tempDir();
  handler = new FileHandler({ fileDir });
  now = 1000;
  const clock = vi.spyOn(performance, "now").mockImplementation(() => now);
  onTestFinished(() => clock.mockRestore());
  await handler.store("a", { n: 1 });
});

/** The names of the system calls that this makes. */
async function callsOf(action: () => Promise<unknown>): Promise<string[]> {
  const calls: string[] = [];
  const end = intercept(fileDir, ({ name }, proceed) => {
    calls.push(name.replace("Sync", ""));
    return proceed();
  });
  await action().finally(end);
  return calls;
}

const read = (id = "a"): Promise<unknown> => handler.retrieve(id, { blocking: false });

/** Reads until what is read is remembered. */
async function remember(id = "a"): Promise<void> {
  await read(id);
  now += 100;
  await read(id);
}

describe("a session that is read", () => {
  it("costs open, two fstat, read, close, and a look at the directory", async () => {
    expect(await callsOf(read)).toEqual(["open", "fstat", "read", "fstat", "close", "lstat"]);
  });

  it("costs one lstat when it has not been changed since", async () => {
    await remember();
    expect(await callsOf(read)).toEqual(["lstat"]);
    expect(await callsOf(() => handler.retrieve("a"))).toEqual(["lstat", "lstat"]); // one for the lock
  });

  it("costs one open that fails, and a look at the directory, when there is none", async () => {
    expect(await callsOf(() => read("b"))).toEqual(["open", "lstat"]);
  });

  it("costs the reading when nothing may be remembered", async () => {
    handler = new FileHandler({ fileDir, cacheBytes: 0 });
    await remember();
    expect(await callsOf(read)).toHaveLength(6);
  });

  it("gives every caller data of its own", async () => {
    await remember();
    const { data } = await handler.retrieve<{ n: number }>("a");
    data!.n = 7;
    expect((await handler.retrieve("a")).data).toEqual({ n: 1 });
  });
});

describe("a session of more than 16 KiB", () => {
  const text = "x".repeat(20_000);

  /** How many bytes this reads. */
  async function bytesReadBy(action: () => Promise<unknown>): Promise<number> {
    let bytes = 0;
    const end = intercept(fileDir, ({ name }, proceed) => {
      const result: unknown = proceed();
      if (name === "readSync") bytes += Number(result);
      return result;
    });
    await action().finally(end);
    return bytes;
  }

  it("costs the reading of its text, and of nothing else, when it has not been changed", async () => {
    await handler.store("large", text);
    await remember("large");
    expect(await bytesReadBy(() => read("large"))).toBe(text.length + 2);
    expect(await callsOf(() => read("large"))).toHaveLength(6);
    expect((await handler.retrieve("large")).data).toBe(text);
  });

  it("is read anew when it is changed while its text is read", async () => {
    await handler.store("large", text);
    await remember("large");
    const other = new FileHandler({ fileDir: tempDir() });
    await other.store("large", "older".padEnd(20_000)); // stands where the text is about to be read
    await other.store("large", "newer".padEnd(20_000));
    const changed = readFileSync(other._sessionFile("large"));
    let reads = 0;
    const end = intercept(fileDir, ({ name }, proceed) => {
      if (name === "readSync" && ++reads === 1)
        writeFileSync(handler._sessionFile("large"), changed, { flag: "r+" });
      return proceed();
    });
    const { data } = await handler.retrieve("large", { blocking: false }).finally(end);
    expect(data).toBe("newer".padEnd(20_000));
  });
});

describe("a reader that was stopped for as long as a lock lasts", () => {
  // Found by 6,000 histories. Who writes there has lost the lock and does not know yet.
  it("does not give what was written to an inode that has been left", async () => {
    const file = handler._sessionFile("a");
    const left = openSync(file, "r+");
    onTestFinished(() => closeSync(left));
    const taken = readFileSync(file);
    await handler.store("a", { n: 2 }); // in place: to `left`
    const late = readFileSync(file);
    writeSync(left, taken, 0, taken.length, 0);
    let isTaken = false;
    const end = intercept(fileDir, ({ name, path }, proceed) => {
      if (name === "readSync" && path === file && !isTaken) {
        isTaken = true;
        writeFileSync(`${file}.copy`, taken);
        renameSync(`${file}.copy`, file);
        writeSync(left, late, 0, late.length, 0);
      }
      return proceed();
    });
    const { data } = await handler.retrieve("a").finally(end);
    expect({ isTaken, data }).toEqual({ isTaken: true, data: { n: 1 } });
  });
});

describe("what is remembered of a session", () => {
  const neighbour = (): FileHandler => new FileHandler({ fileDir });
  const changes: [string, () => Promise<unknown>, unknown][] = [
    ["stored", () => neighbour().store("a", { n: 2 }), { n: 2 }],
    ["updated", () => neighbour().update("a", () => ({ n: 2 })), { n: 2 }],
    ["stored larger", () => neighbour().store("a", "x".repeat(9999)), "x".repeat(9999)],
    ["stored with a ttl", () => neighbour().store("a", { n: 2 }, { ttl: 9 }), { n: 2 }],
    ["removed", () => neighbour().remove("a"), undefined],
    ["moved away", () => neighbour().store("b", { n: 2 }, { oldId: "a" }), undefined],
    [
      "removed and begun anew",
      async () => {
        await neighbour().remove("a");
        await neighbour().store("a", { n: 2 });
      },
      { n: 2 },
    ],
  ];

  it.each(changes)("is not used when somebody has %s it", async (_, change, after) => {
    await remember();
    await change();
    expect((await handler.retrieve("a")).data).toEqual(after);
  });

  it("is not used when it was touched", async () => {
    await remember();
    await neighbour().touch("a");
    const { touched } = await neighbour().retrieve("a");
    expect((await handler.retrieve("a")).touched).toBe(touched);
  });

  // Linux stamps finely where somebody looks, since 6.13. Before, and elsewhere, a tick takes a while.
  it.each([1, 3, 7, 20])(
    "is never of before another write in the same tick of 40 ms, at one step each %i ms",
    async (stepMs) => {
      vi.useFakeTimers({ now: 5, toFake: ["Date"] });
      onTestFinished(() => void vi.useRealTimers());
      let ctimeMs = 0;
      onTestFinished(
        intercept(fileDir, ({ name, path }, proceed) => {
          const result = proceed();
          if (path !== handler._sessionFile("a")) return result;
          now += stepMs;
          if (name === "writeSync" || name === "futimesSync") ctimeMs = 1 + now - (now % 40);
          const isStat = name === "lstatSync" || name === "fstatSync";
          if (!isStat || result === undefined) return result;
          return Object.defineProperty(result, "ctimeMs", { value: ctimeMs });
        }),
      );
      const writer = neighbour();
      for (let n = 0; n < 300; n++) {
        await writer.store("a", { n });
        for (let reads = 0; reads < n % 4; reads++)
          expect((await handler.retrieve("a")).data).toEqual({ n });
      }
    },
  );

  it("ends with its ttl", async () => {
    await handler.store("a", 1, { ttl: 60 });
    await remember();
    vi.useFakeTimers({ now: Date.now() + 61_000, toFake: ["Date"] });
    onTestFinished(() => void vi.useRealTimers());
    expect(await handler.retrieve("a")).toEqual({});
  });

  it("is waited for when it is locked", async () => {
    await remember();
    await neighbour()._acquireLock("a");
    handler = new FileHandler({ fileDir, lockTimeout: 0 });
    await remember();
    await expect(handler.retrieve("a")).rejects.toMatchObject({ code: "ERR_SESSION_LOCK_TIMEOUT" });
  });

  it("takes no more memory than it may: what was not used for long is read again", async () => {
    handler = new FileHandler({ fileDir, cacheBytes: 20 * 1024 });
    const ids = Array.from({ length: 15 }, (_, n) => `s${n}`);
    for (const id of ids) await handler.store(id, "x".repeat(1000));
    for (const id of ids) await remember(id);
    expect(await callsOf(() => read("s14"))).toHaveLength(1);
    expect(await callsOf(() => read("s0"))).toHaveLength(6);
  });
});
