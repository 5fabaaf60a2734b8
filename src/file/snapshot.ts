// Reading a session's file. It can be read at any time, by anybody, without a lock.

import { constants, fstatSync, lstatSync, openSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { errno, notAFile, notOurs, placeFailed } from "../core/error.ts";
import { isWindows } from "../core/platform.ts";
import { isSame, type ReadCache } from "./cache.ts";
import { closeAfter, readAll } from "./descriptor.ts";
import { confirmDirectory, isTrustedFile } from "./directory.ts";
import { Snapshot } from "./found.ts";
import { inodeOf } from "./lock.ts";
import { pausedFor } from "./platform.ts";
import { setTouched } from "./publish.ts";
import { type Contents, maxRecordBytes, type Meta, parseRecord } from "./record.ts";
import { Scratch } from "./scratch.ts";

/** The whole session in `file`, without a lock; `undefined` when there is no file. */
export function readSession(
  file: string,
  id: string,
  cache?: ReadCache,
): Snapshot | "damaged" | undefined {
  for (;;) {
    const fd = openSession(file, constants.O_RDONLY);
    if (fd === undefined) return undefined;
    try {
      const found = closeAfter(fd, () => readCurrent(fd, file, id, cache));
      if (found !== "again") return found;
    } catch (error) {
      throw placeFailed("read", file, error);
    }
  }
}

function readCurrent(
  fd: number,
  file: string,
  id: string,
  cache: ReadCache | undefined,
): Snapshot | "damaged" | "again" {
  const stats = statOpen(fd, file);
  const outline = cache?.outlineOf(file, stats);
  if (outline) {
    const found = outline.read(fd);
    return isSame(stats, fstatSync(fd)) ? found : "again";
  }
  const contents = readContents(fd, stats.size);
  const found = examined(snapshotAs(contents, stats, id));
  // A reader that was stopped here for as long as a writer with the lock, until that was taken over:
  // what the writer has written since is on an inode that has been left, and never was the session.
  if (fstatSync(fd).nlink === 0 && !isAt(file, fd)) return "again";
  if (found !== "damaged" && contents !== "damaged" && !found.current.meta.pending)
    cache?.put(file, stats, found, contents.place);
  return found;
}

/** Whether this is the file at that name, on a file system that counts no names and always says 0. */
function isAt(file: string, fd: number): boolean {
  const stats = lstatSync(file, { bigint: true, throwIfNoEntry: false });
  return stats !== undefined && inodeOf(stats) === inodeOf(fstatSync(fd, { bigint: true }));
}

// Windows lets nobody set the times of a file that they have opened to read.
const toTouch = isWindows ? constants.O_RDWR : constants.O_RDONLY;

/**
 * Sets `touched` without a lock, on the file that was read and no other. Whether `isLive` said yes
 * to it. One with another name is not touched.
 */
export function touchSession(
  file: string,
  id: string,
  now: number,
  isLive: (found: Snapshot) => boolean,
): boolean | "damaged" | "linked" {
  const fd = openSession(file, toTouch);
  if (fd === undefined) return false;
  try {
    return closeAfter(fd, () => {
      const found = examined(readOpen(fd, file, id));
      if (found === "damaged") return found;
      if (!isLive(found)) return false;
      if (found.layout.isLinked) return "linked";
      setTouched(fd, now);
      return true;
    });
  } catch (error) {
    throw placeFailed("touch", file, error);
  }
}

// Neither a planted link is followed nor a planted FIFO waited for.
const asPlainFile = constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** A descriptor of a session's file; `undefined` when there is none. */
export function openSession(file: string, access: number): number | undefined {
  for (let tries = 0; ; tries++)
    try {
      return openSync(file, access | asPlainFile);
    } catch (error) {
      if (errno(error) === "ENOENT") {
        // A vanished disk logs nobody out.
        confirmDirectory(dirname(file), error);
        return undefined;
      }
      if (errno(error) === "ELOOP" || errno(error) === "EISDIR" || errno(error) === "ENXIO")
        throw notAFile(file, error);
      if (!pausedFor(error, tries)) throw placeFailed("open", file, error);
    }
}

/** What is in a file that has been opened. Whether its data can be unpickled is not looked at. */
export function readOpen(fd: number, file: string, id: string): Snapshot | "damaged" {
  try {
    const stats = statOpen(fd, file);
    return snapshotAs(readContents(fd, stats.size), stats, id);
  } catch (error) {
    throw placeFailed("read", file, error);
  }
}

function statOpen(fd: number, file: string): Stats {
  const stats = fstatSync(fd);
  if (!stats.isFile()) throw notAFile(file);
  if (!isTrustedFile(stats.uid, file)) throw notOurs(file, stats.uid);
  return stats;
}

function snapshotAs(
  contents: Contents | "damaged",
  stats: Stats,
  id: string,
): Snapshot | "damaged" {
  // A record that was copied or renamed onto another session's name.
  if (contents === "damaged" || contents.current.meta.id !== id) return "damaged";
  return snapshotOf(contents, stats);
}

/**
 * The same, or `"damaged"` when its data cannot be unpickled: a checksum is no secret, text that is
 * none of ours can have the right one.
 */
export function examined(found: Snapshot | "damaged"): Snapshot | "damaged" {
  if (found === "damaged") return found;
  try {
    found.examine();
    found.before?.examine();
    return found;
  } catch {
    return "damaged";
  }
}

function snapshotOf(contents: Contents, stats: Stats): Snapshot {
  const { capacity, hasTtl, mark, current, before, spare } = contents;
  const layout = { capacity, hasTtl, mark, isLinked: stats.nlink > 1 };
  const at = touchedAt(stats);
  const { touched = 0, replaces = 0 } = current.meta.pending ?? notPending;
  // What is pending has the mtime 0, so that every `clean` looks at it.
  const replaced = before && new Snapshot(before, Math.max(at, replaces), layout, spare, undefined);
  return new Snapshot(current, Math.max(at, touched), layout, spare, replaced);
}

const notPending: Partial<NonNullable<Meta["pending"]>> = {};

/** Deno (2.9) gives every ctime in whole seconds, which then says nothing of the file system. */
const isCtimeExact = process.versions["deno"] === undefined;

/** When a file was last stored or touched. */
function touchedAt({ mtimeMs, ctimeMs }: Stats): number {
  // A file system that keeps whole seconds, or every other one, rounds down; no session is to end
  // for that. The system's own ctime tells it from one that keeps what it is given.
  const isCoarse = isCtimeExact && ctimeMs % 1000 === 0;
  return Math.round(mtimeMs) + (isCoarse ? 1000 : 0);
}

// What seems damaged may be two writes in the time of one read. Then the next read gives other bytes.
function readContents(fd: number, size: number): Contents | "damaged" {
  if (size > maxRecordBytes) return "damaged"; // a gigabyte of zeros is not worth the memory
  for (let before: Buffer | undefined; ;) {
    const bytes = readAll(fd, size, records.take(size));
    // Nobody cuts a record short while it has its name: this is no damage, it is a failed read.
    if (bytes.length < size) throw new Error(`only ${bytes.length} of ${size} bytes could be read`);
    const contents = parseRecord(bytes);
    if (contents !== "damaged" || before?.equals(bytes)) return contents;
    before = Buffer.from(bytes);
  }
}

const records = new Scratch();
