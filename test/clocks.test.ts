// Clocks that are wrong, jump, or are coarse. Whoever holds a lock keeps it, whoever has died loses
// it, and no session ends before its time.
//
// What cannot be promised: how long a session lives is told by the wall clock. Set it forward and
// sessions end early, by as much; set it back and they end late.

import {
  lstatSync,
  readdirSync,
  readFileSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { FileHandler } from "../src/index.ts";
import { endOf } from "../src/session/lifetime.ts";
import { loadAgain } from "./_again.ts";
import { intercept } from "./_calls.mjs";
import { filesIn, tempDir } from "./_dir.ts";
import { startWorker } from "./_process.ts";
import { size } from "./_size.ts";

interface Call {
  name: string;
  args: unknown[];
}

const hour = 3600_000;
const years = 10 * 8766 * hour;
const shifts = [hour, -hour, years, -years];

let dir: string;
let handler: FileHandler;

beforeEach(() => {
  dir = tempDir();
  handler = new FileHandler({ fileDir: dir });
});

afterEach(() => void vi.useRealTimers());

/** Sets the clock of this process, and not that of the file system, off by so much. */
function setClock(shiftMs: number): void {
  vi.useRealTimers();
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + shiftMs });
}

/** Who may or may not take a lock: a handler, or one that goes by `Date.now()` alone. */
type Taker = Pick<FileHandler, "_acquireLock">;

const naive: Taker = {
  async _acquireLock(id) {
    const lock = join(dir, `sess_${id}.lock`);
    const mtime = lstatSync(lock, { throwIfNoEntry: false })?.mtimeMs;
    if (mtime !== undefined && Date.now() - mtime <= 60_000) return false;
    if (mtime !== undefined) unlinkSync(lock);
    writeFileSync(lock, "", { flag: "wx" });
    return true;
  },
};

/** What a session goes through under its lock, and what it is in the end. */
const operations: [name: string, act: () => Promise<unknown>, data: unknown][] = [
  ["store", () => handler.store("a", "new"), "new"],
  ["store of more", () => handler.store("a", "new".repeat(2000)), "new".repeat(2000)],
  ["update", () => handler.update("a", () => "new"), "new"],
  ["update with a promise", () => handler.update("a", async () => "new"), "new"],
  ["move", () => handler.store("b", "new", { oldId: "a" }), undefined],
  ["move here", () => handler.store("a", "new", { oldId: "c" }), "new"],
  ["touch", () => handler.touch("a"), "old"],
  ["remove", () => handler.remove("a"), undefined],
];

/**
 * Does it with a clock that jumps before the call number `jumpAt`, while `taker` tries to have every
 * lock that is there between any two calls. How often it had one, and how many calls there were.
 */
async function withJump(
  taker: Taker,
  act: () => Promise<unknown>,
  jumpAt: number,
  shift: number,
): Promise<{ owners: number; calls: number }> {
  let calls = 0;
  const tries: Promise<boolean>[] = [];
  const end = intercept(dir, (_: Call, proceed) => {
    if (calls++ === jumpAt) setClock(shift);
    for (const lock of readdirSync(dir).filter((name) => name.endsWith(".lock")))
      tries.push(taker._acquireLock(lock.slice("sess_".length, -".lock".length), false));
    return proceed();
  });
  try {
    await act();
  } finally {
    end();
    vi.useRealTimers();
  }
  const taken = await Promise.all(tries);
  return { owners: taken.filter(Boolean).length, calls };
}

describe("a lock that is held", () => {
  it.each(operations)(
    "is nobody else's, to whichever hour the clock jumps between any two calls: %s",
    async (_, act, data) => {
      const taker = new (await loadAgain()).FileHandler({ fileDir: dir });
      let jumps = 0;
      for (const shift of shifts)
        for (let jumpAt = 0, calls = 1; jumpAt < calls; jumpAt++, jumps++) {
          await handler.store("a", "old");
          await handler.store("c", "old");
          const outcome = await withJump(taker, act, jumpAt, shift);
          calls = outcome.calls;
          expect(outcome.owners).toBe(0);
          expect((await handler.retrieve("a")).data).toEqual(data);
          expect(filesIn(dir).filter((name) => !/^sess_[abc]$/.test(name))).toEqual([]);
        }
      expect(jumps).toBeGreaterThanOrEqual(5 * shifts.length);
    },
  );

  it("is somebody else's too, where Date.now() alone says how old it is", async () => {
    await handler.store("a", "old");
    const holder = new FileHandler({ fileDir: dir, lockTimeout: 0.1 });
    const act = (): Promise<unknown> => holder.store("a", "new").catch(() => undefined);
    expect((await withJump(naive, act, 3, hour)).owners).toBeGreaterThan(0);
  });

  it.each(shifts)("stays so with a clock that is %d ms off", async (shift) => {
    await handler._acquireLock("a");
    const other = new (await loadAgain()).FileHandler({ fileDir: dir, lockTimeout: 0.05 });
    setClock(shift);
    expect(await other._acquireLock("a", false)).toBe(false);
    await expect(other._acquireLock("a")).rejects.toMatchObject({
      code: "ERR_SESSION_LOCK_TIMEOUT",
    });
    await other.clean(0);
    expect(filesIn(dir)).toEqual(["sess_a.lock"]);
    await handler._releaseLock("a");
    expect(await other._acquireLock("a", false)).toBe(true);
    await other._releaseLock("a");
  });

  /** The numbers that were acknowledged to four processes whose clocks jump to and fro. */
  async function acknowledged(
    name: string,
    { times = 100, staleAfter = 60, holdMs = 3 },
  ): Promise<number[]> {
    const args = [dir, times, name, staleAfter, holdMs].map(String);
    const workers = Array.from({ length: 4 }, () => startWorker("skewed.mjs", ...args));
    const numbers: number[] = [];
    await Promise.all(
      workers.map(async ({ line, done }) => {
        for (let n = 0; n < times; n++) numbers.push(Number(await line()));
        await done;
      }),
    );
    return numbers;
  }

  it("by processes whose clocks jump to and fro loses no update", async () => {
    const numbers = await acknowledged("filesession", { times: size(100, 5000) });
    expect(new Set(numbers).size).toBe(4 * size(100, 5000));
    expect((await handler.retrieve("a")).data).toEqual({ n: numbers.length });
  });

  it("for longer than the stale limit, and kept fresh by a clock that jumps: nor any", async () => {
    const times = size(6, 500);
    const numbers = await acknowledged("filesession", { times, staleAfter: 0.1, holdMs: 200 });
    expect(new Set(numbers).size).toBe(4 * times);
    const { data } = await handler.retrieve<{ n: number }>("a");
    expect(data?.n).toBeGreaterThanOrEqual(Math.max(...numbers));
  });

  it("by processes whose clocks jump loses some where Date.now() alone decides", async () => {
    const numbers = await acknowledged("naive", {});
    expect(new Set(numbers).size).toBeLessThan(numbers.length);
  });
});

describe("a lock that nobody will give back", () => {
  const mtimes: [id: string, ageMs: number][] = [
    ["old", 61_000],
    ["older", years],
    ["future", -hour],
    ["far-future", -years],
  ];

  function leaveLocks(fileDir: string): void {
    for (const [id, ageMs] of mtimes) {
      const path = join(fileDir, `sess_${id}.lock`);
      writeFileSync(path, "");
      utimesSync(path, (Date.now() - ageMs) / 1000, (Date.now() - ageMs) / 1000);
    }
  }

  it("is free after twice the stale limit at most, whatever its mtime and our clock", async () => {
    const staleAfter = 1;
    const places = [0, ...shifts].map((shift) => ({ shift, fileDir: tempDir() }));
    const ids = mtimes.map(([id]) => id);
    const took = await Promise.all(
      places.map(async ({ shift, fileDir }) => {
        leaveLocks(fileDir);
        const worker = startWorker(
          "recover.mjs",
          fileDir,
          String(staleAfter),
          String(shift),
          ...ids,
        );
        const each = JSON.parse(await worker.line()) as number[];
        await worker.done;
        expect(filesIn(fileDir)).toEqual(ids.map((id) => `sess_${id}`).toSorted());
        return each;
      }),
    ).then((all) => all.flat());
    expect(took).toHaveLength(mtimes.length * 5);
    expect(Math.max(...took)).toBeLessThanOrEqual(2 * 1000 * staleAfter);
  });

  // Each try without waiting begins to watch anew, and remembers nothing of the one before. So the
  // cleaner's lock of a process that died before the clock was set back stops all cleaning until the
  // clock has caught up.
  it("is free for who does not wait but tries again, with an mtime in the future", async () => {
    leaveLocks(dir);
    const other = new FileHandler({ fileDir: dir, staleAfter: 0.1 });
    const end = performance.now() + 300;
    let isMine = false;
    while (!isMine && performance.now() < end) {
      isMine = await other._acquireLock("future", false);
      await new Promise((next) => setTimeout(next, 10));
    }
    await other.close();
    expect(isMine).toBe(true);
  });

  it("is never free with a clock set back, where Date.now() alone says how old it is", async () => {
    leaveLocks(dir);
    setClock(-hour);
    expect(await naive._acquireLock("old", false)).toBe(false);
    setClock(60_000);
    expect(await naive._acquireLock("future", false)).toBe(false);
  });
});

/** Rounds every time of a file down to whole `seconds`, as a coarse file system does. */
function coarsen(seconds: number): () => void {
  const whole = (ms: number): number => Math.floor(ms / (1000 * seconds)) * 1000 * seconds;
  return intercept(dir, (call: Call, proceed) => {
    if (call.name === "futimesSync") {
      const [fd, atime, mtime] = call.args as [number, number | Date, number | Date];
      const floor = (time: number | Date): number =>
        whole(Number(time) * (typeof time === "number" ? 1000 : 1)) / 1000;
      return proceed(fd, floor(atime), floor(mtime));
    }
    const result = proceed() as Record<string, unknown> | undefined;
    if (!["fstatSync", "lstatSync"].includes(call.name) || result === undefined) return result;
    for (const time of ["mtime", "ctime"]) {
      const ms = whole(Number(result[`${time}Ms`]));
      const isBig = typeof result[`${time}Ms`] === "bigint";
      result[`${time}Ms`] = isBig ? BigInt(ms) : ms;
      if (isBig) result[`${time}Ns`] = BigInt(ms) * 1_000_000n;
    }
    return result;
  });
}

describe.each([1, 2])("on a file system that keeps every %d s", (granularity) => {
  const moments = Array.from({ length: 21 }, (_, n) => 2e12 + n * 100);

  beforeEach(() => onTestFinished(coarsen(granularity)));

  function at(ms: number): void {
    vi.useFakeTimers({ toFake: ["Date"], now: ms });
  }

  it("`touched` is a second off at most, so no session ends sooner by more", async () => {
    for (const now of moments) {
      at(now);
      await handler.clean(0);
      await handler.store("a", 1);
      await handler.store("b", 1);
      at(now + 30_000);
      await handler.touch("b");
      for (const [id, used] of [
        ["a", now],
        ["b", now + 30_000],
      ] as const) {
        const record = await handler.retrieve(id);
        expect(Math.abs((record.touched ?? 0) - used)).toBeLessThanOrEqual(1000);
        const lifetimes = { idleMs: 60_000, maxAgeMs: 1e9 };
        expect(endOf(record as never, lifetimes)).toBeGreaterThanOrEqual(used + 59_000);
        expect(endOf(record as never, { idleMs: 1e9, maxAgeMs: 60_000 })).toBe(now + 60_000);
      }
    }
  });

  it("clean(timeout) takes no session sooner by more than a second", async () => {
    for (const now of moments) {
      at(now);
      await handler.store("a", 1);
      at(now + 59_000);
      expect(await handler.clean(60)).toEqual({ removed: 0, kept: 1, skipped: 0 });
      at(now + 61_001);
      expect(await handler.clean(60)).toEqual({ removed: 1, kept: 0, skipped: 0 });
    }
  });

  it("a ttl is exact", async () => {
    for (const now of moments) {
      at(now);
      await handler.store("a", 1, { ttl: 5 });
      at(now + 4_999);
      expect((await handler.retrieve("a")).data).toBe(1);
      at(now + 5_000);
      expect(await handler.retrieve("a")).toEqual({});
    }
  });

  it("a lock is respected, kept fresh, and taken over", async () => {
    const other = new (await loadAgain()).FileHandler({ fileDir: dir });
    await handler._acquireLock("a");
    expect(await other._acquireLock("a", false)).toBe(false);
    const lock = handler._lockFile("a");
    utimesSync(lock, Date.now() / 1000 - 57, Date.now() / 1000 - 57);
    expect(await other._acquireLock("a", false)).toBe(false);
    utimesSync(lock, Date.now() / 1000 - 63, Date.now() / 1000 - 63);
    expect(await other._acquireLock("a", false)).toBe(true);
    await other._releaseLock("a");
    await handler._releaseLock("a");
    expect(filesIn(dir)).toEqual([]);
  });
});

describe("a session with an mtime in the future", () => {
  it.each([hour, years])(
    "by %d ms is there, is stored and touched, and loses nothing",
    async (ahead) => {
      const path = join(dir, "sess_a");
      await handler.store("a", 1);
      const then = (Date.now() + ahead) / 1000;
      utimesSync(path, then, then);
      expect((await handler.retrieve("a")).data).toBe(1);
      expect(await handler.clean(60)).toMatchObject({ removed: 0, kept: 1 });
      expect(await handler.touch("a")).toBe(true);
      expect(Math.abs(Date.now() - ((await handler.retrieve("a")).touched ?? 0))).toBeLessThan(
        5000,
      );
      await handler.store("a", 2);
      expect(readFileSync(path, "utf8")).toContain("\n");
      expect((await handler.retrieve("a")).data).toBe(2);
    },
  );
});
