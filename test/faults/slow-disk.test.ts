// A disk that is slow, and one that hangs. What a process asks of it, it asks synchronously: so what
// is kept is kept by the other processes, and within one process by all but the one that waits.

import { existsSync } from "node:fs";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { FileHandler, SessionError } from "../../src/index.ts";
import { intercept } from "../_calls.mjs";
import { tempDir } from "../_dir.ts";
import { type Fault, faults } from "../_faulty.mjs";
import { interruptAt } from "../_interrupt.mjs";
import { startWorker } from "../_process.ts";
import { slowly } from "../_slow.mjs";
import { report } from "../storm/_report.ts";
import { scale } from "../storm/_storm.ts";

// Ten times as fast when there is no time; so are the limits it is held against.
const [fromMs, toMs] = scale === 1 ? [1, 50] : [10, 500];
const lockTimeout = scale === 1 ? 1 : 10;

vi.setConfig({ testTimeout: scale === 1 ? 60_000 : 600_000 });

const old = { v: "old" };

/** How many milliseconds `work` takes, and whether it ends in ERR_SESSION_LOCK_TIMEOUT. */
async function timed(work: () => Promise<unknown>): Promise<{ ms: number; isTimeout: boolean }> {
  const begun = performance.now();
  let isTimeout = false;
  try {
    await work();
  } catch (error) {
    if (!(error instanceof SessionError) || error.code !== "ERR_SESSION_LOCK_TIMEOUT") throw error;
    isTimeout = true;
  }
  return { ms: performance.now() - begun, isTimeout };
}

function median(numbers: number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}

const refused = Infinity;

/** Updates one session until `isOver`, and gives how long each update took, or `refused`. */
async function updates(handler: FileHandler, id: string, isOver: () => boolean): Promise<number[]> {
  const took: number[] = [];
  while (!isOver()) {
    const { ms, isTimeout } = await timed(() => handler.update(id, () => old));
    took.push(isTimeout ? refused : ms);
    await nextTurn();
  }
  return took;
}

/** As `updates`, for so many milliseconds. */
function updatesFor(handler: FileHandler, id: string, ms: number): Promise<number[]> {
  const end = performance.now() + ms;
  return updates(handler, id, () => performance.now() >= end);
}

async function callsOfUpdate(): Promise<number> {
  const handler = new FileHandler({ fileDir: tempDir() });
  await handler.store("a", old);
  const calls: string[] = [];
  const end = intercept(
    handler.fileDir,
    interruptAt({ call: 0 }, () => undefined, calls),
  );
  await handler.update("a", () => old);
  end();
  return calls.length;
}

type Others = {
  /** How many updates of another session ended in ERR_SESSION_LOCK_TIMEOUT. */
  refused: number;
  /** How many times as long they take as when nothing else is going on. */
  slower: number;
};

/**
 * What becomes of the others beside `work`, against before, and against after what it gives has
 * ended it: the machine may have more to do as well.
 */
async function othersBeside(
  handler: FileHandler,
  work: () => Promise<() => void>,
): Promise<Others> {
  const before = median(await updatesFor(handler, "other", 300));
  let isOver = false;
  const beside = updates(handler, "other", () => isOver);
  const end = await work();
  isOver = true;
  const took = await beside;
  end();
  const after = median(await updatesFor(handler, "other", 300));
  return {
    refused: took.filter((ms) => ms === refused).length,
    slower: median(took) / Math.max(before, after),
  };
}

/**
 * Beside processes that hang, one at each call of an update, or with a fault one in the midst of
 * it: how late, as a share of `limit` seconds,
 * whoever wants the same session is told so; and how much longer updates of another session take.
 */
async function besideTheHanging(
  fault?: Fault,
  limit = 1,
): Promise<Others & { hanging: number; timeouts: number; late: number }> {
  const Handler = fault ? faults[fault](FileHandler) : FileHandler;
  const fileDir = tempDir();
  const handler = new Handler({ fileDir, lockTimeout: limit });
  const calls = Array.from({ length: await callsOfUpdate() }, (_, index) => index + 1);
  const hanging = fault ? calls.slice(calls.length >> 1).slice(0, 1) : calls;
  const ids = hanging.map((call) => `s${call}`);
  for (const id of ids) await handler.store(id, old);

  const waits: { ms: number; isTimeout: boolean }[] = [];
  const others = await othersBeside(handler, async () => {
    const workers = hanging.map((call) =>
      startWorker("hang.mjs", fault ?? "", fileDir, `s${call}`, String(call)),
    );
    await Promise.all(workers.map(({ line }) => line()));
    for (const id of ids) {
      const { data } = await handler.retrieve(id, { blocking: false });
      expect([old, { v: "new" }]).toContainEqual(data);
    }
    const isHeld = ids.map((id) => existsSync(handler._lockFile(id)));
    waits.push(...(await Promise.all(ids.map((id) => timed(() => handler.update(id, () => old))))));
    if (!fault) expect(waits.map(({ isTimeout }) => isTimeout)).toEqual(isHeld);
    return () => workers.forEach(({ child }) => child.kill("SIGKILL"));
  });
  const timeouts = waits.filter(({ isTimeout }) => isTimeout);
  const late = Math.max(0, ...timeouts.map(({ ms }) => Math.abs(ms / 1000 / limit - 1)));
  return { hanging: hanging.length, timeouts: timeouts.length, late, ...others };
}

describe("a call that never returns", () => {
  it("holds up no other process: other sessions go on, lockTimeout is kept", async () => {
    const figures = await besideTheHanging(undefined, 2);
    report(20, "beside processes that hang", figures);
    expect(figures.timeouts).toBeGreaterThan(figures.hanging / 2);
    expect(figures.late).toBeLessThan(0.1);
    expect(figures.refused).toBe(0);
    expect(figures.slower).toBeLessThan(2);
  });

  it("would hold up all sessions if they had one lock", async () => {
    const figures = await besideTheHanging("one lock for all");
    report(20, "beside processes that hang, one lock for all", figures);
    expect(figures.refused).toBeGreaterThan(0);
  });

  it("would make others late if they waited again", async () => {
    const figures = await besideTheHanging("waits again");
    report(20, "beside processes that hang, waits again", figures);
    expect(figures.late).toBeGreaterThan(0.1);
  });

  it("holds up everything in its own process, the timeouts too", async () => {
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir, lockTimeout: 0.1 });
    await handler._acquireLock("waited-for");
    const waiting = timed(() => handler.update("waited-for", () => old));
    const hangMs = 500;
    onTestFinished(
      intercept(
        fileDir,
        interruptAt({ call: 2 }, () => {
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, hangMs);
        }),
      ),
    );
    const other = timed(async () => {
      await nextTurn();
      await handler.update("other", () => old);
    });
    const hung = timed(() => handler.update("hung", () => old));
    const [{ ms, isTimeout }, others] = await Promise.all([waiting, other, hung]);
    report(20, "in the process that hangs", { hangMs, "timeout of 100 ms": ms, other: others.ms });
    expect(isTimeout).toBe(true);
    expect(ms).toBeGreaterThanOrEqual(hangMs - 1);
    expect(others.ms).toBeGreaterThanOrEqual(hangMs - 1);
    await handler._releaseLock("waited-for");
  });
});

describe("a disk where each call takes its time", () => {
  it("holds up no other process: other sessions go on, lockTimeout is kept", async () => {
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir, lockTimeout: 1 });
    const worker = startWorker("slow.mjs", fileDir, "slow", "10", "500");
    await worker.line();
    const waits: { ms: number; isTimeout: boolean }[] = [];
    const others = await othersBeside(handler, async () => {
      for (let time = 0; time < 3; time++) {
        while (!existsSync(handler._lockFile("slow"))) await sleep(1);
        waits.push(await timed(() => handler.update("slow", () => old)));
      }
      return () => worker.child.kill("SIGKILL");
    });
    const timeouts = waits.filter(({ isTimeout }) => isTimeout);
    const late = Math.max(0, ...timeouts.map(({ ms }) => Math.abs(ms / 1000 - 1)));
    const figures = { waits: waits.length, timeouts: timeouts.length, late, ...others };
    report(20, "beside a process on a slow disk", figures);
    expect(timeouts.length).toBeGreaterThan(0);
    expect(late).toBeLessThan(0.1);
    expect(others.refused).toBe(0);
    expect(others.slower).toBeLessThan(2);
  });

  it("in one process: all sessions get on in turn, each waits for one operation of each other", async () => {
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir });
    const ids = ["a", "b", "c", "d"];
    for (const id of ids) await handler.store(id, old);
    onTestFinished(slowly(fileDir, fromMs, toMs));
    const done = new Map(ids.map((id) => [id, 0]));
    let [lead, longest] = [0, 0];
    const user = async (id: string): Promise<void> => {
      for (let round = 1; round <= 3; round++) {
        await nextTurn();
        const { ms } = await timed(() => handler.update(id, () => old));
        longest = Math.max(longest, ms);
        done.set(id, round);
        lead = Math.max(lead, Math.max(...done.values()) - Math.min(...done.values()));
      }
    };
    await Promise.all(ids.map(user));
    report(20, "in one process on a slow disk", { updates: 12, lead, longest });
    expect(lead).toBe(1);
  });

  it("whoever waits for a lock on it is late by one look, which is two calls", async () => {
    const fileDir = tempDir();
    const [holder, waiter] = [
      new FileHandler({ fileDir }),
      new FileHandler({ fileDir, lockTimeout }),
    ];
    await holder.store("a", old);
    const worker = startWorker("hang.mjs", "", fileDir, "a", "3");
    await worker.line();
    onTestFinished(slowly(fileDir, fromMs, toMs));
    const { ms, isTimeout } = await timed(() => waiter.update("a", () => old));
    const late = ms / 1000 / lockTimeout - 1;
    report(20, "waiting on a slow disk", { lockTimeout, late });
    expect(isTimeout).toBe(true);
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThan(0.15);
  });
});
