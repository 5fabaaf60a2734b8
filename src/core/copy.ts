// Sessions, copied from one place to another as they are: nobody is logged out by it.
//
// Each is copied while it is held in `from`: as it is then, or not at all if it has been removed before.
// One that `to` has already is left alone: a copier that was killed is run again, and goes on from
// there. There is nothing to tidy up.

import { badOption, isSessionError, onePlace } from "./error.ts";
import { type Handler, isRecord, type SessionRecord, type WriteOptions } from "./handler.ts";
import { milliseconds } from "./seconds.ts";

export interface CopyOptions {
  /**
   * What is said as `idleTimeout` of each session, for a `to` where time does the cleaning: the app's
   * own `idleTimeout`, or `maxAge` if that is less. Default: nothing.
   */
  idleTimeout?: number;
  /** Sessions per second, at most. Default 1000; `Infinity` for as many as it can. */
  rate?: number;
  /** How many sessions are copied at a time. Default 8. */
  concurrency?: number;
  /**
   * Whether a session leaves `from` once `to` has it. Default `false`. It may be one that was changed
   * in between, so only when nobody writes to `from` any more, as with `migratingHandler`.
   */
  remove?: boolean;
  /** Ends the copying early, between two sessions; it then rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Called after each session with the counts so far. */
  onProgress?: (result: CopyResult) => void;
}

/** What has become of the sessions that were listed. */
export interface CopyResult {
  /** They are in `to` now. */
  copied: number;
  /** They were in `to` already, or had been and moved on, and what is there was left as it is. */
  present: number;
  /** They had ended when their turn came. */
  gone: number;
}

/**
 * Copies every live session of `from` to `to`, another place: what it holds, its address, its cookie's
 * name, its tag, and all its moments, so that it ends when it would have. Gives how many.
 *
 * What `to` has already is left as it is, so it may be ended at any moment, by a `kill -9` too, and run
 * again. That also means that what somebody changes in `from`, or removes, once it was copied stays in
 * `to` as it was: have the app use `migratingHandler` first, or stop it. It does not copy what a move
 * with `grace` has left, which is no session.
 *
 * A session that is in use is waited for, however long that takes. Rejects as soon as a place fails,
 * or `to` does not take a session, `ERR_SESSION_TOO_LARGE` for one; what has been copied by then stays.
 * `ERR_SESSION_OPTION` for an option that makes no sense.
 *
 * @example
 * const [from, to] = [new FileHandler(), new FileHandler({ fileDir: "/srv/sessions" })];
 * const { copied } = await copySessions(from, to, { remove: true }); // the app has a migratingHandler
 */
export async function copySessions(
  from: Handler,
  to: Handler,
  options: CopyOptions = {},
): Promise<CopyResult> {
  const { rate = 1000, concurrency = 8, signal, onProgress } = options;
  assertTwoPlaces(from, to, options);
  if (!(typeof rate === "number" && rate > 0))
    throw badOption("rate", rate, "a number of sessions per second, more than 0");
  if (!(Number.isSafeInteger(concurrency) && concurrency > 0))
    throw badOption("concurrency", concurrency, "a whole number, 1 or more");
  const result: CopyResult = { copied: 0, present: 0, gone: 0 };
  const pace = new Pace(rate);
  const crew = new Crew(concurrency);
  try {
    signal?.throwIfAborted();
    for await (const id of from.keys()) {
      await pace.turn(signal);
      await crew.room();
      signal?.throwIfAborted();
      crew.begin(async () => {
        result[await copyPatiently(from, to, id, options)]++;
        onProgress?.({ ...result });
      });
    }
  } finally {
    await crew.end();
  }
  crew.assertWell();
  return result;
}

/** Throws `ERR_SESSION_OPTION` unless sessions can be moved from the one handler to the other so. */
export function assertTwoPlaces(
  from: Handler,
  to: Handler,
  { idleTimeout }: Pick<CopyOptions, "idleTimeout">,
): void {
  if (from === to) throw onePlace();
  if (idleTimeout !== undefined) milliseconds("idleTimeout", idleTimeout);
}

/**
 * Copies one session, which is held in `from` meanwhile, unless `to` has it. What has become of it.
 */
export async function copySession(
  from: Handler,
  to: Handler,
  id: string,
  options: Pick<CopyOptions, "idleTimeout">,
): Promise<keyof CopyResult> {
  let outcome = "gone" as keyof CopyResult;
  await from.update(id, async (record) => {
    if (isRecord(record)) outcome = await put(to, record, factsOf(record, options));
    return undefined;
  });
  return outcome;
}

async function put(
  to: Handler,
  { id, data }: SessionRecord,
  facts: WriteOptions,
): Promise<"copied" | "present"> {
  let isThere = false;
  await to.update(
    id,
    (there) => {
      // One that has moved on from here is newer too, and its old id is to open nothing.
      isThere = isRecord(there) || there.moved !== undefined;
      return isThere ? undefined : data;
    },
    facts,
  );
  // An update writes nothing for `undefined`, which `store` takes as data.
  if (!isThere && data === undefined) await to.store(id, data, facts);
  return isThere ? "present" : "copied";
}

/** All that is said of a session but its data. */
function factsOf(record: SessionRecord, options: Pick<CopyOptions, "idleTimeout">): WriteOptions {
  const { ip, time, touched, cookieName, tag, tagTime, expires, lasting = false } = record;
  const { idleTimeout } = options;
  const facts: WriteOptions = {
    ip,
    time,
    touched,
    lock: false,
    ...(cookieName !== undefined && { cookieName }),
    ...(tag !== undefined && { tag }),
    ...(tagTime !== undefined && { tagTime }),
    ...(idleTimeout !== undefined && { idleTimeout }),
  };
  if (expires === undefined) return facts;
  // Looked up when it is written: what is waited for until then is not to make a life longer.
  return {
    ...facts,
    lasting,
    get ttl() {
      return Math.max(0, expires - Date.now()) / 1000;
    },
  };
}

const busyMs = 100;

/** The same, however long somebody else holds the session; and it leaves `from` if that is asked for. */
async function copyPatiently(
  from: Handler,
  to: Handler,
  id: string,
  options: CopyOptions,
): Promise<keyof CopyResult> {
  const { remove = false, signal } = options;
  const outcome = await whenFree(() => copySession(from, to, id, options), signal);
  if (remove && outcome !== "gone") await whenFree(() => from.remove(id), signal);
  return outcome;
}

async function whenFree<T>(attempt: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!isSessionError(error, "ERR_SESSION_LOCK_TIMEOUT", "ERR_SESSION_LOCK_LOST")) throw error;
    }
    await pause(busyMs, signal);
  }
}

// A timer is late by a millisecond or so; what is missed by that may be made up for.
const lagMs = 20;

/** Turns, so many per second. */
class Pace {
  readonly #everyMs: number;
  #next: number = performance.now();

  constructor(rate: number) {
    this.#everyMs = 1000 / rate;
  }

  async turn(signal: AbortSignal | undefined): Promise<void> {
    const now = performance.now();
    const mine = Math.max(this.#next, now - lagMs);
    this.#next = mine + this.#everyMs;
    if (mine > now) await pause(mine - now, signal);
  }
}

/** What is done side by side, so many things at a time, until one of them fails. */
class Crew {
  readonly #size: number;
  readonly #atWork = new Set<Promise<void>>();
  #failure: { error: unknown } | undefined;

  constructor(size: number) {
    this.#size = size;
  }

  /** Resolves when one more can be begun. Rejects when one has failed. */
  async room(): Promise<void> {
    while (this.#atWork.size >= this.#size) await Promise.race(this.#atWork);
    this.assertWell();
  }

  begin(work: () => Promise<void>): void {
    const done: Promise<void> = work()
      .catch((error: unknown) => void (this.#failure ??= { error }))
      .finally(() => this.#atWork.delete(done));
    this.#atWork.add(done);
  }

  async end(): Promise<void> {
    await Promise.all(this.#atWork);
  }

  /** Throws what the first of those has thrown that failed. */
  assertWell(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

/** Rejects with the signal's reason. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      if (signal?.aborted) reject(signal.reason as Error);
      else resolve();
    };
    const timer = setTimeout(end, signal?.aborted ? 0 : ms);
    signal?.addEventListener("abort", end);
  });
}
