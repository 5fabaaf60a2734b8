// Session files that are read and written in other threads: whatever the disk does meanwhile, the
// event loop turns. Each of them runs the same code as this thread would (files.ts), and a session is always
// in the same one; to each other they are what processes are, kept apart by the locks.
//
// Why not Node's asynchronous calls: those share four threads with DNS, compression and the files
// that a server sends, so four calls that hang would hold all that up too; and the protocol would
// be written twice.
//
// What it costs: 60 µs for each call, and some 12 MB for each thread.

import type { CleanOptions, CleanResult, WriteOptions } from "../core/handler.ts";
import type { Pickled } from "../core/pickle.ts";
import { settleAll } from "../core/promise.ts";
import type { Files, Stored, TextChange } from "./files.ts";
import type { Found } from "./found.ts";
import { type Order, type PlainSession, sessionOf } from "./message.ts";
import type { Settings } from "./options.ts";
import { Thread } from "./worker.ts";

export class Threads implements Files {
  readonly #threads: readonly Thread[];
  #walks = 0;

  constructor(file: URL, settings: Settings, count: number) {
    this.#threads = Array.from({ length: count }, () => new Thread(file, settings));
  }

  async store(id: string, pickled: Pickled, options: WriteOptions): Promise<Stored> {
    const stored = await this.#of(id).call({
      method: "store",
      args: [id, pickled, plain(options)],
    });
    return stored as Stored;
  }

  async update(id: string, change: TextChange, options: WriteOptions): Promise<Stored | undefined> {
    const order: Order = { method: "update", args: [id, plain(options)] };
    const stored = await this.#of(id).call(order, { change });
    return stored as Stored | undefined;
  }

  async retrieve(id: string, blocking: boolean): Promise<Found | undefined> {
    const found = await this.#of(id).call({ method: "retrieve", args: [id, blocking] });
    return found === undefined ? undefined : sessionOf(found as PlainSession);
  }

  async touch(id: string): Promise<boolean> {
    return (await this.#of(id).call({ method: "touch", args: [id] })) as boolean;
  }

  async remove(id: string): Promise<boolean> {
    return (await this.#of(id).call({ method: "remove", args: [id] })) as boolean;
  }

  async clean(
    timeout: number,
    { blocking = false, signal, onProgress }: CleanOptions,
  ): Promise<CleanResult> {
    signal?.throwIfAborted();
    const order: Order = { method: "clean", args: [timeout, blocking] };
    return (await this.#of("").call(order, { signal, onProgress })) as CleanResult;
  }

  async *keys(): AsyncGenerator<string, void, undefined> {
    const thread = this.#of("");
    const walk = ++this.#walks;
    try {
      for (;;) {
        const ids = (await thread.call({ method: "keys", args: [walk] })) as string[];
        if (ids.length === 0) return;
        yield* ids;
      }
    } finally {
      await thread.call({ method: "endKeys", args: [walk] });
    }
  }

  async tagged(tag: string): Promise<string[]> {
    return (await this.#of(tag).call({ method: "tagged", args: [tag] })) as string[];
  }

  async acquireLock(id: string, blocking: boolean): Promise<boolean> {
    const thread = this.#of(id);
    const isHeld = await thread.call({ method: "acquireLock", args: [id, blocking] });
    if (isHeld === true) thread.held.add(id);
    return isHeld === true;
  }

  async releaseLock(id: string): Promise<void> {
    const thread = this.#of(id);
    if (!thread.held.delete(id)) return;
    await thread.call({ method: "releaseLock", args: [id] });
  }

  async close(): Promise<void> {
    const ids = this.#threads.flatMap(({ held }) => [...held]);
    await settleAll(ids.map((id) => this.releaseLock(id)));
  }

  /** Ends the threads, whatever they are at. */
  async end(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.end()));
  }

  #of(id: string): Thread {
    let hash = 0;
    for (const letter of id) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) >>> 0;
    const thread = this.#threads[hash % this.#threads.length];
    if (thread === undefined) throw new RangeError("there are no threads");
    return thread;
  }
}

const optionNames: string[] = Object.keys({
  ip: true,
  cookieName: true,
  ttl: true,
  lasting: true,
  tag: true,
  tagTime: true,
  time: true,
  touched: true,
  idleTimeout: true,
  oldId: true,
  grace: true,
  mustExist: true,
  lock: true,
} satisfies Record<keyof WriteOptions, true>);

/** The options, and nothing else that may be there and cannot be sent. */
function plain(options: WriteOptions): WriteOptions {
  const own = Object.entries(options).filter(([name]) => optionNames.includes(name));
  return Object.fromEntries(own);
}
