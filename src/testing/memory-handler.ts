// The smallest correct handler: sessions in a Map. What the suite is tested with, whole and broken
// on purpose, and what apps are tested with that want no files.

import { closed, badId, badOption, gone } from "../core/error.ts";
import {
  type Change,
  type CleanOptions,
  type CleanResult,
  type EmptyRecord,
  type Handler,
  type Moved,
  type RetrieveOptions,
  type SessionRecord,
  type WriteOptions,
} from "../core/handler.ts";
import { milliseconds, seconds } from "../core/seconds.ts";
import { type Pickled, pickle, unpickle } from "../core/pickle.ts";

/** A session as the place keeps it. */
export interface Stored extends Pickled {
  ip: string;
  time: number;
  touched: number;
  expires?: number;
  lasting?: true;
  cookieName?: string;
  tag?: string;
  tagTime?: number;
  /** What is left of a session that has moved; it is none any more. */
  moved?: Moved;
}

/**
 * What several handlers share: the sessions, their locks, and a clock. A test that wants a place
 * that fails extends it.
 */
export class MemoryPlace {
  readonly sessions: Map<string, Stored> = new Map();
  readonly #queues = new Map<string, Promise<void>>();

  /** The moment it is, in milliseconds since the epoch. */
  now(): number {
    return Date.now();
  }

  /**
   * Called before anything is read or written. Throws when the place has failed, which memory does
   * not by itself: a `SessionError` of `ERR_SESSION_DIR`, as a full disk is one.
   */
  check(): void {}

  isLocked(id: string): boolean {
    return this.#queues.has(id);
  }

  /** Resolves, in the order of the calls, to what ends the lock. */
  async lock(id: string): Promise<() => void> {
    const before = this.#queues.get(id);
    let end = (): void => {};
    const mine = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#queues.set(id, mine);
    await before;
    return () => {
      if (this.#queues.get(id) === mine) this.#queues.delete(id);
      end();
    };
  }
}

/**
 * Keeps sessions in memory, for tests of an app: nothing to make before one and to remove after it.
 * They end with the process, and no other one sees them. Handlers of one `place` share them, as
 * processes share a directory.
 *
 * What it does is what `FileHandler` does, so a test that passes with one passes with the other.
 * Not so where files are what matters: it has no `maxBytes`, and waits for a lock as long as it
 * takes. Everything it does is a method, so that a test can have one of them fail.
 *
 * @example
 * const handler = new MemoryHandler();
 * const app = new H3().get("/", async (event) => {
 *   const session = await useFileSession(event, { handler });
 *   await session.update(({ visits = 0 }) => ({ visits: visits + 1 }));
 *   return session.data.visits;
 * });
 */
export class MemoryHandler implements Handler {
  readonly place: MemoryPlace;
  readonly underWay: Set<Promise<unknown>> = new Set();
  #isClosed = false;

  constructor(place: MemoryPlace = new MemoryPlace()) {
    this.place = place;
  }

  async store<T>(id: string, data: T, options: WriteOptions = {}): Promise<SessionRecord<T>> {
    const record = await this.run(() => this.write<T>(id, options, "store", () => ({ data })));
    return record as SessionRecord<T>;
  }

  async retrieve<T = unknown>(
    id: string,
    options: RetrieveOptions = {},
  ): Promise<SessionRecord<T> | EmptyRecord> {
    return this.run(async () => {
      this.checkId(id);
      if (options.blocking !== false) (await this.place.lock(id))();
      return this.found<T>(id);
    });
  }

  async update<T = unknown>(
    id: string,
    change: Change<T>,
    options: WriteOptions = {},
  ): Promise<SessionRecord<T> | EmptyRecord> {
    return this.run(() =>
      this.write<T>(id, options, "update", async (record) => {
        const data = await change(record);
        return data === undefined ? undefined : { data };
      }),
    );
  }

  async touch(id: string): Promise<boolean> {
    return this.run(() =>
      this.locked([id], async () => {
        const stored = await this.load(id);
        if (stored) await this.save(id, { ...stored, touched: this.now() });
        return stored !== undefined;
      }),
    );
  }

  async remove(id: string): Promise<boolean> {
    return this.run(() =>
      this.locked([id], async () => {
        const stored = await this.load(id);
        if (stored) await this.delete(id);
        return stored !== undefined;
      }),
    );
  }

  async clean(timeout: number, options: CleanOptions = {}): Promise<CleanResult> {
    return this.run(async () => {
      if (typeof timeout !== "number" || !(timeout >= 0))
        throw badOption("timeout", timeout, "a number of seconds, 0 or more");
      const result = { removed: 0, kept: 0, skipped: 0 };
      for (const id of await this.ids()) {
        options.signal?.throwIfAborted();
        result[await this.cleanOne(id, timeout, options.blocking ?? false)]++;
        options.onProgress?.(result);
      }
      return result;
    });
  }

  async *keys(): AsyncGenerator<string> {
    for (const id of await this.run(() => this.ids())) if (await this.load(id)) yield id;
  }

  async tagged(tag: string): Promise<string[]> {
    return this.run(async () => {
      this.checkTag(tag);
      const ids = await this.ids();
      // All at one moment, or one that moves meanwhile could be missed.
      const found = await Promise.all(ids.map((id) => this.load(id)));
      return ids.filter((_, index) => found[index]?.tag === tag);
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.underWay);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  now(): number {
    return this.place.now();
  }

  checkId(id: string): void {
    if (typeof id !== "string" || id === "") throw badId(id, "an id is a string, and not empty");
  }

  checkSeconds(name: string, value: number | undefined): void {
    if (value !== undefined) seconds(name, value);
  }

  checkTag(tag: unknown): void {
    if (typeof tag !== "string" || tag === "" || tag.length > 1024)
      throw badOption("tag", tag, "a text of 1 to 1024 characters");
  }

  checkMoment(name: string, value: number | undefined): void {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0))
      throw badOption(name, value, "whole milliseconds since the epoch");
  }

  checkOptions({ ttl, idleTimeout, grace, tag, time, touched, tagTime }: WriteOptions): void {
    this.checkSeconds("ttl", ttl);
    this.checkSeconds("grace", grace);
    if (tag !== undefined && tag !== null) this.checkTag(tag);
    if (idleTimeout !== undefined) milliseconds("idleTimeout", idleTimeout);
    this.checkMoment("time", time);
    this.checkMoment("touched", touched);
    this.checkMoment("tagTime", tagTime);
  }

  pickle(data: unknown): Pickled {
    return pickle(data);
  }

  unpickle({ encoding, text }: Stored): unknown {
    return unpickle(encoding, text);
  }

  async ids(): Promise<string[]> {
    this.place.check();
    return [...this.place.sessions.keys()];
  }

  async read(id: string): Promise<Stored | undefined> {
    this.place.check();
    return this.place.sessions.get(id);
  }

  async save(id: string, stored: Stored): Promise<void> {
    this.place.check();
    this.place.sessions.set(id, stored);
  }

  async delete(id: string): Promise<void> {
    this.place.check();
    this.place.sessions.delete(id);
  }

  isExpired(stored: Stored): boolean {
    return stored.expires !== undefined && stored.expires <= this.now();
  }

  async load(id: string): Promise<Stored | undefined> {
    const stored = await this.read(id);
    return stored && !stored.moved && !this.isExpired(stored) ? stored : undefined;
  }

  /** The record, or the miss that says where the session has gone. */
  async found<T>(id: string): Promise<SessionRecord<T> | EmptyRecord> {
    const stored = await this.load(id);
    if (stored) return this.record<T>(id, stored);
    const moved = (await this.read(id))?.moved;
    return moved ? { moved: { ...moved } } : {};
  }

  record<T>(id: string, stored: Stored): SessionRecord<T> {
    const { encoding: _, text: _text, moved: _moved, ...rest } = stored;
    return { id, ...rest, data: this.unpickle(stored) as T };
  }

  lockOrder(ids: string[]): string[] {
    return [...new Set(ids)].sort();
  }

  /** What `work` gives, done while all of `ids` are locked. */
  async locked<T>(ids: string[], work: () => Promise<T>): Promise<T> {
    for (const id of ids) this.checkId(id);
    const unlocks: (() => void)[] = [];
    try {
      for (const id of this.lockOrder(ids)) unlocks.push(await this.place.lock(id));
      return await work();
    } finally {
      for (const unlock of unlocks) unlock();
    }
  }

  /** Whether a ttl from before stays when none is given. */
  readonly keepsTtl: { store: boolean; update: boolean } = { store: false, update: true };

  async write<T>(
    id: string,
    options: WriteOptions,
    verb: "store" | "update",
    change: (
      record: SessionRecord<T> | EmptyRecord,
    ) => { data: T } | undefined | Promise<{ data: T } | undefined>,
  ): Promise<SessionRecord<T> | EmptyRecord> {
    this.checkOptions(options);
    const { oldId = id, mustExist, grace } = options;
    return this.locked([id, oldId], async () => {
      const old = await this.load(oldId);
      if (mustExist && !old) throw gone(oldId);
      const changed = await change(await this.found<T>(oldId));
      if (changed === undefined) return this.found<T>(oldId);
      const pickled = this.pickle(changed.data);
      const stored = { ...this.facts(options, old, verb), ...pickled };
      await this.save(id, stored);
      if (oldId !== id && old) await this.leave(oldId, old, id, grace);
      return this.record<T>(id, stored);
    });
  }

  /** All that is stored of a session but its data. */
  facts(
    { ip, ttl, lasting, cookieName, tag, tagTime, time, touched }: WriteOptions,
    old: Stored | undefined,
    verb: "store" | "update",
  ): Omit<Stored, keyof Pickled> {
    const now = this.now();
    const kept = this.keepsTtl[verb] ? old : undefined;
    const end = ttl === undefined ? kept : { expires: now + ttl * 1000, lasting };
    const name = cookieName ?? old?.cookieName;
    const owner = tag === undefined ? old?.tag : tag;
    const since = tag === undefined ? old?.tagTime : tagTime;
    return {
      ip: ip ?? old?.ip ?? "",
      time: old?.time ?? time ?? now,
      touched: old ? now : (touched ?? now),
      ...(end?.expires !== undefined && { expires: end.expires }),
      ...(end?.expires !== undefined && end.lasting && { lasting: true }),
      ...(name !== undefined && { cookieName: name }),
      ...(typeof owner === "string" && { tag: owner, tagTime: since ?? now }),
    };
  }

  /** Leaves an old id behind, which the session `to` had. */
  async leave(oldId: string, old: Stored, to: string, grace = 0): Promise<void> {
    if (grace === 0) return this.delete(oldId);
    const now = this.now();
    await this.save(oldId, { ...old, touched: now, moved: { to, until: now + grace * 1000 } });
  }

  async cleanOne(id: string, timeout: number, blocking: boolean): Promise<keyof CleanResult> {
    if (!blocking && this.place.isLocked(id)) return "skipped";
    return this.locked([id], async () => {
      const stored = await this.read(id);
      if (stored && !this.isExpired(stored) && !this.isOld(stored, timeout)) return "kept";
      await this.delete(id);
      return stored?.moved ? "kept" : "removed";
    });
  }

  isOld(stored: Stored, timeout: number): boolean {
    if (timeout === 0) return true;
    return !stored.lasting && this.now() - stored.touched > timeout * 1000;
  }

  /** What `work` gives, unless closed; `close` waits for it. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw closed();
    const done = work();
    this.underWay.add(done);
    try {
      return await done;
    } finally {
      this.underWay.delete(done);
    }
  }
}
