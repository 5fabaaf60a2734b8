// The directory that holds the sessions: made, resolved once, and checked before the first request
// needs it.
//
// A disk that is unmounted leaves an empty directory, or none: every session would be a miss, and
// what is stored would be hidden when the disk is back. So it is noted which disk a directory is
// on, by its device number. A disk that is mounted again may have another number, and is known by
// what is on it.

import {
  accessSync,
  chmodSync,
  constants,
  lstatSync,
  mkdirSync,
  opendirSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import { badDir, errno, SessionError } from "../core/error.ts";
import { isWindows } from "../core/platform.ts";
import { warnOnce } from "../core/warning.ts";
import { warnOfNetworkDisk } from "./network-disk.ts";

/**
 * The disk each directory was on when this process opened it first, and whose it was then. Whoever
 * may put another one in its place later is not trusted for that.
 */
const opened = new Map<string, { disk: number; owner: number }>();

/**
 * The full name of `fileDir`, which is a directory we can read and write, and not everybody else. A
 * missing one is made, 0700 whatever the umask. A link is resolved here, once: pointing it
 * elsewhere later moves no session. Throws `ERR_SESSION_DIR`.
 */
export function openDirectory(fileDir: string): string {
  const path = resolve(fileDir);
  makeDirectory(path);
  try {
    const real = realpathSync(path);
    const stats = statSync(real);
    if (!stats.isDirectory())
      throw badDir(path, "it is not a directory. Name another `fileDir`, or move that file away");
    accessSync(real, constants.R_OK | constants.W_OK | constants.X_OK);
    // Where disks are shared over a network, modes are what the mount says: 0777 as often as not.
    if (!warnOfNetworkDisk(real)) assertNotEverybodys(real, stats);
    if (opened.has(real)) confirmDirectory(real);
    opened.set(real, { disk: stats.dev, owner: stats.uid });
    return real;
  } catch (error) {
    throw explain(path, error);
  }
}

/**
 * Throws `ERR_SESSION_DIR` unless the directory is there, on the disk it was on: only then does a
 * file that is `missing` mean that there is no session.
 */
export function confirmDirectory(path: string, missing?: unknown): void {
  try {
    const stats = assertSameDirectory(path);
    if (stats === undefined) throw badDir(path, "it has been removed", missing);
    const known = opened.get(path);
    if (stats.dev === known?.disk) return;
    if (!holdsSessions(path)) throw badDir(path, isGone, missing);
    if (known) known.disk = stats.dev;
  } catch (error) {
    throw explain(path, error);
  }
}

const isGone =
  "its disk is not there any more. Mount it again, or restart if the sessions are to begin anew";

// A lock may be there without its disk, and has a dot in its name.
function holdsSessions(path: string): boolean {
  const directory = opendirSync(path);
  try {
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync())
      if (!entry.name.includes(".")) return true;
    return false;
  } finally {
    directory.closeSync();
  }
}

/**
 * Throws `ERR_SESSION_DIR` when something else stands where the directory was: a link, a file, a
 * directory of somebody else's. None at all is no error here, and gives `undefined`: a store makes it
 * again.
 *
 * It costs one lstat. Between this look and the call it is for, somebody who may write above the
 * directory could still be faster: Node has no openat(2).
 */
export function assertSameDirectory(fileDir: string): Stats | undefined {
  let stats;
  try {
    stats = lstatSync(fileDir, { throwIfNoEntry: false });
  } catch (error) {
    throw explain(fileDir, error);
  }
  if (stats === undefined) return undefined;
  if (!stats.isDirectory())
    throw badDir(
      fileDir,
      "something else stands where the directory was. Find out who made it, and remove it",
      new Error(`lstat gave mode ${stats.mode.toString(8)} and owner ${stats.uid}`),
    );
  if (!isTrusted(stats.uid, fileDir))
    throw badDir(
      fileDir,
      `it belongs to user ${stats.uid} now. If that is right, restart this process; if not, find out who made it, and remove it`,
    );
  return stats;
}

/**
 * Whether what belongs to this user, in this directory, is not somebody else's doing: ours, root's,
 * or that of the directory's owner, who can do there what they like anyway.
 */
export function isTrusted(uid: number, fileDir: string): boolean {
  return uid === opened.get(fileDir)?.owner || uid === 0 || isOurs(uid);
}

/** The same of a file, which costs less: most are our own. */
export function isTrustedFile(uid: number, file: string): boolean {
  return isOurs(uid) || isTrusted(uid, dirname(file));
}

function isOurs(uid: number): boolean {
  const ours = process.geteuid?.();
  // Windows has no such users: there the directory's access list decides.
  return ours === undefined || uid === ours;
}

/** Makes the directory, and those above it, unless it is there. Throws `ERR_SESSION_DIR`. */
export function makeDirectory(path: string): void {
  try {
    if (make(path) === "no parent") {
      makeDirectory(dirname(path));
      // Not `recursive`: where a file system says ENOENT for ever, as /proc does, Node tries for
      // ever.
      if (make(path) === "no parent") throw badDir(path, "no directory can be made there");
    }
  } catch (error) {
    throw explain(path, error);
  }
}

function make(path: string): "made" | "there" | "no parent" {
  try {
    mkdirSync(path, 0o700);
    if (!isWindows) chmodSync(path, 0o700); // the umask may have taken bits of ours away
    return "made";
  } catch (error) {
    if (errno(error) === "EEXIST") return "there";
    if (errno(error) === "ENOENT" && dirname(path) !== path) return "no parent";
    throw error;
  }
}

const writtenByAll = 0o002;
const sticky = 0o1000;

/**
 * Throws `ERR_SESSION_DIR` when every user of this machine may remove and replace the files in the
 * directory, or may have put it there. A group that may write it is taken for meant: with a umask
 * of 002, and on volumes that are made for a group, it is everywhere.
 */
function assertNotEverybodys(path: string, stats: Stats): void {
  const ours = process.geteuid?.();
  if (ours === undefined) return; // Windows: the modes that Node gives there say nothing
  if (stats.mode & writtenByAll && !(stats.mode & sticky))
    throw badDir(
      path,
      "every user of this machine may remove and replace the files in it. " +
        `Run: chmod o-w ${path}, or name a new directory in it: it is made for this user alone`,
    );
  let { uid } = stats;
  for (let child = path; dirname(child) !== child; child = dirname(child)) {
    const parent = dirname(child);
    const above = lstatSync(parent);
    if (above.mode & writtenByAll && uid !== ours && uid !== 0)
      throw badDir(
        path,
        `every user of this machine may make files in ${parent}, and ${child} belongs to user ${uid}, who may have put it there. ` +
          `If it is meant, run: chown ${ours} ${child}; or name another \`fileDir\``,
      );
    if (above.mode & writtenByAll && !(above.mode & sticky)) warnOfOpenParent(path, parent);
    ({ uid } = above);
  }
}

// Not refused: volumes of containers are mounted 0777 often enough, by Kubernetes for one, and who
// runs in such a container can seldom change it. What is put in the directory's place is refused
// when it comes to that.
function warnOfOpenParent(path: string, parent: string): void {
  warnOnce(
    `Sessions are kept in ${path}, and every user of this machine may move that away, since they may write ${parent}. Run: chmod o-w ${parent}, or chmod +t ${parent}`,
    "FILESESSION_OPEN_PARENT",
  );
}

function explain(path: string, error: unknown): unknown {
  if (error instanceof SessionError) return error;
  switch (errno(error)) {
    case "EEXIST":
    case "ENOTDIR":
      return badDir(
        path,
        "it, or something above it, is not a directory. Name another `fileDir`",
        error,
      );
    case "EACCES":
    case "EPERM":
      return badDir(
        path,
        `this process may not read and write it. Run: ${
          isWindows
            ? `icacls "${path}" /grant "%USERNAME%:(OI)(CI)M"`
            : `chown ${process.getuid?.() ?? "<user>"} ${path} && chmod 700 ${path}`
        }`,
        error,
      );
    case "EROFS":
      return badDir(path, "its file system is read-only. Name another `fileDir`", error);
    case "ELOOP":
    case "ENOENT":
      return badDir(path, "it is a link that leads nowhere. Remove or mend the link", error);
    case undefined:
      return error;
    default:
      return badDir(path, error instanceof Error ? error.message : String(error), error);
  }
}
