// Waiting for a lock that somebody holds, and finding out that nobody does any more.

import type { BigIntStats } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { lockTimeout, notAFile } from "../core/error.ts";
import { type Lock, statLock, tryLock } from "./lock.ts";
import { lockFile } from "./names.ts";
import { isGone } from "./holder.ts";
import { incarnationOf, storyAt, takeOver } from "./takeover.ts";

export interface WaitOptions {
  /** With `false`: no waiting. A stale lock is taken over all the same. */
  blocking: boolean;
  /** The moment to give up, in milliseconds of `performance.now()`. */
  deadline: number;
  /** How many seconds that is from the beginning; for the message. */
  lockTimeout: number;
  /** Milliseconds after which a lock counts as abandoned. */
  staleMs: number;
}

/**
 * The lock of `file`, as soon as its holder gives it back or it is stale; `undefined` when it is
 * held and we do not wait. Throws `ERR_SESSION_LOCK_TIMEOUT` at the deadline.
 */
export async function waitForLock(file: string, options: WaitOptions): Promise<Lock | undefined> {
  const watch = new Watch(file, options.staleMs);
  let vanished = 0;
  let vanishedAt: number | undefined;
  for (let attempt = 0; ; attempt++) {
    const isLast = vanishedAt !== undefined && performance.now() - vanishedAt > vanishingMs;
    const lock = tryLock(file, isLast);
    if (lock) return lock;
    const held = watch.look();
    vanishedAt = held ? undefined : (vanishedAt ?? performance.now());
    // Given back since. Where that happens again and again, something is wrong with the place.
    if (held === undefined && vanished++ < 10) continue;
    if (held !== undefined && watch.isSuspect(held, options.blocking)) {
      const taken = takeOver(file, held, (...evidence) => watch.isGivenUp(...evidence));
      if (taken) return taken;
    }
    if (!options.blocking) return undefined;
    await pause(file, attempt, options);
  }
}

// On Windows, how long a lock may be neither there nor to be had: another program has it open, or
// the directory is not for us to write.
const vanishingMs = 5_000;

/**
 * Resolves when nobody holds the lock of `file`, or only a stale one is there. For readers: changes
 * nothing.
 */
export async function waitUntilFree(file: string, options: WaitOptions): Promise<void> {
  const watch = new Watch(file, options.staleMs);
  for (let attempt = 0; ; attempt++) {
    const held = watch.look();
    if (held === undefined || watch.isSuspect(held, false)) return;
    await pause(file, attempt, options);
  }
}

async function pause(file: string, attempt: number, options: WaitOptions): Promise<void> {
  if (performance.now() >= options.deadline) throw lockTimeout(lockFile(file), options.lockTimeout);
  // Polling fast at first is fairer and sees a short hold end: worst wait 27 ms against 126 ms with
  // exponential back-off and jitter, measured with 4 processes on one lock. Who has held it for 50
  // ms holds it for long.
  const ms = attempt < 50 ? 1 : Math.min(attempt - 49, 25);
  await sleep(ms * (0.75 + Math.random() / 2));
}

// After a virtual machine was suspended, every lock on it looks stale for a moment, and its holder
// is about to go on.
const settleMs = 1_000;

/** What one waiter has seen of a lock. */
class Watch {
  readonly #file: string;
  readonly #staleMs: number;
  #incarnation = "";
  #since = 0;
  #looks = 0;
  #skewMs = 0; // our clock less the file system's, once we know

  constructor(file: string, staleMs: number) {
    this.#file = file;
    this.#staleMs = staleMs;
  }

  /** The lock as it is now, or `undefined` when there is none. */
  look(): BigIntStats | undefined {
    const stats = statLock(this.#file);
    if (stats === undefined) return undefined;
    if (!stats.isFile()) throw notAFile(lockFile(this.#file));
    if (incarnationOf(stats) !== this.#incarnation) {
      this.#incarnation = incarnationOf(stats);
      this.#since = performance.now();
      this.#looks = 0;
    }
    this.#looks++;
    return stats;
  }

  /**
   * Whether the lock looks as if its holder has given it up; if we can wait, whether it has been
   * looking stale for a second.
   */
  isSuspect(held: BigIntStats, patiently: boolean): boolean {
    if (this.#isTimeToAsk(patiently) && isGone(storyAt(lockFile(this.#file)) ?? "")) return true;
    if (patiently && this.#seenMs() < Math.min(settleMs, this.#staleMs)) return false;
    const ageMs = Date.now() - this.#skewMs - Number(held.mtimeMs);
    return Math.abs(ageMs) > this.#staleMs || this.#seenMs() > this.#staleMs;
  }

  /**
   * Whether the holder of a lock of `mtimeMs` is given up at `nowMs`, both by the file system's
   * clock. Or we have watched it for that long ourselves, unchanged: then it is, whatever any clock
   * says. Or its process is gone.
   */
  isGivenUp(mtimeMs: number, nowMs: number, story: string): boolean {
    this.#skewMs = Date.now() - nowMs;
    // A lock of the future was made before the clock was set back, by somebody who never looked at it again.
    const isStale = Math.abs(nowMs - mtimeMs) > this.#staleMs || this.#seenMs() > this.#staleMs;
    return isStale || isGone(story);
  }

  // Most holders are alive and done in a millisecond; to find out costs thirty looks at the lock.
  #isTimeToAsk(patiently: boolean): boolean {
    return this.#looks % 16 === (patiently ? 0 : 1);
  }

  #seenMs(): number {
    return performance.now() - this.#since;
  }
}
