// Taking over a stale lock: one of all who want to, see lock.ts.

import { type BigIntStats, fstatSync, lstatSync } from "node:fs";
import { errno, isSessionError, placeFailed } from "../core/error.ts";
import { isWindows } from "../core/platform.ts";
import { closeAfter, closeUnheard, readAll, writeAll } from "./descriptor.ts";
import { storyBytes, storyOf, tokenIn } from "./holder.ts";
import {
  createFile,
  isMine,
  type Lock,
  newToken,
  statLock,
  unlinkIfThere,
  unlinkUnheard,
} from "./lock.ts";
import { companionFile, lockFile } from "./names.ts";
import { linkIfAbsent, moveToNewInode, openIfThere, renameIfThere, revoke } from "./publish.ts";

/**
 * Which lock this is, and that its holder has given no sign of life since. All who want to take it
 * over must say the same, whatever they run on: Deno (2.9) knows no more of an mtime than its
 * milliseconds. Signs of life are seconds apart.
 */
export function incarnationOf(stats: BigIntStats): string {
  return `${stats.ino.toString(36)}-${stats.mtimeMs.toString(36)}`;
}

/**
 * Whether the holder of a lock is given up: by the lock's mtime and by what stands in it. `nowMs` is
 * a moment that the file system's own clock has given, in milliseconds.
 */
export type Judge = (mtimeMs: number, nowMs: number, story: string) => boolean;

/**
 * Our lock in the place of `held`, whose holder is given up; `undefined` when another one is at it,
 * or it is not given up after all.
 */
export function takeOver(file: string, held: BigIntStats, isGivenUp: Judge): Lock | undefined {
  const token = newToken();
  const take = companionFile(file, token, "take");
  let fd: number | undefined;
  try {
    const made = createFile(take);
    fd = made.fd;
    writeAll(fd, Buffer.from(storyOf(token), "latin1"), 0);
    const { inode } = made;
    const path = lockFile(file);
    const mine: Lock = { file, path, fd, inode, token, isTaken: true, isSigned: true };
    const now = Number(fstatSync(fd, { bigint: true }).mtimeMs);
    const isOver = (mtimeMs: bigint, story: string): boolean =>
      isGivenUp(Number(mtimeMs), now, story);
    if (!inherit(mine, take, held, isOver)) return undefined;
    fd = undefined; // the lock's, from now on
    return mine;
  } catch (error) {
    throw placeFailed("take over the lock of", file, error);
  } finally {
    if (fd !== undefined) {
      closeUnheard(fd);
      unlinkUnheard(take);
    }
  }
}

type IsOver = (mtimeMs: bigint, story: string) => boolean;

/** Puts our lock, which is ready at `take`, in the place of `held`. Whether it came to that. */
function inherit(lock: Lock, take: string, held: BigIntStats, isOver: IsOver): boolean {
  const holder = openIfThere(lockFile(lock.file)); // as long as it is open no other lock has its inode
  if (holder === undefined) return false;
  if (!isWindows)
    return closeAfter(holder, () => succeedTo(lock, take, held, () => storyIn(holder), isOver));
  // Windows renames over no file that is open: not while we have it open, nor its holder, who can
  // say nothing new in it after that. And NTFS does not use a number again.
  const story = closeAfter(holder, () => storyIn(holder));
  return succeedTo(lock, take, held, () => story, isOver);
}

function succeedTo(
  lock: Lock,
  take: string,
  held: BigIntStats,
  story: () => string,
  isOver: IsOver,
): boolean {
  const { file, token } = lock;
  if (!isOver(held.mtimeMs, story())) return false;
  const claims = claim(file, take, token, incarnationOf(held), isOver);
  if (claims === undefined) return false;
  // From here on nobody but the holder itself can put an end to `held`, unless we stall: then our
  // rename will find nothing.
  const found = statLock(file);
  if (found === undefined || incarnationOf(found) !== incarnationOf(held)) {
    claims.forEach(unlinkIfThere);
    return false;
  }
  if (!renameIfThere(take, lockFile(file))) return false; // our claims stay: our own heir builds on them
  claims.forEach(unlinkIfThere);
  // Only now: a new session that the holder has not put at its name yet never gets there. A holder
  // who signs the lock from now on finds out that it is not his.
  revoke(file, tokenIn(story()) ?? "");
  // Should this fail, our lock stays where it is: until the inode is a new one, the holder can
  // still write. The next one tries again in 60 s.
  leaveTheInode(lock);
  return true;
}

/**
 * The holder, who does not know yet, may take our copy for somebody else's and revoke it, once. As
 * long as the lock is ours we make another.
 */
function leaveTheInode(lock: Lock): void {
  for (let tries = 1; ; tries++)
    try {
      return moveToNewInode(lock);
    } catch (error) {
      const isLost = isSessionError(error, "ERR_SESSION_LOCK_LOST");
      if (!isLost || tries === 5 || !isMine(lock)) throw error;
    }
}

/**
 * Makes us the one who may replace the lock `incarnation`. The names that say so, or `undefined`
 * when it is another one.
 */
function claim(
  file: string,
  take: string,
  token: string,
  incarnation: string,
  isOver: IsOver,
): string[] | undefined {
  const claims: string[] = [];
  let ancestor = incarnation;
  for (let tries = 0; tries < maxTries; tries++) {
    const heir = companionFile(file, ancestor, "heir");
    const isHeir = becomeHeir(take, heir, token);
    if (isHeir === true) return [...claims, heir];
    if (isHeir === undefined) return undefined; // somebody is our own heir
    const rival = lstatSync(heir, { bigint: true, throwIfNoEntry: false });
    if (rival === undefined) continue;
    const story = storyAt(heir);
    if (story === undefined || !isOver(rival.mtimeMs, story)) return undefined;
    const rivals = tokenIn(story);
    if (rivals === undefined) return undefined; // half made; `clean` collects it
    unlinkIfThere(companionFile(file, rivals, "take"));
    claims.push(heir);
    ancestor = rivals;
  }
  return undefined;
}

/**
 * Whether we are the one at the name `heir`; `undefined` when our own heir has removed our `take`.
 *
 * Where there is no link(2) the name is a file of its own with the same in it. It may be half made
 * for a moment, and then its maker is waited for; and it may come after our `take` was removed, and
 * then it stays, for our heir to build on. What counts is the rename of `take`.
 */
function becomeHeir(take: string, heir: string, token: string): boolean | undefined {
  const isLinked = linkIfAbsent(take, heir);
  if (isLinked !== "linkless") return isLinked;
  let fd;
  try {
    ({ fd } = createFile(heir));
  } catch (error) {
    if (errno(error) === "EEXIST") return false;
    throw error;
  }
  closeAfter(fd, () => writeAll(fd, Buffer.from(storyOf(token), "latin1"), 0));
  return lstatSync(take, { throwIfNoEntry: false }) === undefined ? undefined : true;
}

// Each try is somebody else's who went on: more of them than this are not there.
const maxTries = 100;

/** What stands in the lock `path`; `undefined` when there is none. */
export function storyAt(path: string): string | undefined {
  const fd = openIfThere(path);
  if (fd === undefined) return undefined;
  return closeAfter(fd, () => storyIn(fd));
}

function storyIn(fd: number): string {
  return readAll(fd, storyBytes).toString("latin1");
}
