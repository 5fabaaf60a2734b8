// What session files said when they were last read: to know that a file has not changed since costs
// one lstat, a third of reading it again.
//
// Whoever writes a file gives it another ctime, as long as the clock that stamps it has ticked in
// between: every 4 ms on most systems, 10 on some, 2 s on FAT. So what was read is kept only once
// the same stamps have been seen twice, further apart than that by a clock of ours that is never
// set. What is written after the second look then has other stamps. (git has the same trouble with
// its index, and calls it racy.)
//
// FAT and exFAT have no ctime, and systems give the mtime in its place, or 0. The mtime is what a
// writer's clock said, which may say the same twice: there nothing is kept.
//
// A disk on another machine is not for this: there a client may tell us old stamps for seconds.

import { lstatSync, type Stats } from "node:fs";
import { placeFailed } from "../core/error.ts";
import { isWindows } from "../core/platform.ts";
import type { Place } from "./record.ts";
import { Outline, type Snapshot } from "./found.ts";

/** What tells that a file has changed. All of `Stats`, with its four dates, takes 660 bytes more. */
type Stamps = Pick<Stats, "ctimeMs" | "mtimeMs" | "ino" | "size" | "dev" | "nlink">;

interface Entry {
  stamps: Stamps;
  /** When these stamps were seen first, in milliseconds of `performance.now()`. */
  since: number;
  /** What was read when they had been there for long enough; of a large session all but its text. */
  found: Snapshot | Outline | undefined;
  /** What it costs. */
  bytes: number;
  /** When it was put at its place in the order of use. */
  usedAt: number;
}

const tickMs = 50;
const coarseTickMs = 3000;

/** The order of use is exact to this: to keep it so at each use takes as long as half an lstat. */
const orderMs = 1000;

/**
 * Text of more characters is read again each time, unchecked: its checksum and its parsing, which
 * are nine tenths of the reading, are saved, and so is the memory.
 */
const largeText = 16 * 1024;

/** About what an entry costs beside the session's text. */
const entryBytes = 1024;

/** Keeps what was used last, in a Map, which knows its order. */
export class ReadCache {
  readonly #maxBytes: number;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** What is in `file`, when it has not been changed since it was read. */
  get(file: string): Snapshot | undefined {
    const entry = this.#entry(file);
    if (entry?.found === undefined || entry.found instanceof Outline) return undefined;
    let stats;
    try {
      stats = lstatSync(file, { throwIfNoEntry: false });
    } catch (error) {
      throw placeFailed("read", file, error);
    }
    return stats && isSame(entry.stamps, stats) ? entry.found : undefined;
  }

  /** All but the text of what is in `file`, which has these `stats`, when that is what is kept. */
  outlineOf(file: string, stats: Stats): Outline | undefined {
    const entry = this.#entry(file);
    if (entry === undefined || !(entry.found instanceof Outline)) return undefined;
    return isSame(entry.stamps, stats) ? entry.found : undefined;
  }

  /**
   * Notes what has just been read from `file`, which had these `stats` before. `place` is where its
   * text stands.
   */
  put(file: string, stats: Stats, found: Snapshot, place: Place): void {
    if (stats.ctimeMs === 0 || stats.ctimeMs === stats.mtimeMs) return;
    const known = this.#entry(file);
    const now = performance.now();
    const since = known && isSame(known.stamps, stats) ? known.since : now;
    const isCoarse = stats.ctimeMs % 1000 === 0;
    const isSettled = now - since > (isCoarse ? coarseTickMs : tickMs);
    const isLarge = found.size > largeText;
    const bytes = entryBytes + (isSettled && !isLarge ? found.size : 0);
    const kept = isLarge ? new Outline(found, place) : found;
    const { ctimeMs, mtimeMs, ino, size, dev, nlink } = stats;
    const stamps = { ctimeMs, mtimeMs, ino, size, dev, nlink };
    this.#add(file, { stamps, since, found: isSettled ? kept : undefined, bytes, usedAt: now });
  }

  /** What is known of `file`, which has been used now. */
  #entry(file: string): Entry | undefined {
    const entry = this.#entries.get(file);
    const now = performance.now();
    if (entry === undefined || now - entry.usedAt < orderMs) return entry;
    entry.usedAt = now;
    this.#entries.delete(file);
    this.#entries.set(file, entry);
    return entry;
  }

  #add(file: string, entry: Entry): void {
    this.#bytes += entry.bytes - (this.#entries.get(file)?.bytes ?? 0);
    this.#entries.delete(file);
    this.#entries.set(file, entry);
    for (const [oldest, { bytes }] of this.#entries) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#entries.delete(oldest);
      this.#bytes -= bytes;
    }
  }
}

/**
 * Whether nothing that is stamped has happened to a file between two looks. An inode number of
 * Windows is rounded here: another file has another ctime all the same. For the number of the disk
 * see `inodeOf`.
 */
export function isSame(a: Stamps, b: Stamps): boolean {
  return (
    a.ctimeMs === b.ctimeMs &&
    a.mtimeMs === b.mtimeMs &&
    a.ino === b.ino &&
    a.size === b.size &&
    (isWindows || a.dev === b.dev) &&
    a.nlink === b.nlink
  );
}
