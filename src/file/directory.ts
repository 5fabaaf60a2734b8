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
  statSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import { badDir, errno, SessionError } from "../core/error.ts";

/** The disk each directory was on when this process opened it first. */
const disks = new Map<string, number>();

/**
 * The full name of `fileDir`, which is a directory we can read and write. A missing one is made,
 * 0700 whatever the umask. A link is resolved here, once: pointing it elsewhere later moves no
 * session. Throws `ERR_SESSION_DIR`.
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
    if (disks.has(real)) confirmDirectory(real);
    else disks.set(real, stats.dev);
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
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw badDir(path, "it has been removed", missing);
  if (stats.dev === disks.get(path)) return;
  if (!holdsSessions(path)) throw badDir(path, isGone, missing);
  disks.set(path, stats.dev);
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
    chmodSync(path, 0o700); // the umask may have taken bits of ours away
    return "made";
  } catch (error) {
    if (errno(error) === "EEXIST") return "there";
    if (errno(error) === "ENOENT" && dirname(path) !== path) return "no parent";
    throw error;
  }
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
        `this process may not read and write it. Run: chown ${process.getuid?.() ?? "<user>"} ${path} && chmod 700 ${path}`,
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
