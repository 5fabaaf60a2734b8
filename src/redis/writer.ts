// How a session is changed: read, made anew, and written if nobody has written meanwhile.
//
// Whoever comes too late is told what is there now, and makes the change on that: one round trip more.
// One always gets through. Callers of one handler take turns, so only processes are in each other's way;
// and who has been too late a few times holds the session.

import { gone } from "../core/error.ts";
import type { EmptyRecord, SessionRecord, WriteOptions } from "../core/handler.ts";
import type { Pickled } from "../core/pickle.ts";
import { isPromise, type MaybePromise } from "../core/promise.ts";
import { lockLost } from "./error.ts";
import { type Lock, takeLock } from "./lock.ts";
import { isOnTheWay, move, settle, type Tokens } from "./move.ts";
import { pause, type Place, type Replaced } from "./place.ts";
import {
  type Found,
  foundIn,
  hasGone,
  type Head,
  isExpired,
  lifetimeOf,
  recordOf,
  type Stored,
} from "./record.ts";
import type { Tags } from "./tags.ts";

/** What a change has made, and its text. */
export interface Changed<T> {
  data: T;
  pickled: Pickled;
}

/** What is to be done with the session under `oldId`, or under `id`. */
export interface Write<T> {
  id: string;
  options: WriteOptions;
  /** Whether a `ttl` from before stays when none is given. */
  keepsTtl: boolean;
  change: (record: SessionRecord<T> | EmptyRecord) => MaybePromise<Changed<T> | undefined>;
}

/** So often somebody is too late before they hold the session. */
const maxConflicts = 4;

/** Writes, and gives the record as it is then. */
export async function writeSession<T>(
  place: Place,
  tags: Tags,
  write: Write<T>,
): Promise<SessionRecord<T> | EmptyRecord> {
  const attempt = new Attempt(place, tags, write);
  try {
    if (write.options.lock) await attempt.lock();
    for (;;) {
      const record = await attempt.run();
      if (record) return record;
    }
  } finally {
    await attempt.unlock();
  }
}

class Attempt<T> {
  readonly #place: Place;
  readonly #tags: Tags;
  readonly #write: Write<T>;
  readonly #from: string;
  readonly #locks = new Map<string, Lock>();
  /** What is under `#from`, as far as somebody has just said so. */
  #known: { found: Found | undefined } | undefined;
  #conflicts = 0;

  constructor(place: Place, tags: Tags, write: Write<T>) {
    this.#place = place;
    this.#tags = tags;
    this.#write = write;
    this.#from = write.options.oldId ?? write.id;
  }

  /** What it is about: one session, or both ends of a move. */
  get #ids(): string[] {
    const { id } = this.#write;
    return id === this.#from ? [id] : [this.#from, id];
  }

  /** In one order always: two who move in opposite directions do not wait for each other. */
  async lock(): Promise<void> {
    for (const id of this.#ids.sort()) {
      const { lock, text } = await takeLock(this.#place, id);
      this.#locks.set(id, lock);
      if (id === this.#from) this.#known = knownBy(text);
    }
  }

  /** What cannot be given back runs out by itself, and is not what the caller has asked for. */
  async unlock(): Promise<void> {
    await Promise.allSettled([...this.#locks.values()].map((lock) => lock.release()));
  }

  get #tokens(): Tokens {
    return new Map([...this.#locks].map(([id, { token }]) => [id, token]));
  }

  /** The record, or `undefined` when somebody else was faster. */
  async run(): Promise<SessionRecord<T> | EmptyRecord | undefined> {
    const { id, options, change } = this.#write;
    const from = this.#from;
    const [old, target] = await this.#both();
    const live = liveOf(old);
    if (options.mustExist && !live) throw gone(from);
    if (!live && from !== id && this.#locks.size === 0) {
      // Nobody is to begin one under the old id while one is begun under the new.
      await this.lock();
      return;
    }
    const record = seen<T>(from, old);
    const answer = change(record);
    const isLate = isPromise(answer);
    const changed = isLate ? await answer : answer;
    if (changed === undefined) return record;
    const head = headOf(options, live?.head, this.#write.keepsTtl, this.#place.newRev());
    const { tag } = head;
    if (tag !== undefined && (tag !== live?.head.tag || from !== id))
      await this.#tags.list(tag, id, head);
    const how = await this.#replace(old, target, {
      head,
      state: { is: "live" },
      ...changed.pickled,
    });
    if (how !== "done") return this.#again(how, isLate);
    // Of a move both ends: what has left an id must not be back there when a replica takes over.
    for (const end of this.#ids) await this.#place.replicate(end, `write session ${id}`);
    if (tag !== undefined) await this.#tags.renew(tag, id, head);
    return recordOf(id, head, changed.data);
  }

  /** What stands under the old id, and under the one that is written. */
  async #both(): Promise<[old: Found | undefined, target: Found | undefined]> {
    const [{ id }, from, known] = [this.#write, this.#from, this.#known];
    const finding = known ? known.found : this.#find(from);
    return Promise.all([finding, id === from ? finding : this.#find(id)]);
  }

  async #find(id: string): Promise<Found | undefined> {
    const isOurs = this.#locks.has(id);
    const found = await (isOurs ? this.#place.look(id) : this.#place.lookWhenFree(id));
    if (!isOnTheWay(found)) return found;
    await settle(this.#place, id, this.#tokens);
    return this.#find(id);
  }

  async #replace(
    old: Found | undefined,
    target: Found | undefined,
    stored: Stored,
  ): Promise<Replaced> {
    const { id: to, options } = this.#write;
    const { grace = 0 } = options;
    const from = this.#from;
    const live = liveOf(old);
    if (live && from !== to)
      return move(this.#place, {
        from,
        to,
        old: live,
        target,
        stored,
        grace,
        tokens: this.#tokens,
      });
    const lock = this.#locks.get(to);
    const how = await this.#place.replace(to, {
      expected: target?.head.rev,
      stored,
      token: lock?.token,
      releases: lock !== undefined,
    });
    if (how === "done") lock?.end();
    return how;
  }

  async #again(how: Exclude<Replaced, "done">, isLate: boolean): Promise<undefined> {
    if (how === "lost") throw lockLost(this.#write.id);
    const isSame = this.#from === this.#write.id;
    this.#known = typeof how === "object" && isSame ? knownBy(how.conflict) : undefined;
    if (how === "locked" || this.#locks.size > 0) return;
    this.#conflicts++;
    if (isLate || this.#conflicts >= maxConflicts) await this.lock();
    else if (this.#conflicts > 1) await pause(this.#conflicts);
  }
}

/** What `text` says, unless somebody has to look after it. */
function knownBy(text: string): { found: Found | undefined } | undefined {
  const found = text === "" ? undefined : foundIn(text);
  const isKnown = text === "" || (found !== undefined && !isOnTheWay(found));
  return isKnown ? { found } : undefined;
}

/** What stands there, if it is a session. */
export function liveOf<S extends Stored>(found: S | undefined): S | undefined {
  return found?.state.is === "live" && !isExpired(found.head, Date.now()) ? found : undefined;
}

/** What a caller gets to see of it. */
export function seen<T>(id: string, found: Found | undefined): SessionRecord<T> | EmptyRecord {
  const live = liveOf(found);
  // What a session holds is the caller's word: nothing here looks into it.
  if (live) return recordOf(id, live.head, live.data as T);
  const state = found?.state;
  if (!hasGone(state) || state.until === undefined) return {};
  return { moved: { to: state.to, until: state.until } };
}

/** The first line of what is written, as `storing` makes it in Redis. */
function headOf(
  options: WriteOptions,
  old: Head | undefined,
  keepsTtl: boolean,
  rev: string,
): Head {
  const { ip, cookieName, tag, tagTime, time, touched } = options;
  const now = Date.now();
  const { expires, idle, lasting } = lifetimeOf(options, now);
  const kept = keepsTtl && expires === undefined ? old : undefined;
  const isTagKept = tag === undefined;
  return {
    rev,
    touched: old ? now : (touched ?? now),
    time: old?.time ?? time ?? now,
    expires: kept ? kept.expires : expires,
    lasting: kept ? kept.lasting : lasting,
    idle: idle ?? old?.idle,
    ip: ip ?? old?.ip ?? "",
    cookieName: cookieName ?? old?.cookieName,
    tag: isTagKept ? old?.tag : (tag ?? undefined),
    tagTime: isTagKept ? old?.tagTime : tag === null ? undefined : (tagTime ?? now),
  };
}
