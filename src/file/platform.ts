// What is not the same on every system and every file system, as far as session files are
// concerned.
//
// Windows. A file that somebody has open keeps its name: nothing can be renamed over it, and if it
// was opened without FILE_SHARE_DELETE, as scanners and backups do, it can be neither renamed nor
// removed. One that is removed while it is open keeps its name until it is closed by all (on Node
// 20; from libuv 1.49 on, NTFS lets go of the name at once), and whoever uses that name meanwhile
// is told EPERM. Node itself opens everything with FILE_SHARE_DELETE. libuv gives EBUSY for a
// sharing violation and EPERM for "access denied", which may be either of the above or a right that
// is really missing.
//
// So there EPERM, EBUSY and EACCES are worth another try, and nowhere else: on POSIX they are an
// answer.
//
// How long. What has to do with one session's file is one stretch without an `await`, and stays so:
// to give up the turn in the middle of it would let others in between what must be seen as one. It
// waits in place, with the event loop, for an eighth of a second in all. A scan of a small file
// takes milliseconds; git waits 71 ms in the same place. What takes longer is the caller's to hear
// of. The lock, which can wait without holding up anybody else, does: whoever wants it as long as
// `lockTimeout` says, and whoever gives it back until that can be done (lock.ts).

import { errno } from "../core/error.ts";
import { isWindows } from "../core/platform.ts";

/** Milliseconds between the tries: 127 in all. */
const pauses = [1, 2, 4, 8, 16, 32, 64];

/** Whether another program may have the file open, or one that was removed may still be on its way out. */
export function isInUse(error: unknown): boolean {
  if (!isWindows) return false;
  const code = errno(error);
  return code === "EPERM" || code === "EBUSY" || code === "EACCES";
}

/**
 * Waits before the next try, if `error` is worth one: so long as `tries` have failed before. Made
 * for the `catch` of a loop, so that what succeeds pays nothing.
 */
export function pausedFor(error: unknown, tries: number): boolean {
  const ms = pauses[tries];
  if (ms === undefined || !isInUse(error)) return false;
  never ??= new Int32Array(new SharedArrayBuffer(4));
  Atomics.wait(never, 0, 0, ms);
  return true;
}

let never: Int32Array | undefined;

/**
 * Whether this error of link(2) says that the file system knows no second names: FAT and exFAT,
 * many shares and FUSE file systems. EISDIR is what libuv makes of ERROR_INVALID_FUNCTION, which
 * Windows gives there; EPERM says so on Linux, and something else on Windows.
 */
export function isLinkless(error: unknown): boolean {
  const code = errno(error) ?? "";
  return isWindows
    ? code === "EISDIR" || noLinks.includes(code)
    : code === "EPERM" || noLinks.includes(code);
}

const noLinks = ["ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"];

// Also with an extension, `con.lock`, on all Windows before 11.
const deviceName = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])$/i;

/** Whether Windows takes this name for a device, in whatever directory. Elsewhere it is a name like others. */
export function isDeviceName(name: string): boolean {
  return isWindows && deviceName.test(name);
}
