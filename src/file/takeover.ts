// Taking over a stale lock: one of all who want to, see lock.ts.

import { type BigIntStats, closeSync, fstatSync, linkSync, lstatSync, writeSync } from "node:fs";
import { errno, placeFailed } from "../core/error.ts";
import { createFile, inodeOf, type Lock, newToken, statLock, unlinkIfThere } from "./lock.ts";
import { companionFile, lockFile } from "./names.ts";
import { moveToNewInode, openIfThere, readAll, renameIfThere } from "./publish.ts";

/** Which lock this is, and that its holder has given no sign of life since. */
export function incarnationOf(stats: BigIntStats): string {
  return `${stats.ino.toString(36)}-${stats.mtimeNs.toString(36)}`;
}

/**
 * Our lock in the place of the stale one `held`; `undefined` when another one is at it, or it is
 * not stale after all. `isStale` judges by a moment that the file system's own clock has given, in
 * milliseconds.
 */
export function takeOver(
  file: string,
  held: BigIntStats,
  isStale: (mtimeMs: number, nowMs: number) => boolean,
): Lock | undefined {
  const token = newToken();
  const take = companionFile(file, token, "take");
  let fd: number | undefined;
  try {
    const made = createFile(take);
    fd = made.fd;
    writeSync(fd, token, 0, "latin1");
    const mine = { file, fd, inode: inodeOf(made.stats), token };
    const now = Number(fstatSync(fd, { bigint: true }).mtimeMs);
    const isOld = (mtimeMs: number): boolean => isStale(mtimeMs, now);
    if (isOld(Number(held.mtimeMs)) && inherit(mine, take, held, isOld)) {
      fd = undefined; // the lock's, from now on
      return mine;
    }
    return undefined;
  } catch (error) {
    throw placeFailed("take over the lock of", file, error);
  } finally {
    if (fd !== undefined) {
      closeSync(fd);
      unlinkIfThere(take);
    }
  }
}

/** Puts our lock, which is ready at `take`, in the place of `held`. Whether it came to that. */
function inherit(
  lock: Lock,
  take: string,
  held: BigIntStats,
  isStale: (mtimeMs: number) => boolean,
): boolean {
  const { file } = lock;
  const holder = openIfThere(lockFile(file));
  if (holder === undefined) return false;
  try {
    const claims = claim(file, take, incarnationOf(held), isStale);
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
    // Only now: what the holder has noted before we replaced its lock is all that it can still act
    // on.
    const token = tokenIn(holder);
    if (token !== undefined) unlinkIfThere(companionFile(file, token, "new"));
    // Should this fail, our lock stays where it is: until the inode is a new one, the holder can
    // still write. The next one tries again in 60 s.
    moveToNewInode(lock);
    return true;
  } finally {
    closeSync(holder);
  }
}

/**
 * Makes us the one who may replace the lock `incarnation`. The names that say so, or `undefined`
 * when it is another one.
 */
function claim(
  file: string,
  take: string,
  incarnation: string,
  isStale: (mtimeMs: number) => boolean,
): string[] | undefined {
  const claims: string[] = [];
  for (let ancestor = incarnation; ;) {
    const heir = companionFile(file, ancestor, "heir");
    if (linkIfAbsent(take, heir)) return [...claims, heir];
    const rival = lstatSync(heir, { bigint: true, throwIfNoEntry: false });
    if (rival === undefined) continue;
    if (!isStale(Number(rival.mtimeMs))) return undefined;
    const token = tokenAt(heir);
    if (token === undefined) return undefined; // half made; `clean` collects it
    unlinkIfThere(companionFile(file, token, "take"));
    claims.push(heir);
    ancestor = token;
  }
}

function linkIfAbsent(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (errno(error) === "EEXIST") return false;
    throw error;
  }
}

/** The token in the file `path`; `undefined` when there is none, or no file. */
export function tokenAt(path: string): string | undefined {
  const fd = openIfThere(path);
  if (fd === undefined) return undefined;
  try {
    return tokenIn(fd);
  } finally {
    closeSync(fd);
  }
}

// A neighbour's lock may hold anything; what is not a token of ours names no file of ours.
function tokenIn(fd: number): string | undefined {
  return /^[0-9a-f]{32}$/.exec(readAll(fd, 64).toString("latin1"))?.[0];
}
