// How a session file comes to be on a new inode: written beside it under a name that holds our
// token, renamed over it.
//
// rename(2) is atomic within one file system: a reader has the old file or the new one. That the
// rename is ours to do is not checked, it is built in: whoever takes our lock over removes the file
// by the token that stands in the lock, and the rename finds nothing.

import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  futimesSync,
  openSync,
  readSync,
  renameSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { errno, lockLost } from "../core/error.ts";
import { createFile, isMine, type Lock, noteToken, unlinkIfThere } from "./lock.ts";
import { companionFile, lockFile } from "./names.ts";

/**
 * What an acknowledged write survives.
 * - `process`: the death of every process, not a power cut. Damage by one is found, never used.
 * - `file`: after a power cut a session is its old or its new version, never less.
 * - `full`: acknowledged is durable, removal included.
 */
export type Durability = "process" | "file" | "full";

/**
 * Puts `bytes` at the locked file's name, as a file last changed at `touched`. Gives its
 * descriptor.
 */
export function publish(
  lock: Lock,
  bytes: Buffer,
  touched: number,
  durability: Durability,
): number {
  const path = companionFile(lock.file, noteToken(lock), "new");
  const { fd } = createFile(path);
  try {
    writeAll(fd, bytes, 0);
    setTouched(fd, touched);
    if (durability !== "process") fsyncSync(fd);
    // The token stands in the lock since before this look: if it is ours now, the next owner will
    // have read it.
    if (!isMine(lock) || !renameIfThere(path, lock.file)) throw lockLost(lockFile(lock.file));
    if (durability === "full") syncDirectory(lock.file);
    return fd;
  } catch (error) {
    closeSync(fd);
    unlinkIfThere(path);
    throw error;
  }
}

/**
 * Moves the locked session, whatever its bytes are, to a new inode, so that nobody who has the old
 * one open can reach it.
 */
export function moveToNewInode(lock: Lock): void {
  const fd = openIfThere(lock.file);
  if (fd === undefined) return;
  try {
    const { size, mtimeMs } = fstatSync(fd);
    const copy = publish(lock, readAll(fd, size), mtimeMs, "process");
    closeSync(copy);
  } finally {
    closeSync(fd);
  }
}

/**
 * Writes all bytes, or throws: write(2) may write fewer than it was asked to, on a full disk for
 * one.
 */
export function writeAll(fd: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
}

/** The first `size` bytes, or as many as there are. */
export function readAll(fd: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  let done = 0;
  while (done < size) {
    const count = readSync(fd, bytes, done, size - done, done);
    if (count === 0) break;
    done += count;
  }
  return bytes.subarray(0, done);
}

/** Makes what has been renamed and removed in the directory of `file` durable. */
export function syncDirectory(file: string): void {
  const fd = openSync(dirname(file), constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Sets when the session was last stored or touched, in milliseconds since the epoch. */
export function setTouched(fd: number, ms: number): void {
  futimesSync(fd, ms / 1000, ms / 1000);
}

/**
 * A descriptor to read a file that somebody may have removed; `undefined` when it is not there.
 * Neither a planted link is followed nor a planted FIFO waited for.
 */
export function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
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
