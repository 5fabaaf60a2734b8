import { operationOf, outcomeOf, traced } from "../core/diagnostics.ts";
import { gone } from "../core/error.ts";
import type {
  Change,
  CleanOptions,
  CleanResult,
  EmptyRecord,
  Handler,
  RetrieveOptions,
  SessionRecord,
  WriteOptions,
} from "../core/handler.ts";
import { type Pickled, pickle } from "../core/pickle.ts";
import { isAsyncFunction, isPromise, settleAll } from "../core/promise.ts";
import { beginTurn, endTurn, waitForTurn } from "../core/queue.ts";
import { seconds } from "../core/seconds.ts";
import { findTagged } from "../core/tagged.ts";
import { UnderWay } from "../core/under-way.ts";
import { checkTag, checkWriteOptions } from "../core/write-options.ts";
import type { Purpose } from "./connection.ts";
import { badId, lockTimeout } from "./error.ts";
import { isComing, resolved, settle } from "./move.ts";
import { handlerName, readOptions, type RedisHandlerOptions, type Settings } from "./options.ts";
import { Place } from "./place.ts";
import {
  absent,
  type Head,
  lifetimeOf,
  momentOf,
  parseHead,
  recordOf,
  type Stored,
  wordOf,
} from "./record.ts";
import { removing, type Script, storing, touching } from "./script.ts";
import { Tags } from "./tags.ts";
import { liveOf, seen, type Changed, type Write, writeSession } from "./writer.ts";

/**
 * Keeps each session in a string of its own in Redis, 7 or later, or Valkey: one server, Sentinels or a
 * Cluster. What a `FileHandler` promises holds, across machines: no update is lost, nothing that was
 * destroyed comes back, a move leaves one session.
 *
 * A change that is made at once is made on what was read, and written if nobody has written meanwhile;
 * otherwise it is made again on what they wrote. So it may be called more than once, and the last call
 * counts. An `async` one is called once, while the session is held. `lock` says otherwise.
 *
 * Sessions leave by themselves: with their `ttl`, or unused for their `idleTimeout`. `clean` is for
 * those that were stored with neither, and looks at each of them.
 *
 * The constructor throws `ERR_SESSION_OPTION`. What Redis does not do within `timeout` rejects with
 * `ERR_SESSION_DIR`; a write may have been done even so, and then the message says that this is not known.
 *
 * @example
 * configureFileSession({ handler: new RedisHandler({ url: "redis://10.0.0.5:6379" }) });
 */
export class RedisHandler implements Handler {
  /** Redis does the expiring. */
  readonly selfCleaning = true;
  readonly #settings: Settings;
  readonly #place: Place;
  readonly #tags: Tags;
  readonly #turns: string;
  readonly #underWay = new UnderWay();

  constructor(options: RedisHandlerOptions = {}) {
    this.#settings = readOptions(options);
    this.#place = new Place(this.#settings);
    this.#tags = new Tags(this.#place);
    this.#turns = `redis ${++handlers} `;
  }

  store<T>(id: string, data: T, options: WriteOptions = {}): Promise<SessionRecord<T>> {
    return traced(
      "store",
      () => operationOf(handlerName, id, options),
      () => this.#underWay.run(() => this.#store(id, data, options)),
    );
  }

  async #store<T>(id: string, data: T, options: WriteOptions): Promise<SessionRecord<T>> {
    checkIds(id, options);
    const pickled = pickle(data, this.#settings.maxBytes);
    checkWriteOptions(options);
    const { oldId = id } = options;
    if (oldId === id) return recordOf(id, await this.#overwrite(id, pickled, options), data);
    // It moves: what is kept stands under the old id.
    const change = (): Changed<T> => ({ data, pickled });
    const written = await this.#write<T>({ id, options, keepsTtl: false, change });
    return written as SessionRecord<T>; // something was written
  }

  /** One round trip: Redis itself keeps what is to be kept. */
  async #overwrite(id: string, pickled: Pickled, options: WriteOptions): Promise<Head> {
    const { tag } = options;
    const now = Date.now();
    if (typeof tag === "string") await this.#tags.list(tag, id, lifetimeOf(options, now));
    const args = storingArgs(options, pickled, this.#place.newRev(), now);
    const purpose = { action: `store session ${id}`, writes: true };
    const [how, line = ""] = await this.#run(id, storing, args, purpose);
    if (how === "gone") throw gone(id);
    const head = parseHead(line);
    await this.#place.replicate(id, purpose.action);
    if (head.tag !== undefined) await this.#tags.renew(head.tag, id, head);
    return head;
  }

  update<T = unknown>(
    id: string,
    change: Change<T>,
    options: WriteOptions = {},
  ): Promise<SessionRecord<T> | EmptyRecord> {
    return traced(
      "update",
      () => operationOf(handlerName, id, options),
      () => this.#underWay.run(() => this.#update(id, change, options)),
      outcomeOf,
    );
  }

  async #update<T>(
    id: string,
    change: Change<T>,
    options: WriteOptions,
  ): Promise<SessionRecord<T> | EmptyRecord> {
    checkIds(id, options);
    checkWriteOptions(options);
    const { lock = isAsyncFunction(change) } = options;
    const taken = (data: T | undefined): Changed<T> | undefined =>
      data === undefined ? undefined : { data, pickled: pickle(data, this.#settings.maxBytes) };
    return this.#write<T>({
      id,
      options: { ...options, lock },
      keepsTtl: true,
      change(record) {
        const data = change(record);
        return isPromise(data) ? data.then(taken) : taken(data);
      },
    });
  }

  async #write<T>(write: Write<T>): Promise<SessionRecord<T> | EmptyRecord> {
    const { id, options } = write;
    const turn = this.#turns + (options.oldId ?? id);
    const { lockTimeoutMs } = this.#settings;
    if (!beginTurn(turn))
      await traced(
        "lock.wait",
        () => ({ handler: handlerName, id, at: "queue" }),
        () => waitForTurn(turn, lockTimeoutMs, () => lockTimeout(id, lockTimeoutMs / 1000)),
      );
    try {
      return await writeSession(this.#place, this.#tags, write);
    } finally {
      endTurn(turn);
    }
  }

  retrieve<T = unknown>(
    id: string,
    options: RetrieveOptions = {},
  ): Promise<SessionRecord<T> | EmptyRecord> {
    return traced(
      "retrieve",
      () => operationOf(handlerName, id),
      () => this.#underWay.run(() => this.#retrieve<T>(id, options)),
      outcomeOf,
    );
  }

  async #retrieve<T>(
    id: string,
    { blocking = true }: RetrieveOptions,
  ): Promise<SessionRecord<T> | EmptyRecord> {
    checkId(id);
    const found = await (blocking ? this.#place.lookWhenFree(id) : this.#place.look(id));
    return seen<T>(id, isComing(found) ? await resolved(this.#place, id, found) : found);
  }

  async touch(id: string): Promise<boolean> {
    return this.#underWay.run(async () => {
      checkId(id);
      const purpose = { action: `touch session ${id}`, writes: false }; // twice is as good as once
      const [how, line = ""] = await this.#run(id, touching, [momentOf(Date.now())], purpose);
      if (how !== "ok") return false;
      const head = parseHead(line);
      if (head.tag !== undefined) await this.#tags.renew(head.tag, id, head);
      return true;
    });
  }

  async remove(id: string): Promise<boolean> {
    return this.#underWay.run(async () => {
      checkId(id);
      const purpose = { action: `remove session ${id}`, writes: true };
      const [how] = await this.#run(id, removing, [String(Date.now()), ""], purpose);
      await this.#place.replicate(id, purpose.action);
      return how === "ok";
    });
  }

  clean(timeout: number, options: CleanOptions = {}): Promise<CleanResult> {
    return traced(
      "clean",
      () => ({ handler: handlerName, timeout }),
      () => this.#underWay.run(() => this.#clean(timeout, options)),
      (counts) => counts,
    );
  }

  async #clean(
    timeout: number,
    { blocking = false, signal, onProgress }: CleanOptions,
  ): Promise<CleanResult> {
    const counts = { removed: 0, kept: 0, skipped: 0 };
    const args = [String(Date.now()), String(seconds("timeout", timeout))];
    for await (const ids of this.#batches("clean sessions")) {
      signal?.throwIfAborted();
      await settleAll(
        ids.map(async (id) => {
          // Asked again, it is gone as well.
          const purpose = { action: `clean session ${id}`, writes: false };
          const [how] = await this.#run(id, removing, args, purpose, blocking);
          const count = countOf[how ?? ""];
          if (count) counts[count]++;
        }),
      );
      onProgress?.(counts);
    }
    signal?.throwIfAborted();
    await this.#cleanTags(signal);
    return counts;
  }

  /** A list names no session for long that is none any more. */
  async #cleanTags(signal: AbortSignal | undefined): Promise<void> {
    for await (const entry of this.#tags.old()) {
      signal?.throwIfAborted();
      if ((await this.#live(entry.id))?.head.tag !== entry.tag) await this.#tags.unlist(entry);
    }
  }

  async *keys(): AsyncGenerator<string, void, undefined> {
    this.#underWay.assertOpen();
    for await (const ids of this.#batches("list sessions")) {
      const sessions = await Promise.all(ids.map((id) => this.#live(id)));
      yield* ids.filter((_, index) => sessions[index]);
    }
  }

  async tagged(tag: string): Promise<string[]> {
    return this.#underWay.run(async () => {
      checkTag(tag);
      return findTagged(
        () => this.#tags.idsOf(tag),
        (ids) => this.#withTag(tag, ids),
      );
    });
  }

  /** Which of them have the tag. */
  async #withTag(tag: string, ids: string[]): Promise<string[]> {
    const found: string[] = [];
    for (const batch of batchesOf(ids)) {
      const sessions = await Promise.all(batch.map((id) => this.#live(id)));
      found.push(...batch.filter((_, index) => sessions[index]?.head.tag === tag));
    }
    return found;
  }

  async close(): Promise<void> {
    this.#underWay.end();
    await this.#underWay.over();
    this.#place.connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Bytes that the session takes, without the key; `undefined` when there is none. */
  async _bytes(id: string): Promise<number | undefined> {
    return this.#underWay.run(async () => {
      const key = this.#place.keys.session(id);
      const purpose = { action: `find out the size of session ${id}`, writes: false };
      return Number(await this.#place.connection.ask(key, ["STRLEN", key], purpose)) || undefined;
    });
  }

  /** Ids of sessions, some at a time. */
  async *#batches(action: string): AsyncGenerator<string[], void, undefined> {
    const { connection, keys } = this.#place;
    for await (const names of connection.scan(keys.sessions, action)) {
      const ids = names.map((name) => keys.idOf(name)).filter((id) => id !== undefined);
      yield* batchesOf(ids);
    }
  }

  /** The session, without its data. */
  async #live(id: string): Promise<Stored | undefined> {
    const stored = await this.#place.glance(id);
    if (stored?.state.is !== "coming") return liveOf(stored);
    return liveOf(await resolved(this.#place, id, await this.#place.look(id)));
  }

  /** What a script says of a session that nobody holds, and that is not on its way. */
  async #run(
    id: string,
    script: Script,
    args: string[],
    purpose: Purpose,
    waits = true,
  ): Promise<string[]> {
    const place = this.#place;
    const answer = waits
      ? await place.whenFree(id, async () => {
          const answer = await place.run(id, script, args, purpose);
          return answer[0] === "locked" ? undefined : answer;
        })
      : await place.run(id, script, args, purpose);
    if (answer[0] !== "moving") return answer;
    await settle(place, id);
    return this.#run(id, script, args, purpose, waits);
  }
}

let handlers = 0;

const countOf: Record<string, keyof CleanResult> = {
  ok: "removed",
  kept: "kept",
  locked: "skipped",
};

// So many questions are under way at once.
const batchSize = 100;

function* batchesOf(ids: string[]): Generator<string[], void, undefined> {
  for (let start = 0; start < ids.length; start += batchSize)
    yield ids.slice(start, start + batchSize);
}

function checkIds(id: string, { oldId }: WriteOptions): void {
  checkId(id);
  if (oldId !== undefined && oldId !== null) checkId(oldId);
}

function checkId(id: unknown): void {
  if (typeof id !== "string" || id === "") throw badId(id, "an id is a text, and not empty");
  if (id.length > maxIdLength) throw badId(id, `it has more than ${maxIdLength} characters`);
}

// Far more than anybody needs, and little beside the data.
const maxIdLength = 4096;

/** What `storing` is told. */
function storingArgs(
  options: WriteOptions,
  { encoding, text }: Pickled,
  rev: string,
  now: number,
): string[] {
  const { mustExist, ip, cookieName, tag, time, touched, tagTime } = options;
  const { expires = absent, idle = absent, lasting } = lifetimeOf(options, now);
  return [
    momentOf(now),
    rev,
    mustExist ? "1" : "0",
    String(expires),
    lasting ? "1" : "0",
    String(idle),
    wordOf(ip),
    wordOf(cookieName),
    tag === null ? "!" : wordOf(tag),
    String(time ?? absent),
    touched === undefined ? absent : momentOf(touched),
    String(tagTime ?? absent),
    encoding,
    text,
  ];
}
