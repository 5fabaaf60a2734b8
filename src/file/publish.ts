// How a session file comes to be on a new inode: written beside it under a name that holds our
// token, renamed over it.
//
// rename(2) is atomic within one file system: a reader has the old file or the new one. That the
// rename is ours to do is not checked, it is built in: whoever comes after us finds our token, as
// the mark of the file that is to be replaced, and removes the new one by it; the rename then finds
// nothing. A session that is new has no file to mark, and is put at its name by link(2), which
// replaces nothing.
//
// Where there is no link(2), on FAT, exFAT, many shares, the name of a new session is taken by an
// empty file, made with O_EXCL, over which the whole one is renamed. Who takes the lock over has
// removed that one by then, as ever, or finds it in its place. Should the writer die between the
// two, the empty file is damage, of a session that nobody was told of.

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
import { isWindows } from "../core/platform.ts";
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
import { isLinkless, pausedFor } from "./platform.ts";
import { markIn, markOffset, titleBytes, wary } from "./record.ts";

/**
 * Puts `bytes` at the locked file's name, as a file last changed at `touched`: in the place of the
 * file that is there and has our mark, or where there is none. Gives its descriptor.
 *
 * `whenReady` is called when all is ready but the name. Windows renames over no file that is open.
 */
export function publish(
  lock: Lock,
  bytes: Buffer,
  touched: number,
  durability: Durability,
  place: "over" | "new",
  whenReady?: () => void,
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
    whenReady?.();
    const put = place === "over" ? renameIfThere : putWhereNothingIs;
    if (!put(path, lock.file)) throw lockLost(lockFile(lock.file));
    if (durability === "full") syncDirectory(lock.file);
  } catch (error) {
    closeUnheard(fd);
    unlinkUnheard(path);
    throw error;
  }
  return isWindows && place === "new" ? openedAgain(lock, fd) : fd;
}

/** Windows keeps a name that was removed as long as a file is open that was opened by it; we may need ours again. */
function openedAgain(lock: Lock, fd: number): number {
  closeSync(fd);
  const again = openIfThere(lock.file, constants.O_RDWR);
  if (again !== undefined && isMine(lock)) return again;
  if (again !== undefined) closeUnheard(again);
  throw lockLost(lockFile(lock.file));
}

/** Gives the file `from` the name `to`, if nothing is there, and `from` has not been removed. Whether it did. */
function putWhereNothingIs(from: string, to: string): boolean {
  const isLinked = linkIfAbsent(from, to);
  if (isLinked === true) unlinkIfThere(from);
  if (isLinked !== "linkless") return isLinked === true;
  try {
    closeSync(createFile(to).fd);
  } catch (error) {
    if (errno(error) === "EEXIST") return false;
    throw error;
  }
  return renameIfThere(from, to);
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
  const { bytes, mtimeMs } = closeAfter(fd, () => {
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
    return { bytes, mtimeMs };
  });
  // Whatever the durability of those who wrote it: this copy is not to be less.
  closeSync(publish(lock, bytes, mtimeMs, "file", "over"));
}

/**
 * Makes what has been renamed and removed in the directory of `file` durable. Windows flushes no
 * directory; there the file is flushed once more, under its name, if it has one: that is all it has
 * to offer. (A session that was removed says so itself, and that has been flushed.)
 */
export function syncDirectory(file: string): void {
  if (isWindows) {
    const fd = openIfThere(file, constants.O_RDWR);
    if (fd !== undefined) closeAfter(fd, () => fsyncSync(fd));
    return;
  }
  const fd = openSync(dirname(file), constants.O_RDONLY);
  closeAfter(fd, () => fsyncSync(fd));
}

/** Sets when the session was last stored or touched, in milliseconds since the epoch. */
export function setTouched(fd: number, ms: number): void {
  if (ms === 0) return setToNoTime(fd);
  // Seconds as a double are 0.1 us off, and Deno (2.9) gives the milliseconds of an mtime rounded
  // down: what is to be 535 ms must not be a little less.
  const seconds = (Math.round(ms) + 0.0005) / 1000;
  futimesSync(fd, seconds, seconds);
}

/** Sets the mtime 0, which no session has, and every `clean` looks at. */
function setToNoTime(fd: number): void {
  try {
    futimesSync(fd, 0, 0);
  } catch (error) {
    if (errno(error) !== "EINVAL") throw error;
    // Windows, on a disk whose time begins in 1980.
    futimesSync(fd, firstTimeMs / 1000, firstTimeMs / 1000);
  }
}

/** What FAT makes of every earlier moment, in some zone's time. */
const firstTimeMs = Date.UTC(1980, 0, 2);
const dayMs = 86_400_000;

/** Whether this is the mtime 0, as the file system has it. */
export function isNoTime(ms: number): boolean {
  return ms === 0 || Math.abs(ms - firstTimeMs) < 2 * dayMs;
}

/**
 * A descriptor of a file that somebody may have removed; `undefined` when it is not there, or, where
 * `access` would make it with this `mode`, when its directory is not. Neither a planted link is
 * followed nor a planted FIFO waited for.
 */
export function openIfThere(
  path: string,
  access: number = constants.O_RDONLY,
  mode?: number,
): number | undefined {
  for (let tries = 0; ; tries++)
    try {
      return openSync(path, access | constants.O_NOFOLLOW | constants.O_NONBLOCK, mode);
    } catch (error) {
      if (errno(error) === "ENOENT") return undefined;
      if (!pausedFor(error, tries)) throw error;
    }
}

/** Renames a file that somebody may have removed. Whether it was there. */
export function renameIfThere(from: string, to: string): boolean {
  for (let tries = 0; ; tries++)
    try {
      renameSync(from, to);
      return true;
    } catch (error) {
      if (errno(error) === "ENOENT") return false;
      if (!pausedFor(error, tries)) throw error;
    }
}

/**
 * Gives a file a second name: whether it did. `undefined` when somebody has removed the file; when
 * something is at that name it did not. `"linkless"` where no file can have a second name.
 */
export function linkIfAbsent(from: string, to: string): boolean | undefined | "linkless" {
  for (let tries = 0; ; tries++)
    try {
      linkSync(from, to);
      return true;
    } catch (error) {
      if (errno(error) === "EEXIST") return false;
      if (errno(error) === "ENOENT") return undefined;
      if (isLinkless(error)) return "linkless";
      if (!pausedFor(error, tries)) throw error;
    }
}
