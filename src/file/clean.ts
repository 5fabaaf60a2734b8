// Cleaning: expired sessions go, and so does what a crash left behind. What is not ours is not
// touched.

import { type Stats, lstatSync } from "node:fs";
import { join } from "node:path";
import { placeFailed, SessionError } from "../core/error.ts";
import type { CleanOptions, CleanResult } from "../core/handler.ts";
import { isPromise, type MaybePromise } from "../core/promise.ts";
import { tokenIn } from "./holder.ts";
import { isTrusted, isTrustedFile } from "./directory.ts";
import { unlinkIfThere } from "./lock.ts";
import { companionFile, type Companion, type Names, parseCompanion } from "./names.ts";
import { isNoTime } from "./publish.ts";
import { type Meta, sizeSaysTtl } from "./record.ts";
import { putBack } from "./session-file.ts";
import { readSession } from "./snapshot.ts";
import { storyAt } from "./takeover.ts";
import type { TagEntry, Tags } from "./tags.ts";
import { entriesIn, Slices } from "./walk.ts";

/** Whether a session is to go that was last used, ends, and lasts like this. */
export type IsDue = (touched: number, meta: Pick<Meta, "expires" | "lasting">) => boolean;

/** What cleaning asks of the handler. */
export interface Cleaning {
  isDue: IsDue;
  /** Milliseconds after which what stands beside a session has no owner any more. */
  staleMs: number;
  /** Removes the session if it is still due under its lock: whether it did, or `busy`. */
  remove: (id: string, file: string) => Promise<Outcome>;
  /** Takes the lock of `file` over if it is stale, and gives it back. */
  unlock: (id: string, file: string) => Promise<void>;
  /** Removes what the index of tags says of a session that does not have this tag. */
  checkTag: (entry: TagEntry) => Promise<void>;
}

type Outcome = "removed" | "kept" | "busy";

// Enough to find out what is wrong with a disk, and not a second copy of all sessions.
const damagedKept = 16;

// Every so many files somebody who watches is told.
const progressEvery = 1000;

/**
 * Goes once through the directory. What fails for one file is thrown when all the others are done:
 * on a full disk, what can be removed makes room for the rest.
 */
export async function cleanDirectory(
  names: Names,
  tags: Tags,
  cleaning: Cleaning,
  { signal, onProgress }: CleanOptions,
): Promise<CleanResult> {
  const result: CleanResult = { removed: 0, kept: 0, skipped: 0 };
  const damaged: { path: string; since: number }[] = [];
  const failures: SessionError[] = [];
  const slices = new Slices();
  signal?.throwIfAborted();
  try {
    for (const entry of entriesIn(names.fileDir)) {
      if (slices.isOver) await slices.next();
      signal?.throwIfAborted();
      if (!entry.isFile()) continue;
      const path = join(names.fileDir, entry.name);
      const id = names.idOf(entry.name);
      let outcome: Outcome | undefined;
      try {
        const visited =
          id === undefined
            ? collect(names, path, entry.name, cleaning, damaged)
            : visit(path, id, cleaning);
        outcome = isPromise(visited) ? await visited : visited; // most are kept, which is seen at once
      } catch (error) {
        failures.push(placeFailed("clean", path, error));
      }
      if (outcome === undefined) continue;
      result[outcome === "busy" ? "skipped" : outcome]++;
      if ((result.removed + result.kept + result.skipped) % progressEvery === 0)
        onProgress?.({ ...result });
    }
    for (const entry of tags.entries()) {
      if (slices.isOver) await slices.next();
      signal?.throwIfAborted();
      try {
        if (isDoubtful(entry, names, cleaning)) await cleaning.checkTag(entry);
      } catch (error) {
        failures.push(placeFailed("clean", entry.path, error));
      }
    }
  } catch (error) {
    if (error instanceof SessionError) failures.push(error);
    else throw error;
  }
  damaged.sort((a, b) => b.since - a.since);
  for (const { path } of damaged.slice(damagedKept))
    try {
      unlinkIfThere(path);
    } catch (error) {
      failures.push(placeFailed("clean", path, error));
    }
  if (failures[0]) throw failures[0];
  onProgress?.({ ...result });
  return result;
}

/** What becomes of one session; `undefined` when it is gone. */
function visit(path: string, id: string, cleaning: Cleaning): MaybePromise<Outcome | undefined> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined || !isTrustedFile(stats.uid, path)) return undefined;
  return isDue(path, id, stats, cleaning) ? cleaning.remove(id, path) : "kept";
}

function isDue(path: string, id: string, stats: Stats, cleaning: Cleaning): boolean {
  // What has ended or is on its way has the mtime 0: it is seen to whatever the timeout.
  if (isNoTime(stats.mtimeMs)) return true;
  const isUnused = cleaning.isDue(Math.round(stats.mtimeMs), {});
  // Decided by one lstat: reading every file takes three times as long.
  if (!sizeSaysTtl(stats.size)) return isUnused;
  const found = readSession(path, id);
  if (found === undefined || found === "damaged") return isUnused;
  return cleaning.isDue(found.touched, found.current.meta);
}

/** Whether an entry of the index may be wrong. One that is new may be about to come true. */
function isDoubtful({ id, since }: TagEntry, names: Names, { staleMs }: Cleaning): boolean {
  if (!isNoTime(since)) return Math.abs(Date.now() - since) > staleMs;
  return lstatSync(names.file(id), { throwIfNoEntry: false }) === undefined;
}

/**
 * Removes what stands beside a session and belongs to nobody any more. Its owner, should it be
 * alive, finds out by its own next step.
 */
function collect(
  names: Names,
  path: string,
  fileName: string,
  cleaning: Cleaning,
  damaged: { path: string; since: number }[],
): MaybePromise<undefined> {
  const companion = parseCompanion(fileName);
  const id = companion && names.idOf(companion.name);
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (companion === undefined || id === undefined || stats === undefined) return;
  if (companion.kind !== "lock" && !isTrusted(stats.uid, names.fileDir)) return; // a lock may be a neighbour's
  if (companion.kind === "bad") {
    damaged.push({ path, since: stats.ctimeMs });
    return;
  }
  // A lock, and what is one under another name, says by its mtime whether its holder is alive. The
  // other two are told by ctime, since their mtime is the session's.
  const isSession = companion.kind === "new" || companion.kind === "gone";
  const since = isSession ? stats.ctimeMs : stats.mtimeMs;
  if (Math.abs(Date.now() - since) <= cleaning.staleMs) return;
  const file = names.file(id);
  if (companion.kind === "lock") return cleaning.unlock(id, file).then(() => undefined);
  try {
    removeCompanion(file, path, id, companion.kind);
  } catch (error) {
    throw placeFailed("clean up beside", file, error);
  }
}

function removeCompanion(file: string, path: string, id: string, kind: Companion): void {
  if (kind === "heir") {
    // First what the heir would put in the lock's place: then it cannot.
    const token = tokenIn(storyAt(path) ?? "");
    if (token !== undefined) unlinkIfThere(companionFile(file, token, "take"));
  }
  if (kind === "gone") {
    const found = readSession(path, id);
    // Moved away by somebody who was paused, and died before putting it back.
    if (found !== undefined && found !== "damaged" && found.current.meta.gone === undefined)
      return putBack(path, file);
  }
  unlinkIfThere(path);
}
