// The lock of one session file: who may write it.
//
// What others see. `<file>.lock`, a regular file made with O_CREAT|O_EXCL. Whoever makes it holds
// the lock; unlinking it gives it back; one whose mtime is more than 60 s ago is stale, and may be
// taken over. Any program that follows this is respected, and respects us. Readers need no lock: a
// record file has a whole version in it at every moment (see record.ts).
//
// What keeps it safe. A name can be unlinked or replaced by anybody, and no check before a write
// holds until the write: a process can be stopped between the two for minutes, and come back after
// its lock was taken over. So safety does not rest on the name, but on the file descriptor that the
// holder writes through:
//
//   holder   make .lock · open the record · CONFIRM that .lock is still mine · read · write through the descriptor · CONFIRM · acknowledge
//   taker    replace .lock by mine · put the record on a NEW INODE (copy, rename over) · then go on like any holder
//
// A paused holder's late write lands on the inode that nobody can reach any more, and its second
// confirmation fails. An acknowledged write was confirmed after it was made, so the taker, who
// replaces the lock first and copies second, has it in the copy.
//
// A holder that must put another file at the session's name (a new session, one that outgrew its
// slots, the taker's own copy) makes it under a name that holds the token of its lock. Whoever comes
// next finds that token and unlinks the file: the late rename finds nothing. The token of a holder
// that is about to replace a file stands in the mark of that file (record.ts), so it is found even
// if one taker after the other dies. A new session has no file yet; there the token is found in the
// lock, and link(2), which replaces nothing, puts it at its name.
//
// Giving back is `lstat` and then `unlink` of a fixed name. A process that is stopped exactly between
// the two, until its lock has been taken over, removes the lock of whoever holds it then, and a
// third may enter beside the second, by the front door and without a copy. So from the first
// takeover on the file of a session is `wary`: every holder puts its token into the mark before it
// reads, and takes it out when it is done. Who finds somebody else's token there behaves like a
// taker, and goes on in a copy. A session that no lock was ever taken over of pays nothing for it.
//
// Taking over. Several waiters see the same stale lock; one may have it. Each makes
// `<file>.<token>.take`, which is to become the lock, and links it to `<file>.<identity of the
// stale lock>.heir`: link(2) lets one of them do that. The heir looks once more whether the stale
// lock is still there and renames its file over it. Should the heir die or stall for 60 s, the next
// one unlinks the heir's `.take`, so that its rename fails, and links itself as heir of the heir.
// Every step that matters acts on a name that holds a token, so being late is harmless.
//
// A holder whose process is gone is not waited for: its lock says which process that was
// (holder.ts). Nothing rests on that either, it only saves time.
//
// Windows renames over no file that is open, so there nobody takes over a lock, or a session, from
// a holder that lives: what is paused is waited for, and what died has nothing open. Every rename
// over a file is made with our own descriptors of it closed. See platform.ts.
//
// What a crash leaves behind: a lock that is taken over at once, or after 60 s when it cannot be
// told that its holder is gone; perhaps a `.new`, `.take` or `.heir`, which `clean` collects.
//
// Why this way. Three others were weighed: git's (the lock is the new file) tears a file when a
// paused holder resumes after a takeover; a lock and a temporary file, checked before the rename,
// loses updates in the window between; a slot directory entered by conditional renames is exact,
// and costs more than a rename over an existing file for every write. Writing in place costs a
// tenth of that rename, and the descriptor makes it as safe.
//
// How that is known. test/storm/interleavings runs this very code over a disk in memory, in every
// order in which 2 and 3 processes can make their calls, each of them a step, while waiters may
// believe at any moment that a lock is stale, and anybody may die anywhere: nothing lost, torn,
// resurrected, forked or stuck. Two processes with two updates each and one wrong belief have
// 2,070,135 states, all of them visited. It found what was wrong here before: the late release
// above, moves that were told from a copy still under way, and a session that a closing error left
// locked. With a guard taken out it goes red. Storms of real processes do the same by chance: 20,035
// updates acknowledged under 203 kills and 522 pauses, 300 pauses at every call, 2,000 herds of 32;
// nothing lost, one owner each (`npm run test:storm`).
//
// What stays open. (1) and (2) only for an id that is used again after its session was removed, which
// no session of `useFileSession` is.
// (1) The mark goes with the file. A late release that began before the removal meets a new file
// without one; for something to be lost the second and the third must then be stopped, too, each in
// the midst of its own write.
// (2) A file leaves its name by a rename that cannot be made conditional (`#vacate` in
// session-file.ts): `clean` stopped right before it, for 60 s, moves away what was made anew since,
// and puts it back; who opens that name in the microseconds between makes a session where there was
// one.
// (3) A reader takes no lock. Should a holder who has lost his come to in the millisecond in which
// the taker copies, and write, then who reads right then reads that write, and nobody ever again.
//
// What it costs: one open, one write, one close, one unlink, and an lstat for each confirmation.
//
// wait.ts waits for a lock, takeover.ts takes a stale one over, publish.ts puts files at their names.

import {
  type BigIntStats,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  futimesSync,
  lstatSync,
  openSync,
  type Stats,
  unlinkSync,
} from "node:fs";
import { dirname } from "node:path";
import { errno, isNoRoom, placeFailed } from "../core/error.ts";
import { isWindows } from "../core/platform.ts";
import { closeUnheard, writeAll } from "./descriptor.ts";
import { makeDirectory } from "./directory.ts";
import { storyOf } from "./holder.ts";
import { lockFile } from "./names.ts";
import { isInUse, pausedFor } from "./platform.ts";

/** A lock we hold, or held: `isMine` says which. */
export interface Lock {
  /** The session file it is for. */
  readonly file: string;
  /** Its own name. */
  readonly path: string;
  /**
   * Open as long as we believe that we hold it, so that its inode number cannot be given to another
   * file.
   */
  readonly fd: number;
  readonly inode: string;
  /** What we put at the session's name is named by it. */
  readonly token: string;
  /** Whether the token stands in the lock. */
  isSigned: boolean;
  /** Whether it was somebody else's, who may not know yet. */
  readonly isTaken: boolean;
}

/**
 * The lock of `file`, if nobody holds it. One that is there counts as held, stale or not; and so
 * does, on Windows, one that cannot be made because the one before is not quite gone, unless this
 * is the `last` try.
 */
export function tryLock(file: string, isLast = false): Lock | undefined {
  const path = lockFile(file);
  try {
    return lockOn(file, path);
  } catch (error) {
    if (errno(error) === "EEXIST" || (!isLast && isInUse(error))) return undefined;
    if (errno(error) !== "ENOENT") throw placeFailed("lock", file, error);
  }
  // Somebody has removed the directory under a running server. There is no session in it, but there
  // can be one again.
  makeDirectory(dirname(path));
  try {
    return lockOn(file, path);
  } catch (error) {
    if (errno(error) === "EEXIST") return undefined;
    throw placeFailed("lock", file, error);
  }
}

function lockOn(file: string, path: string): Lock {
  const token = newToken();
  const { fd, inode } = createFile(path);
  const lock: Lock = { file, path, fd, inode, token, isTaken: false, isSigned: false };
  try {
    sign(lock);
  } catch (error) {
    // On a full disk a session can still be overwritten and removed, with a lock that says nothing.
    if (isNoRoom(error)) return lock;
    closeUnheard(fd);
    unlinkUnheard(path);
    throw error;
  }
  return lock;
}

/** Makes sure that the lock says whose it is, and by which token. */
export function sign(lock: Lock): void {
  if (lock.isSigned) return;
  writeAll(lock.fd, Buffer.from(storyOf(lock.token), "latin1"), 0);
  lock.isSigned = true;
}

/** Whether the lock is still ours: the confirmation. */
export function isMine(lock: Lock): boolean {
  try {
    return inodeAt(lock.path) === lock.inode;
  } catch (error) {
    if (isInUse(error)) return false; // somebody has removed it, and we still have it open
    throw placeFailed("look at the lock of", lock.file, error);
  }
}

/** The lock of `file` as it lies there, whoever made it; `undefined` when there is none. */
export function statLock(file: string): BigIntStats | undefined {
  try {
    return lstatSync(lockFile(file), { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    if (isInUse(error)) return undefined; // removed, and still open somewhere
    throw placeFailed("look at the lock of", file, error);
  }
}

/** Gives the lock back. Whether it was still ours, which is the confirmation after a write. */
export function releaseLock(lock: Lock): boolean {
  try {
    let isOurs;
    try {
      isOurs = isMine(lock) && unlinkIfThere(lock.path);
    } catch (error) {
      if (isInUse(error)) return releaseLater(lock);
      closeUnheard(lock.fd);
      throw error;
    }
    closeSync(lock.fd);
    return isOurs;
  } catch (error) {
    throw placeFailed("unlock", lock.file, error);
  }
}

const laterMs = 100;

/**
 * The lock is ours, and another program has it open so that it cannot be removed: it is as soon as
 * that is over. What was written under it is confirmed. Should this process end before, the lock is
 * one that a crash has left.
 */
function releaseLater(lock: Lock): true {
  const timer = setInterval(() => {
    try {
      if (isMine(lock)) unlinkSync(lock.path);
    } catch (error) {
      if (isInUse(error)) return;
    }
    clearInterval(timer);
    closeUnheard(lock.fd);
  }, laterMs);
  timer.unref();
  return true;
}

/** Gives the lock back while an error is on its way to the caller. */
export function releaseUnheard(lock: Lock): void {
  try {
    releaseLock(lock);
  } catch {
    // The place is broken, and the caller is about to hear of it. The lock is stale in 60 s.
  }
}

/**
 * Shows that the holder is alive. Through the descriptor: whatever the name stands for by now, this
 * is our own lock. By writing what stands there: so the mtime is of the file system's clock, and not
 * of ours.
 */
export function refreshLock(lock: Lock): void {
  lock.isSigned = false;
  sign(lock);
  if (!isWindows) return;
  // There a file that is written to and not closed keeps its mtime.
  const now = Date.now() / 1000;
  futimesSync(lock.fd, now, now);
}

/**
 * 122 random bits in 32 hex digits. Never used twice, so a name that holds one has one owner for
 * ever. A UUID costs a tenth of `randomBytes`, which does not draw in advance.
 */
export function newToken(): string {
  return process.getBuiltinModule("node:crypto").randomUUID().replaceAll("-", "");
}

export function isToken(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text);
}

const asNewFile = constants.O_CREAT | constants.O_EXCL | constants.O_RDWR | constants.O_NOFOLLOW;

/**
 * Makes a file that was not there. Mode 0600 whatever the umask. Throws the system's error,
 * `EEXIST` among them.
 */
export function createFile(path: string): { fd: number; inode: string } {
  const fd = openSync(path, asNewFile, 0o600);
  try {
    const stats = fstatSync(fd);
    if ((stats.mode & 0o777) !== 0o600 && !isWindows) fchmodSync(fd, 0o600);
    return { fd, inode: inodeIn(stats) ?? inodeOf(fstatSync(fd, { bigint: true })) };
  } catch (error) {
    closeUnheard(fd);
    unlinkUnheard(path);
    throw error;
  }
}

/** Removes a file that may be gone already. Whether it was there. */
export function unlinkIfThere(path: string): boolean {
  for (let tries = 0; ; tries++)
    try {
      unlinkSync(path);
      return true;
    } catch (error) {
      if (errno(error) === "ENOENT") return false;
      if (!pausedFor(error, tries)) throw error;
    }
}

/** Removes a file while an error is on its way to the caller. */
export function unlinkUnheard(path: string): void {
  try {
    unlinkIfThere(path);
  } catch {
    // The caller is about to hear of what failed first; `clean` collects the file.
  }
}

/**
 * Which file this is in its directory, whatever its name. Only as long as somebody has it open:
 * inode numbers are used again. Windows has half of a disk's number in fstat and all of it in lstat
 * with libuv 1.49 and 1.50, of Node 22 and 24: there it does not count.
 */
export function inodeOf({ dev, ino }: Pick<BigIntStats | Stats, "dev" | "ino">): string {
  return isWindows ? ino.toString(36) : `${dev.toString(36)}-${ino.toString(36)}`;
}

/** Which file is at this name; `undefined` when there is none. */
function inodeAt(path: string): string | undefined {
  const stats = lstatSync(path, quietly);
  if (stats === undefined) return undefined;
  const inode = inodeIn(stats);
  if (inode !== undefined) return inode;
  const exact = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return exact && inodeOf(exact);
}

const quietly = { throwIfNoEntry: false } as const;

/**
 * The same as `inodeOf` says, where a number can hold it: Windows and some network disks need more
 * than 53 bits. It costs less than bigints, which few systems need.
 */
function inodeIn(stats: Stats): string | undefined {
  const isExact = Number.isSafeInteger(stats.ino) && Number.isSafeInteger(stats.dev);
  return isExact ? inodeOf(stats) : undefined;
}
