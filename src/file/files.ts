// The session files of one directory, read and written in this thread: every transaction from its
// lock to its release. What a session holds is text here; `handler.ts` pickles it.

import { setTimeout as sleep } from "node:timers/promises";
import { emit, traced } from "../core/diagnostics.ts";
import { errno, gone, lockTimeout, placeFailed } from "../core/error.ts";
import type { CleanOptions, CleanResult, WriteOptions } from "../core/handler.ts";
import type { Pickled } from "../core/pickle.ts";
import { isPromise, type MaybePromise, settleAll } from "../core/promise.ts";
import { findTagged } from "../core/tagged.ts";
import { warn } from "../core/warning.ts";
import { ReadCache } from "./cache.ts";
import { cleanDirectory, type IsDue } from "./clean.ts";
import { assertSameDirectory, openDirectory } from "./directory.ts";
import { type Apply, beginGroup, endGroup, groupAt, type Group, type Written } from "./group.ts";
import { assertPrefix } from "./letter-case.ts";
import {
  refreshLock,
  releaseLock,
  releaseUnheard,
  statLock,
  type Lock,
  tryLock,
  unlinkIfThere,
} from "./lock.ts";
import { finishMove, isTrace, leftOfMove, move, traceIn } from "./move.ts";
import { networkDiskAt } from "./network-disk.ts";
import { lockFile, Names } from "./names.ts";
import { type Durability, handlerName, type Settings } from "./options.ts";
import { beginTurn, endTurn, isOthersTurn, waitForTurn } from "../core/queue.ts";
import type { Meta } from "./record.ts";
import { LockedFile } from "./session-file.ts";
import type { Found, Snapshot } from "./found.ts";
import { readSession, touchSession } from "./snapshot.ts";
import { keyOf, type TagEntry, Tags, trust } from "./tags.ts";
import { waitForLock, type WaitOptions, waitUntilFree } from "./wait.ts";
import { sessionsIn } from "./walk.ts";

/** What a change makes of a session, of what a moved one has left, or of none. Nothing is written when it gives `undefined`. */
export type TextChange = (found: Found | undefined) => MaybePromise<Pickled | undefined>;

/** A session as it has been stored, without what it holds. */
export interface Stored {
  meta: Meta;
  touched: number;
}

/** What can be done with session files: as in `Handler`, with text in the place of data. */
export interface Files {
  store: (id: string, pickled: Pickled, options: WriteOptions) => Promise<Stored>;
  /** `undefined` when nothing was written. */
  update: (id: string, change: TextChange, options: WriteOptions) => Promise<Stored | undefined>;
  /** Also what a moved session has left, see `isTrace`. */
  retrieve: (id: string, blocking: boolean) => Promise<Found | undefined>;
  touch: (id: string) => Promise<boolean>;
  remove: (id: string) => Promise<boolean>;
  /** `timeout` in seconds. */
  clean: (timeout: number, options: CleanOptions) => Promise<CleanResult>;
  keys: () => AsyncGenerator<string, void, undefined>;
  tagged: (tag: string) => Promise<string[]>;
  acquireLock: (id: string, blocking: boolean) => Promise<boolean>;
  releaseLock: (id: string) => Promise<void>;
  /** Gives back the locks that are held. */
  close: () => Promise<void>;
}

// A holder that is alive shows it four times before anybody may think otherwise.
const signsOfLifePerLimit = 4;

// Who waits for a lock in another process looks every 0.75 to 1.25 ms at first, see wait.ts.
const twoLooksMs = 2.5;

/**
 * How often a reader without a lock looks again at a record that seems damaged, a millisecond
 * apart.
 */
const secondLooks = 10;

export class FilesHere implements Files {
  /** The directory, all links resolved. */
  readonly fileDir: string;
  readonly names: Names;
  /** Whether the directory is on another machine, as far as can be told. */
  readonly isRemote: boolean;
  readonly #cache: ReadCache | undefined;
  readonly #tags: Tags;
  readonly #durability: Durability;
  readonly #lockTimeout: number;
  readonly #staleMs: number;
  readonly #held = new Map<string, HeldLock>();

  /** Throws `ERR_SESSION_DIR` when `fileDir` cannot be used. */
  constructor({ fileDir, filePrefix, lockTimeout, durability, cacheBytes, staleAfter }: Settings) {
    this.#lockTimeout = lockTimeout;
    this.#staleMs = 1000 * staleAfter;
    this.#durability = durability;
    this.fileDir = openDirectory(fileDir);
    this.isRemote = networkDiskAt(this.fileDir) !== undefined;
    this.#cache = cacheBytes > 0 && !this.isRemote ? new ReadCache(cacheBytes) : undefined;
    assertPrefix(this.fileDir, filePrefix);
    this.names = new Names(this.fileDir, filePrefix);
    this.#tags = new Tags(this.names);
  }

  async store(id: string, pickled: Pickled, options: WriteOptions): Promise<Stored> {
    const stored = await this.#transact(id, options, false, () => pickled);
    return stored as Stored; // only a change that gives `undefined` leaves nothing
  }

  update(id: string, change: TextChange, options: WriteOptions): Promise<Stored | undefined> {
    return this.#transact(id, options, true, change);
  }

  async retrieve(id: string, blocking: boolean): Promise<Found | undefined> {
    try {
      const file = this.names.file(id);
      if (blocking) await this.#untilFree({ id, file });
      const found = this.#known(await this.#read(id, file, blocking));
      // A miss has been made sure of already.
      if (found) assertSameDirectory(this.fileDir);
      return found;
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** What is known of a session that has not been changed since it was read, and is not locked. */
  known(id: string, blocking: boolean): Found | undefined {
    if (this.#cache === undefined) return undefined;
    try {
      const file = this.names.file(id);
      if (blocking && statLock(file) !== undefined) return undefined;
      return this.#live(this.#cache.get(file));
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** The same error, or one that says what stands where the directory was. */
  #explain(error: unknown): unknown {
    const isNoDirectory = error instanceof Error && errno(error.cause) === "ENOTDIR";
    if (isNoDirectory) assertSameDirectory(this.fileDir);
    return error;
  }

  async touch(id: string): Promise<boolean> {
    assertSameDirectory(this.fileDir);
    const file = this.names.file(id);
    const isLive = (found: Snapshot): boolean => this.#live(found) !== undefined;
    const touched = touchSession(file, id, Date.now(), isLive);
    if (typeof touched === "boolean") return touched;
    if (touched === "damaged") await this.#read(id, file, false);
    else await this.#withFiles([this.#place(id)], true, () => undefined); // parts it from its other name
    return touchSession(file, id, Date.now(), isLive) === true;
  }

  async remove(id: string): Promise<boolean> {
    assertSameDirectory(this.fileDir);
    const place = this.#place(id);
    endGroup(place.file);
    const removed = await this.#whenMoved([place], ([session]) => this.#end(session));
    return removed === true;
  }

  async clean(timeout: number, options: CleanOptions): Promise<CleanResult> {
    const timeoutMs = 1000 * timeout;
    const { blocking = false } = options;
    const isDue: IsDue = (touched, { expires, lasting = false }) =>
      timeoutMs === 0 || (!lasting && Date.now() - touched > timeoutMs) || isPast(expires);
    assertSameDirectory(this.fileDir);
    return cleanDirectory(
      this.names,
      this.#tags,
      {
        isDue,
        staleMs: this.#staleMs,
        remove: (id, file) => this.#removeIfDue({ id, file }, isDue, blocking),
        unlock: async (id, file) => {
          await this.#withFiles([{ id, file }], false, () => undefined);
        },
        checkTag: (entry) => this.#checkTag(entry),
      },
      options,
    );
  }

  async *keys(): AsyncGenerator<string, void, undefined> {
    assertSameDirectory(this.fileDir);
    for await (const { id, file } of sessionsIn(this.names))
      if (this.#live(readSession(file, id))) yield id;
  }

  async tagged(tag: string): Promise<string[]> {
    assertSameDirectory(this.fileDir);
    const hasTag = (id: string): boolean => {
      const found = this.#live(readSession(this.names.file(id), id, this.#cache));
      return found?.current.meta.tag === tag;
    };
    return findTagged(
      () => this.#tags.idsOf(tag),
      (ids) => ids.filter(hasTag),
    );
  }

  async acquireLock(id: string, blocking: boolean): Promise<boolean> {
    assertSameDirectory(this.fileDir);
    const place = this.#place(id);
    const { file } = place;
    const deadline = this.#deadline();
    endGroup(file);
    const isFirst = beginTurn(file);
    if (!isFirst) {
      if (!blocking) return false;
      await this.#turn(place, deadline);
    }
    let lock: Lock | undefined;
    try {
      if (!isFirst) assertSameDirectory(this.fileDir);
      lock = tryLock(file) ?? (await this.#lock(place, blocking, deadline));
    } finally {
      if (lock === undefined) endTurn(file);
    }
    if (lock === undefined) return false;
    this.#held.set(id, { lock, heartbeat: this.#heartbeat(() => refreshLock(lock)) });
    return true;
  }

  async releaseLock(id: string): Promise<void> {
    const held = this.#held.get(id);
    if (!held) return;
    this.#held.delete(id);
    clearInterval(held.heartbeat);
    try {
      releaseLock(held.lock);
    } catch (error) {
      throw placeFailed("unlock", held.lock.file, error);
    } finally {
      endTurn(held.lock.file);
    }
  }

  async close(): Promise<void> {
    await settleAll([...this.#held.keys()].map((id) => this.releaseLock(id)));
  }

  /** `store` and `update`: under one lock, or two when the session moves. */
  #transact(
    id: string,
    options: WriteOptions,
    isUpdate: boolean,
    change: TextChange,
  ): Promise<Written | undefined> {
    const { oldId = id, mustExist = false } = options;
    const place = this.#place(id);
    const oldPlace = this.#place(oldId);

    const apply: Apply = (known, replaced) => {
      const before = known && isTrace(known) ? undefined : known;
      if (before === undefined && mustExist) throw gone(oldId);
      // What a move onto an existing session replaces keeps nothing but its place.
      const base = (before ?? replaced)?.current.meta;
      const finish = (pickled: Pickled | undefined): Written | undefined => {
        if (pickled === undefined) return undefined;
        const now = Date.now();
        const touched = base === undefined ? (options.touched ?? now) : now;
        return { meta: metaOf(id, options, base, now, isUpdate), pickled, touched };
      };
      const pickled = change(known);
      return isPromise(pickled) ? pickled.then(finish) : finish(pickled);
    };

    return place.file === oldPlace.file
      ? this.#changeInGroup(place, isUpdate, apply)
      : this.#changeAndMove(oldPlace, place, options.grace, isUpdate, apply);
  }

  /** Changes one session, together with all who want to at this moment. */
  async #changeInGroup(
    place: Place,
    isUpdate: boolean,
    apply: Apply,
  ): Promise<Written | undefined> {
    const deadline = this.#deadline();
    for (;;) {
      const known = groupAt(place.file, this.#durability);
      const group = known ?? beginGroup(place.file, this.#durability);
      const told = group.join(apply, isUpdate);
      // It never rejects: what goes wrong is told to those who wait, one of them us.
      if (!known) void this.#lead(group, place, deadline);
      const outcome = await told;
      if (outcome === "again") continue;
      if ("error" in outcome) throw outcome.error;
      return outcome.written;
    }
  }

  async #lead(group: Group, place: Place, deadline: number): Promise<void> {
    const commit = ([session]: readonly [LockedFile]): MaybePromise<void> => {
      endGroup(place.file, group);
      if (group.reads) session.examine(); // what is replaced unseen need not be readable
      const done = group.commit(session, this.#known(session.found));
      return isPromise(done) ? this.#keepFresh([session], done) : done;
    };
    try {
      await this.#whenMoved([place], commit, { deadline, gathers: true });
      group.settle();
    } catch (error) {
      endGroup(place.file, group);
      group.settle({ error });
    }
  }

  async #changeAndMove(
    oldPlace: Place,
    place: Place,
    grace: number | undefined,
    isUpdate: boolean,
    apply: Apply,
  ): Promise<Written | undefined> {
    assertSameDirectory(this.fileDir);
    for (const { file } of [oldPlace, place]) endGroup(file);
    return this.#whenMoved([oldPlace, place], ([from, to]) => {
      if (isUpdate) from.examine();
      const isThere = this.#live(from.found) !== undefined;
      const put = (written: Written | undefined): Written | undefined => {
        if (written === undefined) return undefined;
        const { meta, pickled, touched } = written;
        const until = grace ? touched + 1000 * grace : undefined;
        if (isThere) move(oldPlace.id, from, to, meta, pickled, touched, until);
        else to.write(meta, pickled, touched);
        return written;
      };
      const written = apply(this.#known(from.found), this.#live(to.found));
      if (!isPromise(written)) return put(written);
      const late = written.then((known) => {
        for (const file of [from, to]) file.confirm(); // it may have taken minutes
        return put(known);
      });
      return this.#keepFresh([from, to], late);
    });
  }

  /**
   * Runs `action` on these sessions' files under their locks, when what somebody has left of a move
   * there has been brought to its end: what one of its two records says of the other is not to be
   * written over.
   */
  async #whenMoved<T, const P extends readonly Place[]>(
    places: P,
    action: (files: { [K in keyof P]: LockedFile }) => MaybePromise<T>,
    how: Taking = {},
  ): Promise<T | undefined> {
    const finished = new Set<string>();
    for (;;) {
      let left: [oldId: string, id: string] | undefined;
      const done = await this.#withFiles<T | undefined, P>(
        places,
        true,
        (files) => {
          left = files.map(({ found }) => leftOfMove(found)).find((move) => move !== undefined);
          return left && !finished.has(left.join()) ? undefined : action(files);
        },
        how,
      );
      if (left === undefined || finished.has(left.join())) return done;
      finished.add(left.join());
      await this.#finishMove(...left, true);
    }
  }

  /**
   * Runs `action` on these sessions' files, open under their locks, taken in one fixed order
   * whatever the order of `places`: so no two callers wait for each other. `undefined` when we do
   * not wait and one of them is busy.
   */
  async #withFiles<T, const P extends readonly Place[]>(
    places: P,
    blocking: boolean,
    action: (files: { [K in keyof P]: LockedFile }) => MaybePromise<T>,
    { deadline = this.#deadline(), gathers = false }: Taking = {},
  ): Promise<T | undefined> {
    const open: LockedFile[] = [];
    const turns: string[] = [];
    try {
      for (const place of inLockOrder(places)) {
        const { id, file } = place;
        const isFirst = beginTurn(file);
        if (!isFirst) {
          if (!blocking) return undefined;
          await this.#keepFresh(open, this.#turn(place, deadline));
        }
        turns.push(file);
        if (!isFirst && isOthersTurn(file)) await sleep(twoLooksMs);
        if (isFirst && gathers) await undefined;
        if (!isFirst || gathers) assertSameDirectory(this.fileDir); // it may have taken minutes
        const lock =
          tryLock(file) ?? (await this.#keepFresh(open, this.#lock(place, blocking, deadline)));
        if (lock === undefined) return undefined;
        open.push(new LockedFile(lock, id, this.#durability, this.#tags));
      }
      const files = places.map(({ file }) => open.find((one) => one.file === file));
      const done = action(files as { [K in keyof P]: LockedFile });
      const result = isPromise(done) ? await done : done;
      for (const file of open) file.close();
      return result;
    } finally {
      for (const file of open) file.abandon(); // what has been closed stays so
      for (const file of turns) endTurn(file);
    }
  }

  #place(id: string): Place {
    return { id, file: this.names.file(id) };
  }

  async #untilFree(place: Place): Promise<void> {
    const { file } = place;
    const deadline = this.#deadline();
    const isFirst = beginTurn(file);
    if (!isFirst) await this.#turn(place, deadline);
    try {
      const isLocked = statLock(file) !== undefined;
      const how = this.#wait(true, deadline);
      if (isLocked) await waited(place, "lock", () => waitUntilFree(file, how));
      if (isLocked || !isFirst) assertSameDirectory(this.fileDir);
    } finally {
      endTurn(file);
    }
  }

  /**
   * What is found, if it is a session: neither damaged, nor ended, nor past its `ttl`, nor still on
   * its way here.
   */
  #live(found: Snapshot | "damaged" | undefined): Snapshot | undefined {
    if (found === undefined || found === "damaged") return undefined;
    const { id, gone, expires, pending } = found.current.meta;
    if (gone !== undefined || isPast(expires)) return undefined;
    if (pending === undefined || this.#hasArrived(pending)) return found;
    // Or its mover has tidied up between our two looks: then the record is pending no more.
    const now = readSession(this.names.file(id), id);
    const isSame = typeof now === "object" && now.current.meta.pending?.token === pending.token;
    return this.#live(isSame ? found.before : now);
  }

  /** The session, or where it has gone. */
  #known(found: Snapshot | "damaged" | undefined): Snapshot | undefined {
    return this.#live(found) ?? (typeof found === "object" && isTrace(found) ? found : undefined);
  }

  #hasArrived({ from, token }: NonNullable<Meta["pending"]>): boolean {
    return traceIn(readSession(this.names.file(from), from)) === token;
  }

  /** Ends what is in the file, a session or what is left of one. Whether it was a session. */
  #end(session: LockedFile): boolean {
    const { found } = session;
    if (found === "damaged") session.setAside();
    if (found === undefined || found === "damaged") return false;
    if (found.current.meta.to !== undefined) return false; // `clean` sees to both ends of a move
    const wasLive = this.#live(found) !== undefined;
    if (session.bury()) session.unlink();
    return wasLive;
  }

  async #removeIfDue(
    place: Place,
    isDue: IsDue,
    blocking: boolean,
  ): Promise<"removed" | "kept" | "busy"> {
    let left: [oldId: string, id: string] | undefined;
    const outcome = await this.#withFiles([place], blocking, ([session]) => {
      left = leftOfMove(session.found);
      return left ? "half moved" : this.#endIfDue(session, isDue);
    });
    if (outcome !== "half moved") return outcome ?? "busy";
    if (left === undefined || !(await this.#finishMove(...left, blocking))) return "busy";
    const ended = await this.#withFiles([place], blocking, ([session]) =>
      this.#endIfDue(session, isDue),
    );
    return ended ?? "busy";
  }

  #endIfDue(session: LockedFile, isDue: IsDue): "removed" | "kept" {
    const { found } = session;
    const isGone = typeof found !== "object" || found.current.meta.gone !== undefined;
    if (typeof found === "object" && (!isGone || isTrace(found))) {
      const { pending } = found.current.meta;
      if (pending || !isDue(found.touched, found.current.meta)) return "kept"; // changed since we looked
      if (isGone) session.unlink();
    }
    this.#end(session);
    return isGone ? "kept" : "removed";
  }

  /** Removes an entry of the index that is wrong; notes of one that is right that it is. */
  async #checkTag({ id, path, key }: TagEntry): Promise<void> {
    // Without a lock at first, which takes a tenth of the time: almost all of them are right. Should
    // the tag change just then, and whoever changes it die, an entry too many is trusted.
    const place = this.#place(id);
    if (hasTag(readSession(place.file, id), key)) return trust(path);
    let left: [oldId: string, id: string] | undefined;
    await this.#withFiles([place], false, ([{ found }]) => {
      // What is pending may be taken back, and then has another tag.
      if (isPending(found)) left = leftOfMove(found);
      else if (hasTag(found, key)) trust(path);
      else unlinkIfThere(path);
    });
    if (left) await this.#finishMove(...left, false); // the next `clean` looks again
  }

  /** Ends a move that somebody has begun and did not live to finish. Whether it had the locks. */
  async #finishMove(oldId: string, id: string, blocking: boolean): Promise<boolean> {
    const places = [this.#place(oldId), this.#place(id)] as const;
    const finished = await this.#withFiles(places, blocking, ([from, to]) => {
      finishMove(oldId, from, id, to);
      return true;
    });
    return finished === true;
  }

  /**
   * Reads without a lock. What seems damaged is looked at again, and under the lock before it is
   * believed.
   */
  async #read(id: string, file: string, blocking: boolean): Promise<Snapshot | undefined> {
    for (let look = 0; ; look++) {
      const found = readSession(file, id, this.#cache);
      if (found !== "damaged") return found;
      // Both slots were being written while we read: two writers in the time of one read. Or it is
      // damage.
      const isLast = look === secondLooks;
      const place = { id, file };
      const known = await this.#withFiles([place], blocking && isLast, ([session]) => {
        session.examine();
        if (session.found === "damaged") session.setAside();
        return { found: session.found === "damaged" ? undefined : session.found };
      });
      if (known) return known.found;
      if (isLast) throw lockTimeout(lockFile(file), secondLooks / 1000);
      await sleep(1);
    }
  }

  async #lock({ id, file }: Place, blocking: boolean, deadline: number): Promise<Lock | undefined> {
    let lock: Lock | undefined;
    try {
      const take = (): Promise<Lock | undefined> =>
        waitForLock(file, this.#wait(blocking, deadline));
      lock = await (blocking ? waited({ id, file }, "lock", take) : take());
      if (lock?.isTaken)
        emit("stale-lock", () => ({ handler: handlerName, id, file: lockFile(file) }));
      assertSameDirectory(this.fileDir);
      return lock;
    } catch (error) {
      if (lock) releaseUnheard(lock);
      throw placeFailed("lock", file, error);
    }
  }

  #turn(place: Place, deadline: number): Promise<void> {
    const { file } = place;
    const late = (): Error => lockTimeout(lockFile(file), this.#lockTimeout);
    return waited(place, "queue", () => waitForTurn(file, deadline - performance.now(), late));
  }

  #wait(blocking: boolean, deadline: number): WaitOptions {
    return { blocking, deadline, lockTimeout: this.#lockTimeout, staleMs: this.#staleMs };
  }

  #deadline(): number {
    return performance.now() + 1000 * this.#lockTimeout;
  }

  /** What `promise` gives, with these locks kept fresh meanwhile. */
  async #keepFresh<T>(files: Iterable<LockedFile>, promise: Promise<T>): Promise<T> {
    const heartbeat = this.#heartbeat(() => {
      for (const file of files) file.refresh();
    });
    try {
      return await promise;
    } finally {
      clearInterval(heartbeat);
    }
  }

  #heartbeat(beat: () => void): NodeJS.Timeout {
    let isWarned = false;
    const timer = setInterval(() => {
      try {
        beat();
      } catch (error) {
        // Nobody waits for this; whoever holds the lock finds out whether it is still theirs when
        // they write. The next beat may do.
        if (isWarned) return;
        isWarned = true;
        warn(`Cannot keep a session lock fresh: ${String(error)}`, "FILESESSION_HEARTBEAT");
      }
    }, this.#staleMs / signsOfLifePerLimit);
    return timer.unref();
  }
}

interface Place {
  id: string;
  file: string;
}

/** How locks are taken. */
interface Taking {
  /** The moment to give up, in milliseconds of `performance.now()`. */
  deadline?: number;
  /** Whether others who are called at the same moment are waited for. */
  gathers?: boolean;
}

interface HeldLock {
  lock: Lock;
  heartbeat: NodeJS.Timeout;
}

/** Waits, and has it seen. */
function waited<T>({ id }: Place, at: "queue" | "lock", wait: () => Promise<T>): Promise<T> {
  return traced("lock.wait", () => ({ handler: handlerName, id, at }), wait);
}

function inLockOrder(places: readonly Place[]): readonly Place[] {
  return places.length === 1 ? places : places.toSorted((a, b) => (a.file < b.file ? -1 : 1));
}

/** What a record says of its session once it is written, from what it has said before. */
function metaOf(
  id: string,
  { ip, ttl, lasting, cookieName, tag, tagTime, time }: WriteOptions,
  before: Meta | undefined,
  now: number,
  keepsTtl: boolean,
): Meta {
  const meta: Meta = { id, ip: ip ?? before?.ip ?? "", time: before?.time ?? time ?? now };
  const end =
    ttl === undefined ? keepsTtl && before : { expires: now + 1000 * ttl, lasting: lasting };
  if (end && end.expires !== undefined) {
    meta.expires = end.expires;
    if (end.lasting) meta.lasting = true;
  }
  const name = cookieName ?? before?.cookieName;
  if (name !== undefined) meta.cookieName = name;
  const owner = tag === undefined ? before?.tag : tag;
  if (owner !== null && owner !== undefined) {
    meta.tag = owner;
    meta.tagTime = (tag === undefined ? before?.tagTime : tagTime) ?? now;
  }
  return meta;
}

/** Whether it is a session with the tag that is known by `key`. */
function hasTag(found: LockedFile["found"], key: string): boolean {
  if (typeof found !== "object" || isPending(found)) return false;
  const { tag } = found.current.meta;
  return tag !== undefined && keyOf(tag) === key;
}

function isPending(found: LockedFile["found"]): boolean {
  return typeof found === "object" && found.current.meta.pending !== undefined;
}

function isPast(expires: number | undefined): boolean {
  return expires !== undefined && expires <= Date.now();
}
