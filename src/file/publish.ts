// How a session file comes to be on a new inode: written beside it under a name that holds our
// token, renamed over it.
//
// rename(2) is atomic within one file system: a reader has the old file or the new one. That the
// rename is ours to do is not checked, it is built in: whoever comes after us finds our token, as
// the mark of the file that is to be replaced, and removes the new one by it; the rename then finds
// nothing. A session that is new has no file to mark, and is put at its name by link(2), which
// replaces nothing.

import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  futimesSync,
  linkSync,
  openSync,
  renameSync,
} from "node:fs";
import { dirname } from "node:path";
import { errno, lockLost, notOurs } from "../core/error.ts";
import { closeAfter, closeUnheard, readAll, writeAll } from "./descriptor.ts";
import { isTrustedFile } from "./directory.ts";
import {
  createFile,
  isMine,
  isToken,
  type Lock,
  sign,
  unlinkIfThere,
  unlinkUnheard,
} from "./lock.ts";
import { companionFile, lockFile } from "./names.ts";
import type { Durability } from "./options.ts";
import { markIn, markOffset, titleBytes, wary } from "./record.ts";

/**
 * Puts `bytes` at the locked file's name, as a file last changed at `touched`: in the place of the
 * file that is there and has our mark, or where there is none. Gives its descriptor.
 */
export function publish(
  lock: Lock,
  bytes: Buffer,
  touched: number,
  durability: Durability,
  place: "over" | "new",
): number {
  if (place === "new") sign(lock);
  const path = companionFile(lock.file, lock.token, "new");
  const { fd } = createFile(path);
  try {
    writeAll(fd, bytes, 0);
    setTouched(fd, touched);
    if (durability !== "process") fsyncSync(fd);
    // Our token has been where the next owner looks for it since before this look: if the lock is
    // ours now, they will find it.
    if (!isMine(lock)) throw lockLost(lockFile(lock.file));
    const put = place === "over" ? renameIfThere : linkIfAbsent;
    if (!put(path, lock.file)) throw lockLost(lockFile(lock.file));
    if (place === "new") unlinkIfThere(path);
    if (durability === "full") syncDirectory(lock.file);
    return fd;
  } catch (error) {
    closeUnheard(fd);
    unlinkUnheard(path);
    throw error;
  }
}

/** Revokes what the owner of this mark is about to put at the file's name. */
export function revoke(file: string, mark: string): void {
  if (isToken(mark)) unlinkIfThere(companionFile(file, mark, "new"));
}

/** Says in the file itself who is at work on it. That is no change of the session. */
export function writeMark(fd: number, mark: string): void {
  const { mtimeMs } = fstatSync(fd);
  writeAll(fd, Buffer.from(mark, "latin1"), markOffset);
  setTouched(fd, mtimeMs);
}

/**
 * Moves the locked session, whatever its bytes are, to a new inode, where nobody who has the old
 * one open can reach it; from then on everybody leaves a mark. Ours is left in the old one, unless
 * that is a file which somebody else has linked to here.
 */
export function moveToNewInode(lock: Lock, leaving: "marked" | "without a mark" = "marked"): void {
  const fd = openIfThere(lock.file, constants.O_RDWR);
  if (fd === undefined) return;
  closeAfter(fd, () => {
    const { uid, size, mtimeMs, nlink } = fstatSync(fd);
    if (!isTrustedFile(uid, lock.file)) throw notOurs(lock.file, uid);
    const mark = markIn(readAll(fd, titleBytes), size);
    if (!isMine(lock)) throw lockLost(lockFile(lock.file)); // before we revoke what is not ours to
    if (mark !== undefined) {
      revoke(lock.file, mark);
      if (leaving === "marked" && nlink === 1) writeMark(fd, lock.token);
    }
    // Who comes after this look finds our mark. Who came before it has our lock, or had it.
    if (!isMine(lock)) throw lockLost(lockFile(lock.file));
    const bytes = readAll(fd, size);
    if (bytes.length < size) throw new Error(`${bytes.length} of ${size} bytes could be read`);
    if (mark !== undefined) bytes.write(wary, markOffset, "latin1");
    // Whatever the durability of those who wrote it: this copy is not to be less.
    closeSync(publish(lock, bytes, mtimeMs, "file", "over"));
  });
}

/** Makes what has been renamed and removed in the directory of `file` durable. */
export function syncDirectory(file: string): void {
  const fd = openSync(dirname(file), constants.O_RDONLY);
  closeAfter(fd, () => fsyncSync(fd));
}

/** Sets when the session was last stored or touched, in milliseconds since the epoch. */
export function setTouched(fd: number, ms: number): void {
  // Seconds as a double are 0.1 us off, and Deno (2.9) gives the milliseconds of an mtime rounded
  // down: what is to be 535 ms must not be a little less. 0 is 0, for those who look for that.
  const seconds = ms === 0 ? 0 : (Math.round(ms) + 0.0005) / 1000;
  futimesSync(fd, seconds, seconds);
}

/**
 * A descriptor of a file that somebody may have removed; `undefined` when it is not there.
 * Neither a planted link is followed nor a planted FIFO waited for.
 */
export function openIfThere(path: string, access: number = constants.O_RDONLY): number | undefined {
  try {
    return openSync(path, access | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errno(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Renames a file that somebody may have removed. Whether it was there. */
export function renameIfThere(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (errno(error) === "ENOENT") return false;
    throw error;
  }
}

/**
 * Gives a file a second name: whether it did. `undefined` when somebody has removed the file; when
 * something is at that name it did not.
 */
export function linkIfAbsent(from: string, to: string): boolean | undefined {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (errno(error) === "EEXIST") return false;
    if (errno(error) === "ENOENT") return undefined;
    throw error;
  }
}
