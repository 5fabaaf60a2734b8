// Sessions on their way from one place to another, while the app goes on.
//
// A session lives in `to` if `to` has it, otherwise in `from`. Nothing is written into `from` any
// more but removals. Whoever is about to write brings the session over first:
//
//   1. Under its lock in `from`, what is there is copied to `to`, unless `to` has it.
//   2. Then it is removed from `from`.
//
// and from then on works on `to` alone. So whenever `to` says something that `from` does not, `from`
// has nothing; and what is in both is the same. From that follows the rest.
//
// - Two bring the same session. The lock in `from` puts them in a row. The second finds it in `to`
//   and leaves it alone; or it finds nothing in `from`, since the first has removed it. Either of them
//   works on `to` only after `from` has nothing, so no copy can be made over or after its work.
// - Somebody removes it meanwhile. He removes it from `from` first, which waits for the lock, and so
//   for the copy; then from `to`, the copy with it. Who comes for the lock after him finds nothing.
//   Were it the other way round, a copy could be made between the two, and a crash between them
//   would bring the older one of two back.
// - Somebody dies between 1 and 2. Then it is in both, and the same. Readers have the one in `to`; who
//   writes next, or removes it, removes the other one first.
// - It moves to another id. Both ids are brought over before, then it is a move in `to`. The old id is
//   nothing in `from` by then. A word that an earlier move has left in `from` is still heard where `to`
//   has nothing; one in `to` is as good as a session there: nothing is copied over it.
// - Somebody reads, without a lock: `to`, then `from`, then `to` once more. If neither of the first two
//   had it, it was in `to` before the second look, or there was none. What is found in `from` is the
//   latest there is: until it is removed from there nobody writes to the other one. Lists look at
//   `from` first, and see what leaves it meanwhile in `to`.
//
// What stays open:
//
// - A process that stands still for more than a minute in the midst of 1, until its lock in `from` is
//   taken over. It may then copy what another one has brought over, and has removed or moved since: it
//   hears of it, `ERR_SESSION_LOCK_LOST`, but the session is there again.
// - A process that writes to `from` by itself, since it is not on the migratingHandler yet. What it
//   changes may be removed with the session that was copied before. So every instance must be on it
//   before one of them writes: stop all, then start all.

import { assertTwoPlaces, copySession } from "./copy.ts";
import {
  type Change,
  type CleanOptions,
  type CleanResult,
  type EmptyRecord,
  type Handler,
  isRecord,
  type Moved,
  type RetrieveOptions,
  type SessionRecord,
  type WriteOptions,
} from "./handler.ts";
import { isAsyncFunction, settleAll } from "./promise.ts";
import { UnderWay } from "./under-way.ts";

export interface MigratingOptions {
  /** Where the sessions have been until now. It is only removed from. */
  from: Handler;
  /** Where they go, another place. */
  to: Handler;
  /**
   * What is said as `idleTimeout` of each session that is brought over, for a `to` where time does the
   * cleaning: the app's own `idleTimeout`, or `maxAge` if that is less. Default: nothing.
   */
  idleTimeout?: number;
}

/**
 * A handler that brings sessions from one place to another as they are used, and has all of both: an
 * app goes over to another place, and nobody is logged out. Those that nobody uses are brought by
 * `copySessions` with `remove`, beside it; once `from` has no sessions any more, `to` will do.
 *
 * Every instance of the app must be on it before one of them writes, and none may write to `from`
 * otherwise. Where `from` fails, so does this: whether it has the session nobody knows.
 *
 * A session is brought over when it is first written or touched, with all that is said of it, and ends
 * when it would have. What a move with `grace` has left stays in `from` and is heard there, so keep
 * this for as long as such a word counts: with option `adopt`, until the last cookie of h3's has ended.
 * `keys` remembers the ids of `from` while it lists. `clean` leaves out a place that is `selfCleaning`,
 * unless everything is to go. `close` closes both.
 *
 * Throws `ERR_SESSION_OPTION` when `from` and `to` are one handler.
 *
 * @example
 * const from = new FileHandler();
 * const to = new FileHandler({ fileDir: "/srv/sessions" });
 * configureFileSession({ handler: migratingHandler({ from, to }) });
 * await copySessions(from, to, { remove: true }); // when all instances are on it
 */
export function migratingHandler(options: MigratingOptions): Handler {
  return new MigratingHandler(options);
}

class MigratingHandler implements Handler {
  readonly selfCleaning = false;
  readonly #from: Handler;
  readonly #to: Handler;
  readonly #options: Pick<MigratingOptions, "idleTimeout">;
  readonly #underWay = new UnderWay();

  constructor({ from, to, ...options }: MigratingOptions) {
    assertTwoPlaces(from, to, options);
    this.#from = from;
    this.#to = to;
    this.#options = options;
  }

  store<T>(id: string, data: T, options: WriteOptions = {}): Promise<SessionRecord<T>> {
    return this.#underWay.run(async () => {
      await this.#bringAll(id, options);
      return this.#to.store(id, data, options);
    });
  }

  update<T = unknown>(
    id: string,
    change: Change<T>,
    options: WriteOptions = {},
  ): Promise<SessionRecord<T> | EmptyRecord> {
    return this.#underWay.run(async () => {
      const moved = await this.#bringAll(id, options);
      if (moved === undefined) return this.#to.update(id, change, options);
      const { lock = isAsyncFunction(change) } = options;
      const told = (record: SessionRecord<T> | EmptyRecord): SessionRecord<T> | EmptyRecord =>
        isKnown(record) ? record : { moved };
      return told(
        await this.#to.update<T>(id, (record) => change(told(record)), { ...options, lock }),
      );
    });
  }

  retrieve<T = unknown>(
    id: string,
    options?: RetrieveOptions,
  ): Promise<SessionRecord<T> | EmptyRecord> {
    return this.#underWay.run(async () => {
      const there = await this.#to.retrieve<T>(id, options);
      if (isKnown(there)) return there;
      const here = await this.#from.retrieve<T>(id, options);
      if (isRecord(here)) return here;
      // It may have been brought over between the two.
      const now = await this.#to.retrieve<T>(id, options);
      return isKnown(now) ? now : here;
    });
  }

  touch(id: string): Promise<boolean> {
    return this.#underWay.run(async () => {
      await this.#bring(id);
      return this.#to.touch(id);
    });
  }

  remove(id: string): Promise<boolean> {
    return this.#underWay.run(async () => {
      const wasHere = await this.#from.remove(id); // first, see above
      const wasThere = await this.#to.remove(id);
      return wasHere || wasThere;
    });
  }

  clean(timeout: number, options: CleanOptions = {}): Promise<CleanResult> {
    return this.#underWay.run(async () => {
      const { onProgress } = options;
      let sum: CleanResult = { removed: 0, kept: 0, skipped: 0 };
      for (const place of [this.#from, this.#to]) {
        if (place.selfCleaning && timeout > 0) continue;
        const before = sum;
        const told = onProgress && {
          onProgress: (counts: CleanResult) => onProgress(sumOf(before, counts)),
        };
        sum = sumOf(before, await place.clean(timeout, { ...options, ...told }));
      }
      return sum;
    });
  }

  async *keys(): AsyncGenerator<string, void, undefined> {
    const seen = new Set<string>();
    for await (const id of this.#from.keys()) {
      seen.add(id);
      yield id;
    }
    for await (const id of this.#to.keys()) if (!seen.has(id)) yield id;
  }

  tagged(tag: string): Promise<string[]> {
    return this.#underWay.run(async () => {
      const here = await this.#from.tagged(tag);
      const there = await this.#to.tagged(tag);
      return [...new Set([...here, ...there])];
    });
  }

  async close(): Promise<void> {
    this.#underWay.end();
    await this.#underWay.over();
    await settleAll([this.#from.close(), this.#to.close()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Has `to` have all that a write is about. Where the session that is to be changed has moved to. */
  async #bringAll(id: string, { oldId = id }: WriteOptions): Promise<Moved | undefined> {
    const moved = await this.#bring(oldId);
    if (oldId !== id) await this.#bring(id);
    return moved;
  }

  /** Has `to` have the session, if there is one, and `from` not. Where it has moved to by the word of `from`. */
  async #bring(id: string): Promise<Moved | undefined> {
    const here = await this.#from.retrieve(id, { blocking: false });
    if (!isRecord(here)) return here.moved;
    const outcome = await copySession(this.#from, this.#to, id, this.#options);
    if (outcome !== "gone") await this.#from.remove(id);
    return undefined;
  }
}

/** Whether it is a session, or says where one has gone. */
function isKnown(record: SessionRecord | EmptyRecord): boolean {
  return isRecord(record) || record.moved !== undefined;
}

function sumOf(a: CleanResult, b: CleanResult): CleanResult {
  return {
    removed: a.removed + b.removed,
    kept: a.kept + b.kept,
    skipped: a.skipped + b.skipped,
  };
}
