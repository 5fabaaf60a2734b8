// Whose sessions these are: an index of the sessions that have a tag.
//
//   <fileDir>/<filePrefix>.tags/<3 hex>/<32 hex>.<name of the session's file>
//
// Each session with a tag has one empty file there; the 35 digits are the SHA-256 of the tag. So the
// sessions of one tag are found by reading one directory of 4,096, among a million sessions one of 244
// entries, and an entry takes an inode and no block.
//
// The record is what counts, the index only says where to look. An entry is made before the record that
// has its tag, and removed after the one that had it, both under the session's lock. A crash between
// leaves an entry too many, and never one too few; who reads the index looks at the record too, so it is
// harmless, and `clean` removes it. To know which of them to examine, `clean` gives an entry that it
// has found right the mtime 0, and who is about to make it wrong gives it the current time first.
//
// After a power cut with `durability: "process"` entries may be missing, as anything written in the last
// seconds may. The next `tag` makes them again.

import { constants, fchmodSync, lstatSync, type Stats } from "node:fs";
import { basename, dirname, join } from "node:path";
import { badDir, notOurs, placeFailed } from "../core/error.ts";
import { closeAfter } from "./descriptor.ts";
import { confirmDirectory, isTrusted, makeDirectory } from "./directory.ts";
import { unlinkIfThere } from "./lock.ts";
import type { Names } from "./names.ts";
import { openIfThere, setTouched, syncDirectory } from "./publish.ts";
import { entriesIn } from "./walk.ts";

/** One file of the index. */
export interface TagEntry {
  path: string;
  /** The session it says there is. */
  id: string;
  /** What its tag is known by. */
  key: string;
  /** When it was made or doubted, in milliseconds since the epoch; 0 when it was found right since. */
  since: number;
}

/** The index of one handler's sessions. */
export class Tags {
  readonly #names: Names;
  readonly #directory: string;

  constructor(names: Names) {
    this.#names = names;
    this.#directory = join(names.fileDir, `${names.filePrefix}.tags`);
  }

  /** Makes the entry of a session that is about to have this tag; a durable one if asked to. */
  add(tag: string, file: string, isDurable: boolean): void {
    const path = this.#path(tag, file);
    if (!this.#isThere()) makeDirectory(this.#directory);
    if (!make(path)) {
      makeDirectory(dirname(path));
      if (!make(path)) throw badDir(dirname(path), "it has been removed");
    }
    if (isDurable) syncDirectory(path);
  }

  /** Has the next `clean` look whether the entry is right, since it may soon not be. */
  doubt(tag: string, file: string): void {
    setSince(this.#path(tag, file), Date.now());
  }

  /** Removes the entry of a session that does not have this tag any more. */
  remove(tag: string, file: string): void {
    unlinkIfThere(this.#path(tag, file));
  }

  /** The ids of the sessions that may have this tag. */
  idsOf(tag: string): string[] {
    const key = keyOf(tag);
    return [...this.#entriesIn(shardOf(key), key)].map(({ id }) => id);
  }

  /** Every entry of ours. */
  *entries(): Generator<TagEntry, void, undefined> {
    if (!this.#isThere()) return;
    for (const shard of entriesIn(this.#directory))
      if (shard.isDirectory() && /^[0-9a-f]{3}$/.test(shard.name))
        yield* this.#entriesIn(shard.name);
  }

  *#entriesIn(shard: string, wanted?: string): Generator<TagEntry, void, undefined> {
    const directory = join(this.#directory, shard);
    if (!this.#isThere() || statsOf(directory) === undefined) {
      confirmDirectory(this.#names.fileDir); // a vanished disk says of nobody that they have no sessions
      return;
    }
    for (const entry of entriesIn(directory)) {
      const digits = entry.name.slice(0, digitsInName);
      const id = this.#names.idOf(entry.name.slice(digitsInName + 1));
      const key = shard + digits;
      if (!entry.isFile() || id === undefined || (wanted ?? key) !== key) continue;
      const path = join(directory, entry.name);
      yield { path, id, key, since: (wanted === undefined && statsOf(path)?.mtimeMs) || 0 };
    }
  }

  /**
   * Whether there is an index. Throws when somebody else has put one there, who may where everybody
   * may make files in `fileDir`.
   */
  #isThere(): boolean {
    const stats = statsOf(this.#directory);
    if (stats === undefined) return false;
    if (!stats.isDirectory())
      throw badDir(this.#directory, "it is not a directory. Find out who made it, and remove it");
    if (!isTrusted(stats.uid, this.#names.fileDir)) throw notOurs(this.#directory, stats.uid);
    return true;
  }

  #path(tag: string, file: string): string {
    const key = keyOf(tag);
    const shard = shardOf(key);
    return join(this.#directory, shard, `${key.slice(shard.length)}.${basename(file)}`);
  }
}

/** Says that an entry was right when somebody looked. */
export function trust(path: string): void {
  setSince(path, 0);
}

const shardDigits = 3;
const digitsInName = 32; // so that the longest name of a session's file still fits behind them

/** What a tag is known by: any text, of any length, is as many digits. */
export function keyOf(tag: string): string {
  const { createHash } = process.getBuiltinModule("node:crypto"); // few ever need it
  return createHash("sha256")
    .update(tag)
    .digest("hex")
    .slice(0, shardDigits + digitsInName);
}

function shardOf(key: string): string {
  return key.slice(0, shardDigits);
}

function statsOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw placeFailed("look at", path, error);
  }
}

const asEntry = constants.O_WRONLY | constants.O_CREAT;

/** Makes the entry, unless it is there, a new one. Whether there is a directory for it. */
function make(path: string): boolean {
  const fd = openIfThere(path, asEntry, 0o600);
  if (fd === undefined) return false;
  closeAfter(fd, () => {
    fchmodSync(fd, 0o600); // the umask may have taken bits of ours away
    setTouched(fd, Date.now());
  });
  return true;
}

/** Nothing happens when the entry is not there. */
function setSince(path: string, ms: number): void {
  const fd = openIfThere(path, constants.O_WRONLY);
  if (fd !== undefined) closeAfter(fd, () => setTouched(fd, ms));
}
