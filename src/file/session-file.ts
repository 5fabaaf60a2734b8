// One session's file: read by anybody at any time, changed by whoever holds its lock.

import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  type Stats,
} from "node:fs";
import { dirname } from "node:path";
import { errno, lockLost, notAFile, notOurs, placeFailed } from "../core/error.ts";
import { type Pickled, unpickle } from "../core/pickle.ts";
import { warn } from "../core/warning.ts";
import { confirmDirectory, isTrusted } from "./directory.ts";
import {
  inodeOf,
  isMine,
  type Lock,
  newToken,
  refreshLock,
  releaseLock,
  releaseUnheard,
  unlinkIfThere,
} from "./lock.ts";
import { closeAfter, readAll, writeAll } from "./descriptor.ts";
import { type Companion, companionFile, lockFile } from "./names.ts";
import {
  type Durability,
  moveToNewInode,
  publish,
  renameIfThere,
  setTouched,
  syncDirectory,
  writeMark,
} from "./publish.ts";
import {
  capacityOf,
  type Contents,
  layOut,
  maxRecordBytes,
  type Meta,
  parseRecord,
  sizeSaysTtl,
  slotOffset,
  slotWith,
  unmarked,
  type Version,
  wary,
} from "./record.ts";

/** A session file at one moment. */
export interface Snapshot extends Omit<Contents, "before"> {
  /**
   * When the session was last stored or touched, in milliseconds since the epoch: the file's mtime.
   */
  touched: number;
  /** Whether the file has another name: it is being put back, or somebody has linked it. */
  isLinked: boolean;
  /** What was stored. */
  data: unknown;
  /** The session that is here until the one that is being moved to its place has arrived. */
  before?: Snapshot;
}

/** The whole session in `file`, without a lock; `undefined` when there is no file. */
export function readSession(file: string, id: string): Snapshot | "damaged" | undefined {
  const fd = openSession(file, constants.O_RDONLY);
  if (fd === undefined) return undefined;
  try {
    return closeAfter(fd, () => readOpen(fd, file, id));
  } catch (error) {
    throw placeFailed("read", file, error);
  }
}

/**
 * Sets `touched` without a lock, on the file that was read and no other. Whether `isLive` said yes
 * to it. One with another name is not touched.
 */
export function touchSession(
  file: string,
  id: string,
  now: number,
  isLive: (found: Snapshot) => boolean,
): boolean | "damaged" | "linked" {
  const fd = openSession(file, constants.O_RDONLY);
  if (fd === undefined) return false;
  try {
    return closeAfter(fd, () => {
      const found = readOpen(fd, file, id);
      if (found === "damaged") return found;
      if (!isLive(found)) return false;
      if (found.isLinked) return "linked";
      setTouched(fd, now);
      return true;
    });
  } catch (error) {
    throw placeFailed("touch", file, error);
  }
}

/** A session's file, open under its lock. */
export class LockedFile {
  readonly file: string;
  readonly #lock: Lock;
  readonly #durability: Durability;
  #fd: number | undefined;
  #found: Snapshot | "damaged" | undefined;
  #wrote = false;
  #isOpen = true;
  /** Whether everybody leaves a mark in this file, and whether ours is in it. */
  #isWary: boolean;
  #isMarked = false;

  /**
   * Takes over the care of the lock: `close` or `abandon` gives it back, and so does an error here.
   */
  constructor(lock: Lock, id: string, durability: Durability) {
    this.#lock = lock;
    this.#isWary = lock.isTaken;
    this.#durability = durability;
    this.file = lock.file;
    try {
      this.#fd = openSession(lock.file, constants.O_RDWR);
      // After the open: if the lock is ours now, whoever takes it over does so later, and then
      // moves the session off this inode.
      if (!isMine(lock)) throw lockLost(lockFile(lock.file));
      if (this.#fd !== undefined) this.#found = readOpen(this.#fd, this.file, id);
      if (isRecord(this.#found) && this.#found.isLinked) this.#part(id);
      if (isRecord(this.#found) && this.#found.mark !== unmarked) this.#enterWarily(id);
      this.#ageIfEnded();
    } catch (error) {
      this.abandon();
      throw placeFailed("open", lock.file, error);
    }
  }

  /** What is in the file. */
  get found(): Snapshot | "damaged" | undefined {
    return this.#found;
  }

  /**
   * Makes this the session. In place where that is safe and it fits, which costs a tenth of a new
   * file.
   */
  write(meta: Meta, { encoding, text }: Pickled, touched: number): void {
    try {
      if (this.#found === "damaged") this.setAside();
      const version = { meta, encoding, text };
      if (!this.#writeInPlace(version, touched)) this.#writeAnew(version, touched);
      this.#wrote = true;
    } catch (error) {
      throw placeFailed("store", this.file, error);
    }
  }

  /**
   * Ends the session: what is in the file says so, by `token`; for a moved session also what its id
   * is `to`. Whether there was something to end. Throws `ERR_SESSION_LOCK_LOST` when the lock was
   * not ours any more: then it may have ended or not.
   */
  bury(token: string = newToken(), to?: string): boolean {
    const found = this.#found;
    if (this.#fd === undefined || !isRecord(found)) return false;
    if (found.current.meta.gone !== undefined) return true;
    try {
      this.#writeTombstone(this.#fd, found, token, to);
    } catch (error) {
      throw placeFailed("remove", this.file, error);
    }
    this.confirm();
    return true;
  }

  /** Whether the file says, by now, that the session has ended by this token. */
  hasEndedBy(token: string): boolean {
    if (this.#fd === undefined || !isRecord(this.#found)) return false;
    const now = readOpen(this.#fd, this.file, this.#found.current.meta.id);
    return isRecord(now) && now.current.meta.gone === token;
  }

  /**
   * Removes the file of a session that has ended, if that can be done: a full disk may have no room
   * for the name it is moved to. It is a miss either way, and `clean` tries again.
   */
  unlink(): void {
    try {
      this.#vacate("gone", unlinkIfThere);
      if (this.#durability === "full") syncDirectory(this.file);
    } catch {
      // see above
    }
  }

  /** Moves a damaged record out of the way, for the operator to look at, and reports it. */
  setAside(): void {
    try {
      this.#vacate("bad", (path) =>
        warn(
          `The session file ${this.file} was damaged. Its visitor starts anew; the file is kept as ${path}`,
          "FILESESSION_DAMAGED",
        ),
      );
    } catch (error) {
      throw placeFailed("set aside", this.file, error);
    }
  }

  /** Shows that we are alive, while the lock is held for long. */
  refresh(): void {
    refreshLock(this.#lock);
  }

  /** What was written counts from now on, whatever becomes of the lock. */
  settle(): void {
    this.#wrote = false;
  }

  /** Throws `ERR_SESSION_LOCK_LOST` when the lock is not ours any more. */
  confirm(): void {
    if (!isMine(this.#lock)) throw lockLost(lockFile(this.file));
  }

  /**
   * Gives the lock back. Throws `ERR_SESSION_LOCK_LOST` when something was written and the lock was
   * not ours any more.
   */
  close(): void {
    let isOurs;
    try {
      this.#closeFile();
      this.#isOpen = false;
      isOurs = releaseLock(this.#lock);
    } catch (error) {
      this.abandon();
      throw placeFailed("close", this.file, error);
    }
    if (!isOurs && this.#wrote) throw lockLost(lockFile(this.file));
  }

  /** Gives the lock back, unless it has been, when an error is on its way to the caller. */
  abandon(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      this.#closeFile();
    } catch {
      // The caller is about to hear of what failed first.
    }
    releaseUnheard(this.#lock);
  }

  /**
   * For a file whose lock was taken over once. Somebody may then have lost his lock to the late
   * release of a former holder, and be at work on this very file without knowing; his mark says so.
   * Then we leave it to him and go on in a copy.
   */
  #enterWarily(id: string): void {
    const found = this.#found;
    if (this.#fd === undefined || !isRecord(found)) return;
    if (found.mark !== wary) this.#goOnInCopy("marked");
    this.#isWary = true;
    this.#mark(this.#fd);
    this.confirm();
    this.#found = readOpen(this.#fd, this.file, id);
  }

  #mark(fd: number): void {
    this.#isMarked = true;
    writeMark(fd, this.#lock.token);
  }

  /**
   * Goes on in a copy: what is written in place would be written under the file's other name too,
   * which may be a backup, or a file elsewhere that somebody has linked to here.
   */
  #part(id: string): void {
    this.#goOnInCopy("without a mark");
    if (this.#fd !== undefined) this.#found = readOpen(this.#fd, this.file, id);
  }

  #goOnInCopy(mark: "marked" | "without a mark"): void {
    moveToNewInode(this.#lock, mark);
    this.#closeFile();
    this.#fd = openSession(this.file, constants.O_RDWR);
    if (this.#fd === undefined) throw lockLost(lockFile(this.file));
  }

  /** Overwrites the slot that nobody reads. Whether that could be done. */
  #writeInPlace(next: Omit<Version, "seq">, touched: number): boolean {
    const found = this.#found;
    if (this.#durability !== "process") return false; // old or new for every process, but not after a power cut
    if (this.#fd === undefined || found === undefined || found === "damaged") return false;
    // Whoever buried the session may be about to remove this very inode.
    if (found.current.meta.gone !== undefined) return false;
    if (found.hasTtl !== (next.meta.expires !== undefined)) return false;
    const version: Version = { seq: found.current.seq + 1, ...next };
    const slot = slotWith(version, found.capacity);
    if (slot === undefined) return false;
    writeAll(this.#fd, slot, slotOffset(found.spare, found.capacity));
    setTouched(this.#fd, touched);
    const { before: _, ...rest } = found;
    const spare = found.spare === 0 ? 1 : 0;
    this.#found = { ...rest, current: version, spare, touched, ...keptBy(next.meta, found) };
    return true;
  }

  #writeAnew({ meta, encoding, text }: Omit<Version, "seq">, touched: number): void {
    if (this.#fd !== undefined && !this.#isMarked) this.#mark(this.#fd);
    const mark = this.#isWary ? this.#lock.token : unmarked;
    const kept = isRecord(this.#found) ? keptBy(meta, this.#found) : {};
    const current: Version = { seq: kept.before ? 2 : 1, meta, encoding, text };
    const bytes = layOut(
      kept.before ? [{ ...kept.before.current, seq: 1 }, current] : [current],
      mark,
    );
    const place = this.#fd === undefined ? "new" : "over";
    const fd = publish(this.#lock, bytes, touched, this.#durability, place);
    const replaced = this.#fd;
    this.#fd = fd;
    this.#isMarked = this.#isWary;
    this.#found = {
      capacity: capacityOf(bytes.length),
      hasTtl: sizeSaysTtl(bytes.length),
      mark,
      current,
      spare: kept.before ? 0 : 1,
      touched,
      isLinked: false,
      data: undefined,
      ...kept,
    };
    if (replaced !== undefined) closeSync(replaced);
  }

  // Through the descriptor, like every write in place: if the lock was lost, it lands where nobody
  // reads.
  #writeTombstone(fd: number, found: Snapshot, token: string, to: string | undefined): void {
    const { seq, meta } = found.current;
    const tombstone: Version = {
      seq: seq + 1,
      meta: { id: meta.id, ip: "", time: meta.time, gone: token, ...(to !== undefined && { to }) },
      encoding: "json",
      text: "null",
    };
    const slot = slotWith(tombstone, found.capacity);
    if (slot === undefined) throw new RangeError(`a slot of ${found.capacity} bytes is too small`);
    writeAll(fd, slot, slotOffset(found.spare, found.capacity));
    setTouched(fd, 0); // should we die here, every `clean` looks at it
    if (this.#durability !== "process") fsyncSync(fd);
  }

  // Whoever ended the session died before its mtime said so, and no `clean` would look at it.
  #ageIfEnded(): void {
    if (this.#fd === undefined || typeof this.#found !== "object") return;
    const { touched, current } = this.#found;
    if (current.meta.gone !== undefined && touched !== 0) setTouched(this.#fd, 0);
  }

  // A name cannot be unlinked on the condition that it still stands for a certain file. So the file
  // is moved to a name of ours, looked at, and put back if it is not the one: that takes a pause of
  // more than 60 s right here, and somebody who has made the session anew meanwhile.
  #vacate(kind: Companion, done: (path: string) => void): void {
    if (this.#fd === undefined) return;
    const path = companionFile(this.file, newToken(), kind);
    if (!renameIfThere(this.file, path)) return;
    const moved = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    if (moved && inodeOf(moved) !== inodeOf(fstatSync(this.#fd, { bigint: true }))) {
      putBack(path, this.file);
      throw lockLost(lockFile(this.file));
    }
    if (moved) done(path); // or a `clean` has done so, if we were paused here
    this.#closeFile();
    this.#found = undefined;
  }

  #closeFile(): void {
    const fd = this.#fd;
    if (fd === undefined) return;
    this.#fd = undefined;
    const isMarked = this.#isMarked;
    this.#isMarked = false;
    closeAfter(fd, () => {
      if (isMarked) writeMark(fd, this.#isWary ? wary : unmarked);
    });
  }
}

function isRecord(found: Snapshot | "damaged" | undefined): found is Snapshot {
  return typeof found === "object";
}

/** What a write must leave in the other slot. */
function keptBy({ pending }: Meta, found: Snapshot): { before?: Snapshot } {
  return pending?.replaces === undefined ? {} : { before: found };
}

/** Gives a file that was moved away its name again, unless the name has been taken. */
export function putBack(path: string, file: string): void {
  try {
    linkSync(path, file);
  } catch (error) {
    if (errno(error) !== "EEXIST") throw error;
  }
  unlinkIfThere(path);
}

function openSession(file: string, access: number): number | undefined {
  // Neither a planted link is followed nor a planted FIFO waited for.
  const { O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    return openSync(file, access | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (errno(error) === "ENOENT") {
      // A vanished disk logs nobody out.
      confirmDirectory(dirname(file), error);
      return undefined;
    }
    if (errno(error) === "ELOOP" || errno(error) === "EISDIR" || errno(error) === "ENXIO")
      throw notAFile(file, error);
    throw placeFailed("open", file, error);
  }
}

function readOpen(fd: number, file: string, id: string): Snapshot | "damaged" {
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw notAFile(file);
    if (!isTrusted(stats.uid, dirname(file))) throw notOurs(file, stats.uid);
    const contents = readContents(fd, stats.size);
    // A record that was copied or renamed onto another session's name.
    if (contents === "damaged" || contents.current.meta.id !== id) return "damaged";
    const { before: versionBefore, ...rest } = contents;
    const data = unpickled(rest.current);
    const dataBefore = versionBefore && unpickled(versionBefore);
    if (data === undefined || (versionBefore && !dataBefore)) return "damaged";
    // What is pending has the mtime 0, so that every `clean` looks at it.
    const { touched = 0, replaces = 0 } = rest.current.meta.pending ?? {};
    const since = (stored: number): number => Math.max(touchedAt(stats), stored);
    const found = { ...rest, touched: since(touched), isLinked: stats.nlink > 1, data: data.value };
    if (versionBefore === undefined || dataBefore === undefined) return found;
    const before = {
      ...found,
      current: versionBefore,
      touched: since(replaces),
      data: dataBefore.value,
    };
    return { ...found, before };
  } catch (error) {
    throw placeFailed("read", file, error);
  }
}

/** When a file was last stored or touched. */
function touchedAt({ mtimeMs, ctimeMs }: Stats): number {
  // A file system that keeps whole seconds, or every other one, rounds down; no session is to end
  // for that. The system's own ctime tells it from one that keeps what it is given.
  const isCoarse = ctimeMs % 1000 === 0;
  return Math.round(mtimeMs) + (isCoarse ? 1000 : 0);
}

// What seems damaged may be two writes in the time of one read. Then the next read gives other bytes.
function readContents(fd: number, size: number): Contents | "damaged" {
  if (size > maxRecordBytes) return "damaged"; // a gigabyte of zeros is not worth the memory
  for (let before: Buffer | undefined; ;) {
    const bytes = readAll(fd, size);
    // Nobody cuts a record short while it has its name: this is no damage, it is a failed read.
    if (bytes.length < size) throw new Error(`only ${bytes.length} of ${size} bytes could be read`);
    const contents = parseRecord(bytes);
    if (contents !== "damaged" || before?.equals(bytes)) return contents;
    before = bytes;
  }
}

// The checksum is no secret: text that is none of ours can have the right one.
function unpickled({ encoding, text }: Version): { value: unknown } | undefined {
  try {
    return { value: unpickle(encoding, text) };
  } catch {
    return undefined;
  }
}
