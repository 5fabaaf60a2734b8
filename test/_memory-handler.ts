// The smallest correct handler: sessions in a Map. What the suite is tested with, whole and broken
// on purpose.

import { closed, badId, badOption, gone, placeFailed } from "../src/core/error.ts";
import {
  type Change,
  type CleanOptions,
  type CleanResult,
  type EmptyRecord,
  type Handler,
  type RetrieveOptions,
  type SessionRecord,
  type WriteOptions,
} from "../src/core/handler.ts";
import { type Pickled, pickle, unpickle } from "../src/core/pickle.ts";

/** A session as the place keeps it. */
export interface Stored extends Pickled {
  ip: string;
  time: number;
  touched: number;
  expires?: number;
  cookieName?: string;
}

/** What several handlers share: the sessions, their locks, and a clock. */
export class MemoryPlace {
  readonly sessions: Map<string, Stored> = new Map();
  readonly #queues = new Map<string, Promise<void>>();
  // Stands still unless advanced: no test depends on how fast the machine is.
  #nowMs = Date.now();
  #failure: Error | undefined;

  now(): number {
    return this.#nowMs;
  }

  advance(seconds: number): void {
    this.#nowMs += seconds * 1000;
  }

  break(): void {
    this.#failure = new Error("the place is broken");
  }

  /** Throws when the place is broken. */
  check(): void {
    if (this.#failure) throw placeFailed("use", "in memory", this.#failure);
  }

  async close(): Promise<void> {}

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

/** Everything it does is a method, so that a broken handler can replace one. */
export class MemoryHandler implements Handler {
  readonly place: MemoryPlace;
  readonly underWay: Set<Promise<unknown>> = new Set();
  #isClosed = false;

  constructor(place: MemoryPlace) {
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
      const stored = await this.load(id);
      return stored ? this.record<T>(id, stored) : {};
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

  checkTtl(ttl: number | undefined): void {
    if (ttl !== undefined && !(ttl >= 0)) throw badOption("ttl", ttl, "a number of seconds");
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
    return stored && !this.isExpired(stored) ? stored : undefined;
  }

  record<T>(id: string, stored: Stored): SessionRecord<T> {
    const { encoding: _, text: _text, ...rest } = stored;
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
    { ip, ttl, cookieName, oldId = id, mustExist }: WriteOptions,
    verb: "store" | "update",
    change: (
      record: SessionRecord<T> | EmptyRecord,
    ) => { data: T } | undefined | Promise<{ data: T } | undefined>,
  ): Promise<SessionRecord<T> | EmptyRecord> {
    this.checkTtl(ttl);
    return this.locked([id, oldId], async () => {
      const old = await this.load(oldId);
      if (mustExist && !old) throw gone(oldId);
      const record = old ? this.record<T>(oldId, old) : {};
      const changed = await change(record);
      if (changed === undefined) return old ? this.record<T>(oldId, old) : {};
      const pickled = this.pickle(changed.data);
      const now = this.now();
      const expires =
        ttl === undefined ? (this.keepsTtl[verb] ? old?.expires : undefined) : now + ttl * 1000;
      const name = cookieName ?? old?.cookieName;
      const stored: Stored = {
        ip: ip ?? old?.ip ?? "",
        time: old?.time ?? now,
        touched: now,
        ...(expires !== undefined && { expires }),
        ...(name !== undefined && { cookieName: name }),
        ...pickled,
      };
      await this.save(id, stored);
      if (oldId !== id) await this.delete(oldId);
      return this.record<T>(id, stored);
    });
  }

  async cleanOne(id: string, timeout: number, blocking: boolean): Promise<keyof CleanResult> {
    if (!blocking && this.place.isLocked(id)) return "skipped";
    return this.locked([id], async () => {
      const stored = await this.load(id);
      if (stored && !this.isOld(stored, timeout)) return "kept";
      await this.delete(id);
      return "removed";
    });
  }

  isOld(stored: Stored, timeout: number): boolean {
    return timeout === 0 || this.now() - stored.touched > timeout * 1000;
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
