// Disks that are not here: each call is answered as Windows, APFS or FAT would, over a directory of
// this machine.
//
// What Windows does is from libuv's src/win/fs.c and error.c, and from what Microsoft says of
// CreateFile, MoveFileEx and DeleteFile: rename is MoveFileExW with MOVEFILE_REPLACE_EXISTING,
// which denies access when the target is open; a sharing violation is EBUSY, "access denied" EPERM;
// FlushFileBuffers and SetFileTime want a handle that may write.

import fs from "node:fs";
import { basename, dirname, join } from "node:path";
import { intercept, systemError } from "./_calls.mjs";

const { O_ACCMODE = 3, O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
const device = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?$/i;
const firstFatMs = Date.UTC(1980, 0, 1);
const twoPaths = new Set(["renameSync", "linkSync"]);
const statsCalls = new Set(["lstatSync", "statSync", "fstatSync"]);

export function foreignDisk(dir, traits) {
  const { windows, posixDeletes, ignoresCase, linkless, tickMs = 0, fat } = traits;
  /** fd -> what was opened. */
  const handles = new Map();
  /** Names of removed files that somebody still has open -> the descriptors. */
  const pending = new Map();
  const held = new Map();
  const calls = [];

  const inodeAt = (path) => {
    const stats = fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
    return stats && `${stats.dev}-${stats.ino}`;
  };
  const actual = (path) => {
    if (!ignoresCase || path === dir || inodeAt(path) !== undefined) return path;
    const parent = actual(dirname(path));
    const wanted = folded(basename(path));
    const names = inodeAt(parent) ? fs.readdirSync(parent) : [];
    return join(parent, names.find((name) => folded(name) === wanted) ?? basename(path));
  };
  const isOpen = (path) => {
    const inode = inodeAt(path);
    return inode !== undefined && [...handles.values()].some((handle) => handle.inode === inode);
  };
  const assertFree = (call, paths, isToOpen) => {
    for (const path of paths) {
      const holder = held.get(path);
      if (holder === undefined || (isToOpen && !holder.only)) continue;
      if (--holder.calls === 0) held.delete(path);
      throw systemError("EBUSY", call);
    }
  };

  const onWindows = (call, paths, proceed) => {
    const { name, args } = call;
    if (paths.some((path) => path !== dir && device.test(basename(path))))
      throw systemError("EINVAL", call);
    if (paths.some((path) => pending.has(path))) {
      if (name === "existsSync") return false;
      throw systemError("EPERM", call);
    }
    switch (name) {
      case "openSync": {
        assertFree(call, paths, true);
        const flags = args[1] & ~(O_NOFOLLOW | O_NONBLOCK);
        return proceed(paths[0], flags, args[2] === undefined ? undefined : 0o666);
      }
      case "unlinkSync": {
        assertFree(call, paths);
        const own = [...handles].filter(([, handle]) => handle.path === paths[0]);
        const result = proceed(...paths);
        if (own.length > 0 && !posixDeletes) pending.set(paths[0], new Set(own.map(([fd]) => fd)));
        return result;
      }
      case "renameSync": {
        assertFree(call, paths);
        if (inodeAt(paths[0]) && isOpen(paths[1])) throw systemError("EPERM", call);
        const result = proceed(...paths);
        for (const handle of handles.values()) if (handle.path === paths[0]) handle.path = paths[1];
        return result;
      }
      case "fsyncSync":
      case "futimesSync":
        if (!handles.get(args[0]).canWrite) throw systemError("EPERM", call);
        return proceed();
      case "writeSync": {
        // What was written shows in the mtime when the file is closed, unless it is set.
        const { atimeMs, mtimeMs } = fs.fstatSync(args[0]);
        const written = proceed();
        fs.futimesSync(args[0], atimeMs / 1000, mtimeMs / 1000);
        return written;
      }
      case "chmodSync":
      case "fchmodSync":
        return undefined;
      case "mkdirSync":
        return proceed(paths[0]);
      case "statfsSync":
        return { ...proceed(), type: args[1]?.bigint ? 0n : 0 };
      default:
        return proceed(...paths, ...args.slice(paths.length));
    }
  };

  const round = (stats) => {
    if (stats === undefined || (!tickMs && !fat)) return stats;
    const times = { mtimeMs: stats.mtimeMs, ctimeMs: fat ? stats.mtimeMs : stats.ctimeMs };
    for (const [name, ms] of Object.entries(times)) {
      const exact = Math.max(Number(ms), fat && windows !== true ? firstFatMs : 0);
      const ticks = Math.floor(exact / (tickMs || 1)) * (tickMs || 1);
      stats[name] = typeof ms === "bigint" ? BigInt(ticks) : ticks;
    }
    return stats;
  };
  // As NTFS has it, numbers that are all the same in a double.
  const numbers = new Map();
  const numberOf = (ino) => {
    if (!numbers.has(ino)) numbers.set(ino, 2n ** 63n + BigInt(numbers.size));
    return numbers.get(ino);
  };
  const windowsStats = (stats, name) => {
    if (stats === undefined || !windows) return stats;
    const exact = typeof stats.ino === "bigint";
    const mode = (Number(stats.mode) & ~0o7777) | 0o666;
    const ino = numberOf(BigInt(stats.ino));
    const dev = BigInt(stats.dev) + (name === "fstatSync" ? 0n : 2n ** 40n);
    const [uid, gid] = [0, 0];
    const values = { mode, uid, gid, ino, dev };
    for (const [key, value] of Object.entries(values))
      stats[key] = exact ? BigInt(value) : Number(value);
    return stats;
  };

  const answer = (call, proceed) => {
    const { name, args } = call;
    const isByName = typeof args[0] === "string";
    const paths = isByName ? args.slice(0, twoPaths.has(name) ? 2 : 1).map(actual) : [];
    if (linkless && name === "linkSync") {
      if (inodeAt(paths[0]) === undefined) throw systemError("ENOENT", call);
      throw systemError(linkless, call);
    }
    if (fat && name === "futimesSync" && args[2] * 1000 < firstFatMs && windows)
      throw systemError("EINVAL", call);
    const result = windows
      ? onWindows(call, paths, proceed)
      : proceed(...paths, ...args.slice(paths.length));
    if (name === "openSync") {
      const canWrite = (args[1] & O_ACCMODE) !== O_RDONLY;
      const { dev, ino } = fs.fstatSync(result, { bigint: true });
      handles.set(result, { path: paths[0], inode: `${dev}-${ino}`, canWrite });
    }
    if (name === "closeSync") {
      handles.delete(args[0]);
      for (const [path, fds] of pending)
        if (fds.delete(args[0]) && fds.size === 0) pending.delete(path);
    }
    return statsCalls.has(name) ? windowsStats(round(result), name) : result;
  };

  const restore = intercept(dir, (call, proceed) => {
    calls.push(`${call.name} ${basename(call.path)}`);
    return answer(call, proceed);
  });
  return {
    hold: (path, count = Infinity, only = false) => held.set(path, { calls: count, only }),
    letGo: (path) => held.delete(path),
    calls,
    restore,
  };
}

const folded = (name) => name.normalize("NFD").toLowerCase();

export function beOn(platform) {
  const { getuid, geteuid } = process;
  const before = Object.getOwnPropertyDescriptor(process, "platform");
  Object.defineProperty(process, "platform", { ...before, value: platform });
  if (platform === "win32") Object.assign(process, { getuid: undefined, geteuid: undefined });
  return () => {
    Object.defineProperty(process, "platform", before);
    Object.assign(process, { getuid, geteuid });
  };
}
