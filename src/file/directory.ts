// The directory that holds the sessions: made, resolved once, and checked before the first request
// needs it.

import { accessSync, chmodSync, constants, mkdirSync, realpathSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { badDir, errno } from "../core/error.ts";

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
    if (!statSync(real).isDirectory())
      throw badDir(path, "it is not a directory. Name another `fileDir`, or move that file away");
    accessSync(real, constants.R_OK | constants.W_OK | constants.X_OK);
    return real;
  } catch (error) {
    throw explain(path, error);
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
