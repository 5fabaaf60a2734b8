import { setTimeout as sleep } from "node:timers/promises";
import { badOption, closed, errno, gone, lockTimeout, placeFailed } from "../core/error.ts";
import {
  type Change,
  type CleanOptions,
  type CleanResult,
  type EmptyRecord,
  type Handler,
  type RetrieveOptions,
  type SessionRecord,
  type WriteOptions,
} from "../core/handler.ts";
import { type Pickled, pickle } from "../core/pickle.ts";
import { isPromise, type MaybePromise } from "../core/promise.ts";
import { warn } from "../core/warning.ts";
import { ReadCache } from "./cache.ts";
import { cleanDirectory } from "./clean.ts";
import { assertSameDirectory, openDirectory } from "./directory.ts";
import {
  type Apply,
  beginGroup,
  endGroup,
  type Found,
  groupAt,
  type Group,
  type Step,
} from "./group.ts";
import { refreshLock, releaseLock, releaseUnheard, statLock, type Lock, tryLock } from "./lock.ts";
import { finishMove, leftOfMove, move, traceIn } from "./move.ts";
import { networkDiskAt } from "./network-disk.ts";
import { lockFile, Names } from "./names.ts";
import type { Durability } from "./publish.ts";
import { beginTurn, endTurn, waitForTurn } from "./queue.ts";
import type { Meta } from "./record.ts";
import { LockedFile } from "./session-file.ts";
import { readSession, type Snapshot, touchSession } from "./snapshot.ts";
import { waitForLock, type WaitOptions, waitUntilFree } from "./wait.ts";
import { sessionsIn } from "./walk.ts";

export interface FileHandlerOptions {
  /**
   * The directory for the session files, on a local disk. Default `.data/sessions`, from the
   * working directory. Made if it is missing. A link is resolved once, now.
   */
  fileDir?: string;
  /**
   * What the name of each session's file begins with: letters, digits, `_` and `-`. Default
   * `sess_`.
   */
  filePrefix?: string;
  /**
   * Seconds to wait for a lock before `ERR_SESSION_LOCK_TIMEOUT`. Default 75: longer than the 60 s
   * after which the lock of a process that has died is taken over, so that such a lock delays a
   * request and fails none.
   */
  lockTimeout?: number;
  /** What an acknowledged write survives. Default `process`. */
  durability?: Durability;
  /** Bytes that one session's data may have, as stored. Default 1048576. */
  maxBytes?: number;
  /**
   * Bytes of memory for sessions that have been read: as long as such a file stays as it is, one
   * look at its times is all that reading it costs. Default 33554432; 0 for none. On a network disk
   * there is none.
   */
  cacheBytes?: number;
  /**
   * Seconds without a sign of life after which a lock counts as abandoned. Default 60, which is
   * what every other program that follows the protocol goes by: only for tests.
   */
  staleAfter?: number;
}

// A holder that is alive shows it four times before anybody may think otherwise.
const signsOfLifePerLimit = 4;

/**
 * How often a reader without a lock looks again at a record that seems damaged, a millisecond
 * apart.
 */
const secondLooks = 10;

// What a slot can hold, less what else stands in it.
const maxMaxBytes = 99_000_000;

/**
 * Keeps each session in a file of its own, `fileDir/filePrefix + id`, guarded by a lock file beside
 * it.
 *
 * The constructor throws `ERR_SESSION_DIR` when `fileDir` cannot be used, and `ERR_SESSION_OPTION`.
 */
export class FileHandler implements Handler {
  /** The directory, all links resolved. */
  readonly fileDir: string;
  readonly filePrefix: string;
  readonly #names: Names;
  readonly #cache: ReadCache | undefined;
  readonly #durability: Durability;
  readonly #lockTimeout: number;
  readonly #maxBytes: number;
  readonly #staleMs: number;
  readonly #held = new Map<string, HeldLock>();
  #pending = 0;
  #closed = false;
  #drained: (() => void) | undefined;

  constructor(options: FileHandlerOptions = {}) {
    const {
      fileDir = ".data/sessions",
      filePrefix = "sess_",
      lockTimeout = 75,
      durability = "process",
      maxBytes = 1024 * 1024,
      cacheBytes = 32 * 1024 * 1024,
      staleAfter = 60,
    } = options;
    if (typeof fileDir !== "string" || fileDir === "")
      throw badOption("fileDir", fileDir, "the name of a directory");
    if (typeof filePrefix !== "string" || !/^[A-Za-z0-9_-]{0,64}$/.test(filePrefix))
      throw badOption("filePrefix", filePrefix, "up to 64 letters, digits, `_` or `-`");
    if (!["process", "file", "full"].includes(durability))
      throw badOption("durability", durability, "'process', 'file' or 'full'");
    if (!Number.isInteger(maxBytes) || maxBytes < 1 || maxBytes > maxMaxBytes)
      throw badOption("maxBytes", maxBytes, `a whole number of bytes from 1 to ${maxMaxBytes}`);
    if (!Number.isInteger(cacheBytes) || cacheBytes < 0)
      throw badOption("cacheBytes", cacheBytes, "a whole number of bytes, 0 or more");
    this.#lockTimeout = seconds("lockTimeout", lockTimeout);
    this.#staleMs = 1000 * seconds("staleAfter", staleAfter);
    this.#durability = durability;
    this.#maxBytes = maxBytes;
    this.fileDir = openDirectory(fileDir);
    const isCached = cacheBytes > 0 && networkDiskAt(this.fileDir) === undefined;
    this.#cache = isCached ? new ReadCache(cacheBytes) : undefined;
    this.filePrefix = filePrefix;
    this.#names = new Names(this.fileDir, filePrefix);
  }

  async store<T>(id: string, data: T, options: WriteOptions = {}): Promise<SessionRecord<T>> {
    return this.#count(async () => {
      const pickled = this.#pickle(data); // before anything is locked
      const record = await this.#transact<T>(id, options, false, () => ({ data, pickled }));
      return record as SessionRecord<T>; // only a change that gives `undefined` leaves no record
    });
  }

  async update<T = unknown>(
    id: string,
    change: Change<T>,
    options: WriteOptions = {},
  ): Promise<SessionRecord<T> | EmptyRecord> {
    const pickled = (data: T | undefined): Changed<T> | undefined =>
      data === undefined ? undefined : { data, pickled: this.#pickle(data) };
    return this.#count(() =>
      this.#transact<T>(id, options, true, (record) => {
        const data = change(record);
        return isPromise(data) ? data.then(pickled) : pickled(data);
      }),
    );
  }

  async retrieve<T = unknown>(
    id: string,
    { blocking = true }: RetrieveOptions = {},
  ): Promise<SessionRecord<T> | EmptyRecord> {
    try {
      const known = this.#known(id, blocking);
      if (known) return recordOf<T>(known);
      return await this.#count(async () => {
        const file = this.#names.file(id);
        if (blocking) await this.#untilFree(file);
        const found = this.#live(await this.#read(id, file, blocking));
        // A miss has been made sure of already.
        if (found) assertSameDirectory(this.fileDir);
        return found ? recordOf<T>(found) : {};
      });
    } catch (error) {
      const isNoDirectory = error instanceof Error && errno(error.cause) === "ENOTDIR";
      if (isNoDirectory) assertSameDirectory(this.fileDir); // says what stands there
      throw error;
    }
  }

  /** What is known of a session that has not been changed since it was read, and is not locked. */
  #known(id: string, blocking: boolean): Snapshot | undefined {
    if (this.#closed || this.#cache === undefined) return undefined;
    const file = this.#names.file(id);
    if (blocking && statLock(file) !== undefined) return undefined;
    return this.#live(this.#cache.get(file));
  }

  async touch(id: string): Promise<boolean> {
    return this.#run(async () => {
      const file = this.#names.file(id);
      const isLive = (found: Snapshot): boolean => this.#live(found) !== undefined;
      const touched = touchSession(file, id, Date.now(), isLive);
      if (typeof touched === "boolean") return touched;
      if (touched === "damaged") await this.#read(id, file, false);
      else await this.#withFiles([this.#place(id)], true, () => undefined); // parts it from its other name
      return touchSession(file, id, Date.now(), isLive) === true;
    });
  }

  async remove(id: string): Promise<boolean> {
    return this.#run(async () => {
      const place = this.#place(id);
      endGroup(place.file);
      const removed = await this.#whenMoved([place], ([session]) => this.#end(session));
      return removed === true;
    });
  }

  async clean(timeout: number, options: CleanOptions = {}): Promise<CleanResult> {
    const timeoutMs = 1000 * seconds("timeout", timeout);
    const { blocking = false } = options;
    const isDue = (touched: number, expires: number | undefined): boolean =>
      timeoutMs === 0 || Date.now() - touched > timeoutMs || isPast(expires);
    return this.#run(() =>
      cleanDirectory(
        this.#names,
        {
          isDue,
          staleMs: this.#staleMs,
          remove: (id, file) => this.#removeIfDue({ id, file }, isDue, blocking),
          unlock: async (id, file) => {
            await this.#withFiles([{ id, file }], false, () => undefined);
          },
        },
        options,
      ),
    );
  }

  async *keys(): AsyncGenerator<string, void, undefined> {
    if (this.#closed) throw closed();
    assertSameDirectory(this.fileDir);
    for await (const { id, file } of sessionsIn(this.#names))
      if (this.#live(readSession(file, id))) yield id;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const releases = [...this.#held.keys()].map((id) => this._releaseLock(id));
    const released = await Promise.allSettled(releases);
    const failed = released.find((one) => one.status === "rejected");
    if (this.#pending > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
    if (failed) throw failed.reason;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The full name of the session's file. */
  _sessionFile(id: string): string {
    return this.#names.file(id);
  }

  /** The full name of the session's lock file. */
  _lockFile(id: string): string {
    return lockFile(this._sessionFile(id));
  }

  /**
   * Locks a session against everybody, this handler's own methods included, until
   * `_releaseLock(id)`. A lock that has shown no sign of life for 60 s is taken over. With
   * `blocking` off it does not wait: `false` when it did not get the lock.
   */
  async _acquireLock(id: string, blocking = true): Promise<boolean> {
    return this.#run(async () => {
      const file = this.#names.file(id);
      const deadline = this.#deadline();
      endGroup(file);
      const isFirst = beginTurn(file);
      if (!isFirst) {
        if (!blocking) return false;
        await this.#turn(file, deadline);
      }
      let lock: Lock | undefined;
      try {
        if (!isFirst) assertSameDirectory(this.fileDir);
        lock = tryLock(file) ?? (await this.#lock(file, blocking, deadline));
      } finally {
        if (lock === undefined) endTurn(file);
      }
      if (lock === undefined) return false;
      this.#held.set(id, { lock, heartbeat: this.#heartbeat(() => refreshLock(lock)) });
      return true;
    });
  }

  /**
   * Gives back what `_acquireLock(id)` took. Nothing happens when it did not, or when the lock is
   * gone.
   */
  async _releaseLock(id: string): Promise<void> {
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

  /** Runs what needs the directory to be the one it was. */
  async #run<T>(operation: () => Promise<T>): Promise<T> {
    return this.#count(() => {
      assertSameDirectory(this.fileDir);
      return operation();
    });
  }

  /** Counts what is under way, so that `close` can wait for it. */
  async #count<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#closed) throw closed();
    this.#pending++;
    try {
      return await operation();
    } finally {
      this.#pending--;
      if (this.#pending === 0) this.#drained?.();
    }
  }

  /** `store` and `update`: under one lock, or two when the session moves. */
  async #transact<T>(
    id: string,
    options: WriteOptions,
    isUpdate: boolean,
    change: (record: SessionRecord<T> | EmptyRecord) => MaybePromise<Changed<T> | undefined>,
  ): Promise<SessionRecord<T> | EmptyRecord> {
    const { oldId = id, mustExist = false, ip } = options;
    const ttlMs = options.ttl === undefined ? undefined : 1000 * seconds("ttl", options.ttl);
    checkWord("ip", ip);
    checkWord("cookieName", options.cookieName);
    const place = this.#place(id);
    const oldPlace = this.#place(oldId);

    const apply = (before: Found | undefined, replaced?: Found): MaybePromise<Step> => {
      if (before === undefined && mustExist) throw gone(oldId);
      const record = isUpdate && before ? recordOf<T>(before) : {};
      // What a move onto an existing session replaces keeps nothing but its place.
      const base = before ?? replaced;
      const finish = (changed: Changed<T> | undefined): Step => {
        if (changed === undefined) return { record };
        const touched = Date.now();
        const kept = isUpdate ? base?.current.meta.expires : undefined;
        const expires = ttlMs === undefined ? kept : touched + ttlMs;
        const cookieName = options.cookieName ?? base?.current.meta.cookieName;
        const meta: Meta = {
          id,
          ip: ip ?? base?.current.meta.ip ?? "",
          time: base?.current.meta.time ?? touched,
          ...(expires !== undefined && { expires }),
          ...(cookieName !== undefined && { cookieName }),
        };
        const { data, pickled } = changed;
        return { record: { ...meta, touched, data }, written: { meta, pickled, touched } };
      };
      const changed = change(record);
      return isPromise(changed) ? changed.then(finish) : finish(changed);
    };

    const record =
      place.file === oldPlace.file
        ? await this.#changeInGroup(place, isUpdate, apply)
        : await this.#changeAndMove(oldPlace, place, isUpdate, apply);
    return record as SessionRecord<T> | EmptyRecord; // it is what `apply` has given
  }

  /** Changes one session, together with all who want to at this moment. */
  async #changeInGroup(place: Place, isUpdate: boolean, apply: Apply): Promise<Step["record"]> {
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
      return outcome.record;
    }
  }

  async #lead(group: Group, place: Place, deadline: number): Promise<void> {
    const commit = ([session]: readonly [LockedFile]): MaybePromise<void> => {
      endGroup(place.file, group);
      if (group.reads) session.examine(); // what is replaced unseen need not be readable
      const done = group.commit(session, this.#live(session.found));
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
    isUpdate: boolean,
    apply: (before: Found | undefined, replaced: Found | undefined) => MaybePromise<Step>,
  ): Promise<Step["record"]> {
    assertSameDirectory(this.fileDir);
    for (const { file } of [oldPlace, place]) endGroup(file);
    const written = await this.#whenMoved([oldPlace, place], ([from, to]) => {
      if (isUpdate) from.examine();
      const before = this.#live(from.found);
      const put = ({ record, written }: Step): Step["record"] => {
        if (written === undefined) return record;
        const { meta, pickled, touched } = written;
        if (before) move(oldPlace.id, from, to, meta, pickled, touched);
        else to.write(meta, pickled, touched);
        return record;
      };
      const step = apply(before, this.#live(to.found));
      if (!isPromise(step)) return put(step);
      const late = step.then((known) => {
        for (const file of [from, to]) file.confirm(); // it may have taken minutes
        return put(known);
      });
      return this.#keepFresh([from, to], late);
    });
    return written ?? {}; // who waits does come back with something
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
      for (const { id, file } of inLockOrder(places)) {
        const isFirst = beginTurn(file);
        if (!isFirst) {
          if (!blocking) return undefined;
          await this.#keepFresh(open, this.#turn(file, deadline));
        }
        turns.push(file);
        if (isFirst && gathers) await undefined;
        if (!isFirst || gathers) assertSameDirectory(this.fileDir); // it may have taken minutes
        const lock =
          tryLock(file) ?? (await this.#keepFresh(open, this.#lock(file, blocking, deadline)));
        if (lock === undefined) return undefined;
        open.push(new LockedFile(lock, id, this.#durability));
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
    return { id, file: this.#names.file(id) };
  }

  async #untilFree(file: string): Promise<void> {
    const deadline = this.#deadline();
    const isFirst = beginTurn(file);
    if (!isFirst) await this.#turn(file, deadline);
    try {
      const isLocked = statLock(file) !== undefined;
      if (isLocked) await waitUntilFree(file, this.#wait(true, deadline));
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
    const now = readSession(this.#names.file(id), id);
    const isSame = typeof now === "object" && now.current.meta.pending?.token === pending.token;
    return this.#live(isSame ? found.before : now);
  }

  #hasArrived({ from, token }: NonNullable<Meta["pending"]>): boolean {
    return traceIn(readSession(this.#names.file(from), from)) === token;
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
    isDue: (touched: number, expires: number | undefined) => boolean,
    blocking: boolean,
  ): Promise<"removed" | "kept" | "busy"> {
    const left = leftOfMove(readSession(place.file, place.id));
    if (left && !(await this.#finishMove(...left, blocking))) return "busy";
    const outcome = await this.#withFiles([place], blocking, ([session]) => {
      const { found } = session;
      if (typeof found === "object") {
        const { gone, expires, pending } = found.current.meta;
        if (gone === undefined && (pending || !isDue(found.touched, expires))) return "kept"; // changed since we looked
        this.#end(session);
        return gone === undefined ? "removed" : "kept";
      }
      this.#end(session);
      return "kept";
    });
    return outcome ?? "busy";
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

  async #lock(file: string, blocking: boolean, deadline: number): Promise<Lock | undefined> {
    let lock: Lock | undefined;
    try {
      lock = await waitForLock(file, this.#wait(blocking, deadline));
      assertSameDirectory(this.fileDir);
      return lock;
    } catch (error) {
      if (lock) releaseUnheard(lock);
      throw placeFailed("lock", file, error);
    }
  }

  #turn(file: string, deadline: number): Promise<void> {
    const late = (): Error => lockTimeout(lockFile(file), this.#lockTimeout);
    return waitForTurn(file, deadline - performance.now(), late);
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

  #pickle(data: unknown): Pickled {
    return pickle(data, this.#maxBytes);
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

interface Changed<T> {
  data: T;
  pickled: Pickled;
}

interface HeldLock {
  lock: Lock;
  heartbeat: NodeJS.Timeout;
}

function inLockOrder(places: readonly Place[]): readonly Place[] {
  return places.length === 1 ? places : places.toSorted((a, b) => (a.file < b.file ? -1 : 1));
}

function isPast(expires: number | undefined): boolean {
  return expires !== undefined && expires <= Date.now();
}

/** Text of fewer characters is parsed at once: that costs less than a property that parses later. */
const parsedAtOnce = 1024;

function recordOf<T>(found: Found): SessionRecord<T> {
  const { meta, text } = found.current;
  const { id, ip, time, expires, cookieName } = meta;
  const { touched } = found;
  // What a session holds is the caller's word: nothing here looks into it.
  const record: SessionRecord<T> =
    text.length < parsedAtOnce
      ? { id, ip, time, touched, data: found.data() as T }
      : withLateData({ id, ip, time, touched }, found);
  if (expires !== undefined) record.expires = expires;
  if (cookieName !== undefined) record.cookieName = cookieName;
  return record;
}

/** A record whose data is parsed when somebody wants it. Most requests look at a session only. */
function withLateData<T>(
  { id, ip, time, touched }: Omit<SessionRecord<T>, "data">,
  found: Found,
): SessionRecord<T> {
  let late: { data: T } | undefined;
  return {
    id,
    ip,
    time,
    touched,
    get data() {
      late ??= { data: found.data() as T };
      return late.data;
    },
    set data(data) {
      late = { data };
    },
  };
}

// Far more than either needs, and less than a record has room for beside its data.
const maxWordLength = 1024;

function checkWord(name: string, value: string | undefined): void {
  if (value === undefined || (typeof value === "string" && value.length <= maxWordLength)) return;
  throw badOption(name, value, `a text of at most ${maxWordLength} characters`);
}

function seconds(name: string, value: number): number {
  if (typeof value !== "number" || !(value >= 0) || !Number.isFinite(value))
    throw badOption(name, value, "a number of seconds, 0 or more");
  return value;
}
