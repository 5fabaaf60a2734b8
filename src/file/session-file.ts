// One session's file, changed by whoever holds its lock.

import { closeSync, constants, fstatSync, fsyncSync, lstatSync } from "node:fs";
import { emit } from "../core/diagnostics.ts";
import { lockLost, placeFailed } from "../core/error.ts";
import type { Pickled } from "../core/pickle.ts";
import { warn } from "../core/warning.ts";
import { isWindows } from "../core/platform.ts";
import { closeAfter, writeAll } from "./descriptor.ts";
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
import { type Companion, companionFile, lockFile } from "./names.ts";
import { type Durability, handlerName } from "./options.ts";
import {
  isNoTime,
  linkIfAbsent,
  moveToNewInode,
  publish,
  renameIfThere,
  setTouched,
  syncDirectory,
  writeMark,
} from "./publish.ts";
import {
  capacityOf,
  layOut,
  type Meta,
  sizeSaysTtl,
  slotOffset,
  slotWith,
  unmarked,
  type Version,
  wary,
} from "./record.ts";
import { Snapshot } from "./found.ts";
import { examined, openSession, readOpen } from "./snapshot.ts";
import type { Tags } from "./tags.ts";

/** A session's file, open under its lock. */
export class LockedFile {
  readonly file: string;
  readonly #id: string;
  readonly #lock: Lock;
  readonly #durability: Durability;
  readonly #tags: Tags;
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
  constructor(lock: Lock, id: string, durability: Durability, tags: Tags) {
    this.#id = id;
    this.#lock = lock;
    this.#tags = tags;
    this.#isWary = lock.isTaken;
    this.#durability = durability;
    this.file = lock.file;
    try {
      this.#fd = openSession(lock.file, constants.O_RDWR);
      // After the open: if the lock is ours now, whoever takes it over does so later, and then
      // moves the session off this inode.
      if (!isMine(lock)) throw lockLost(lockFile(lock.file));
      if (this.#fd !== undefined) this.#found = readOpen(this.#fd, this.file, id);
      if (isRecord(this.#found) && this.#found.layout.isLinked) this.#part(id);
      if (isRecord(this.#found) && this.#found.layout.mark !== unmarked) this.#enterWarily(id);
      this.#ageIfEnded();
    } catch (error) {
      this.abandon();
      throw placeFailed("open", lock.file, error);
    }
  }

  /** What is in the file. Whether its data can be unpickled only `examine` says. */
  get found(): Snapshot | "damaged" | undefined {
    return this.#found;
  }

  /** Finds out whether the data can be unpickled. If not, the file is found to be damaged. */
  examine(): void {
    if (isRecord(this.#found)) this.#found = examined(this.#found);
  }

  /**
   * Makes this the session. In place where that is safe and it fits, which costs a tenth of a new
   * file.
   */
  write(meta: Meta, pickled: Pickled, touched: number): void {
    try {
      if (this.#found === "damaged") this.setAside();
      const { tag } = this;
      const isTagNew = meta.tag !== tag;
      if (isTagNew) this.#announce(tag, meta.tag);
      if (!this.#writeInPlace(meta, pickled, touched)) this.#writeAnew(meta, pickled, touched);
      this.#wrote = true;
      // What a move replaces has its tag until it is gone; then the entry is for `clean` to find.
      if (isTagNew && meta.pending === undefined) this.#untag(tag);
    } catch (error) {
      throw placeFailed("store", this.file, error);
    }
  }

  /** The tag of the session that was found, or has been written. */
  get tag(): string | undefined {
    return isRecord(this.#found) ? this.#found.current.meta.tag : undefined;
  }

  /**
   * Ends the session: what is in the file says so, by `token`; for a moved session also what its id
   * is `to`, and `until` when it leads there. Whether there was something to end. Throws
   * `ERR_SESSION_LOCK_LOST` when the lock was not ours any more: then it may have ended or not.
   */
  bury(token: string = newToken(), to?: string, until?: number): boolean {
    const found = this.#found;
    if (this.#fd === undefined || !isRecord(found)) return false;
    if (found.current.meta.gone !== undefined) return true;
    try {
      this.#writeTombstone(this.#fd, found, { gone: token, to, until });
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
      const { tag } = this;
      this.#vacate("gone", unlinkIfThere);
      if (this.#durability === "full") syncDirectory(this.file);
      this.#untag(tag);
    } catch {
      // see above
    }
  }

  /** Leaves what is in the file of a session that has moved, for as long as it would have been kept. */
  leaveTrace(): void {
    if (this.#fd === undefined) return;
    const { tag } = this;
    if (tag !== undefined) this.#tags.doubt(tag, this.file);
    setTouched(this.#fd, Date.now());
    this.#untag(tag);
  }

  /** Moves a damaged record out of the way, for the operator to look at, and reports it. */
  setAside(): void {
    try {
      this.#vacate("bad", (path) => {
        warn(
          `The session file ${this.file} was damaged. Its visitor starts anew; the file is kept as ${path}`,
          "FILESESSION_DAMAGED",
        );
        emit("corrupt", () => ({ handler: handlerName, id: this.#id, file: path }));
      });
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
    if (found.layout.mark !== wary) this.#goOnInCopy("marked");
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
    this.#closeFile(); // Windows renames over no file that is open
    moveToNewInode(this.#lock, mark);
    this.#fd = openSession(this.file, constants.O_RDWR);
    if (this.#fd === undefined) throw lockLost(lockFile(this.file));
  }

  /** Overwrites the slot that nobody reads. Whether that could be done. */
  #writeInPlace(meta: Meta, { encoding, text }: Pickled, touched: number): boolean {
    const found = this.#found;
    if (this.#durability !== "process") return false; // old or new for every process, but not after a power cut
    if (this.#fd === undefined || found === undefined || found === "damaged") return false;
    // Whoever buried the session may be about to remove this very inode.
    if (found.current.meta.gone !== undefined) return false;
    const { layout, spare } = found;
    if (layout.hasTtl !== (meta.expires !== undefined)) return false;
    const version: Version = { seq: found.current.seq + 1, meta, encoding, text };
    const slot = slotWith(version, layout.capacity);
    if (slot === undefined) return false;
    writeAll(this.#fd, slot, slotOffset(spare, layout.capacity));
    setTouched(this.#fd, touched);
    const next = spare === 0 ? 1 : 0;
    this.#found = new Snapshot(version, touched, layout, next, keptBy(meta, found));
    return true;
  }

  #writeAnew(meta: Meta, { encoding, text }: Pickled, touched: number): void {
    if (this.#fd !== undefined && !this.#isMarked) this.#mark(this.#fd);
    const mark = this.#isWary ? this.#lock.token : unmarked;
    const kept = isRecord(this.#found) ? keptBy(meta, this.#found) : undefined;
    const current: Version = { seq: kept ? 2 : 1, meta, encoding, text };
    const bytes = layOut(kept ? [{ ...kept.current, seq: 1 }, current] : [current], mark);
    const place = this.#fd === undefined ? "new" : "over";
    const fd = isWindows
      ? this.#publishOverClosed(bytes, touched, place)
      : publish(this.#lock, bytes, touched, this.#durability, place);
    const replaced = this.#fd;
    this.#fd = fd;
    this.#isMarked = this.#isWary;
    const capacity = capacityOf(bytes.length);
    const layout = { capacity, hasTtl: sizeSaysTtl(bytes.length), mark, isLinked: false };
    this.#found = new Snapshot(current, touched, layout, kept ? 0 : 1, kept);
    if (replaced !== undefined) closeSync(replaced);
  }

  // Windows renames over no file that is open. Should somebody else have it open as well, we are
  // back where we were: the file is open, and if it is still ours our mark is taken out.
  #publishOverClosed(bytes: Buffer, touched: number, place: "new" | "over"): number {
    const leave = (): void => {
      if (this.#fd === undefined) return;
      const fd = this.#fd;
      this.#fd = undefined;
      closeSync(fd);
    };
    const isThere = this.#fd !== undefined;
    try {
      return publish(this.#lock, bytes, touched, this.#durability, place, leave);
    } catch (error) {
      if (isThere && this.#fd === undefined) {
        this.#fd = openSession(this.file, constants.O_RDWR);
        this.#isMarked = isMine(this.#lock); // else the mark is not for us to take out
      }
      throw error;
    }
  }

  /** Sees to the index before a session has another tag. */
  #announce(tag: string | undefined, next: string | undefined): void {
    if (next !== undefined) this.#tags.add(next, this.file, this.#durability !== "process");
    if (tag !== undefined) this.#tags.doubt(tag, this.file);
  }

  /** Sees to the index when a session does not have this tag any more, if that is for us to say. */
  #untag(tag: string | undefined): void {
    if (tag === undefined || !isMine(this.#lock)) return;
    try {
      this.#tags.remove(tag, this.file);
    } catch {
      // The session is as it is to be. `clean` finds the entry.
    }
  }

  // Through the descriptor, like every write in place: if the lock was lost, it lands where nobody
  // reads.
  #writeTombstone(
    fd: number,
    found: Snapshot,
    { gone, to, until }: { gone: string; to: string | undefined; until: number | undefined },
  ): void {
    const { seq, meta } = found.current;
    const ended: Meta = { id: meta.id, ip: "", time: meta.time, gone };
    if (to !== undefined) ended.to = to;
    if (until !== undefined) {
      ended.until = until;
      if (meta.expires !== undefined) ended.expires = meta.expires;
      if (meta.lasting) ended.lasting = meta.lasting;
    }
    const tombstone: Version = { seq: seq + 1, meta: ended, encoding: "json", text: "null" };
    const { capacity } = found.layout;
    const slot = slotWith(tombstone, capacity);
    if (slot === undefined) throw new RangeError(`a slot of ${capacity} bytes is too small`);
    writeAll(fd, slot, slotOffset(found.spare, capacity));
    setTouched(fd, 0); // should we die here, every `clean` looks at it
    if (this.#durability !== "process") fsyncSync(fd);
  }

  // Whoever ended the session died before its mtime said so, and no `clean` would look at it.
  #ageIfEnded(): void {
    if (this.#fd === undefined || typeof this.#found !== "object") return;
    const { touched, current } = this.#found;
    const { gone, until } = current.meta;
    if (gone !== undefined && until === undefined && !isNoTime(touched)) setTouched(this.#fd, 0);
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
function keptBy({ pending }: Meta, found: Snapshot): Snapshot | undefined {
  return pending?.replaces === undefined ? undefined : found;
}

/** Gives a file that was moved away its name again, unless the name has been taken. */
export function putBack(path: string, file: string): void {
  // Between the two somebody may make a session there: more of those microseconds that lock.ts
  // speaks of.
  if (linkIfAbsent(path, file) === "linkless" && !lstatSync(file, { throwIfNoEntry: false }))
    renameIfThere(path, file);
  unlinkIfThere(path);
}
