import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type EmptyRecord,
  type Handler,
  isRecord,
  type RetrieveOptions,
  type SessionRecord,
} from "../core/handler.ts";
import type { SessionErrorCode } from "../core/error.ts";
import type { HandlerHarness } from "./harness.ts";

/** Facts by their titles. Each is checked on an empty place. */
export type Facts = Record<string, (place: Place) => Promise<void>>;

/** The harness as the facts use it: remembers what it opened. */
export class Place {
  readonly #harness: HandlerHarness;
  readonly #opened: Handler[] = [];

  constructor(harness: HandlerHarness) {
    this.#harness = harness;
  }

  // Bound, so that facts can take the members apart.
  readonly open = async (): Promise<Handler> => {
    const handler = await this.#harness.open();
    this.#opened.push(handler);
    return handler;
  };

  readonly advance = async (seconds: number): Promise<void> => {
    if (this.#harness.advance) await this.#harness.advance(seconds);
    else await sleep(seconds * 1000);
  };

  /** Whether the place fails from now on; `false` when the harness cannot make it. */
  readonly breakPlace = async (): Promise<boolean> => {
    await this.#harness.breakPlace?.();
    return this.#harness.breakPlace !== undefined;
  };

  /** Closes what was opened, and the harness. */
  async close(ms?: number): Promise<void> {
    try {
      await soon("close()", Promise.all(this.#opened.map((handler) => handler.close())), ms);
    } finally {
      await this.#harness.close?.();
    }
  }
}

// Far more than a call takes, and less than the five seconds after which a test runner fails the
// test without saying why.
const patienceMs = 3_000;

/**
 * What `promise` gives, which must not take long: fails when it waits for something that will not
 * come.
 */
export async function soon<T>(
  what: string,
  promise: Promise<T>,
  ms: number = patienceMs,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new assert.AssertionError({ message: `${what} still waits after ${ms} ms` }));
    }, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Fails unless `call` rejects, rather than throws, with an error of this `code`. Gives the error.
 */
export async function rejects(
  call: () => Promise<unknown>,
  code: SessionErrorCode,
  what?: string,
): Promise<Error> {
  const [outcome] = await Promise.allSettled([call()]);
  if (outcome.status === "fulfilled")
    assert.fail(`${what ?? call.toString()} must reject with ${code}`);
  const error: unknown = outcome.reason;
  assert.ok(error instanceof Error, "what is thrown is an Error");
  assert.equal("code" in error ? error.code : undefined, code, what);
  return error;
}

/** The record, which must not be a miss. */
export function found<T>(record: SessionRecord<T> | EmptyRecord): SessionRecord<T> {
  assert.ok(isRecord(record), "there is a session");
  return record;
}

/** What `id` has for data; fails for a miss. */
export async function dataOf(
  handler: Handler,
  id: string,
  options?: RetrieveOptions,
): Promise<unknown> {
  return found(await handler.retrieve(id, options)).data;
}

/** Fails unless `id` is a miss. */
export async function assertMiss(
  handler: Handler,
  id: string,
  options?: RetrieveOptions,
): Promise<void> {
  const record = await handler.retrieve(id, options);
  assert.ok(!isRecord(record), "there is no session");
}

/** All ids, sorted. */
export async function keysOf(handler: Handler): Promise<string[]> {
  const ids: string[] = [];
  for await (const id of handler.keys()) ids.push(id);
  return ids.sort();
}

/** An update that holds a session until told to end. */
export interface Hold {
  /** Ends the update with this as the new data, and gives the record it gave. */
  release(data: unknown): Promise<SessionRecord | EmptyRecord>;
}

/**
 * Begins an update of `id`. When it resolves, the change is being made, and the session is locked.
 */
export async function hold(handler: Handler, id: string): Promise<Hold> {
  const data = deferred<unknown>();
  const begun = deferred<void>();
  const done = handler.update(id, async () => {
    begun.resolve();
    return data.promise;
  });
  // The race also sees to a rejection that nobody would be waiting for yet.
  await soon("an update of a session that nobody holds", Promise.race([begun.promise, done]));
  return {
    release(value) {
      data.resolve(value);
      return soon("an update whose change has ended", done);
    },
  };
}

/**
 * Time enough for a call that does not wait to have had its effect: another handler stores other
 * sessions meanwhile. So nothing is slept, and a slow place takes the longer for it.
 */
export async function meanwhile(place: Place): Promise<void> {
  const other = await place.open();
  for (const id of ["meanwhile1", "meanwhile2", "meanwhile3"]) {
    await soon("storing a session that nobody holds", other.store(id, "x".repeat(10_000)));
    await soon("removing a session that nobody holds", other.remove(id));
  }
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let settle: ((value: T) => void) | undefined;
  const promise = new Promise<T>((resolve) => {
    settle = resolve;
  });
  return { promise, resolve: (value) => settle?.(value) };
}
