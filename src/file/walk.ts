// Walking a directory of a million sessions without making anybody wait.

import { type Dir, type Dirent, lstatSync, opendirSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { badDir, placeFailed, type SessionError } from "../core/error.ts";
import { isTrusted } from "./directory.ts";
import type { Names } from "./names.ts";

// Measured: slices of 5 ms clean 100,000 files as fast as one sweep does, which stalls everybody
// for 1.2 s.
const sliceMs = 5;

/** Every entry of the directory, in slices: between them the event loop turns. */
export async function* entriesIn(fileDir: string): AsyncGenerator<Dirent, void, undefined> {
  const directory = open(fileDir);
  let failure: SessionError | undefined;
  const next = (): Dirent | null => {
    try {
      return directory.readSync();
    } catch (error) {
      throw (failure = unreadable(fileDir, error));
    }
  };
  try {
    let begun = performance.now();
    for (let entry = next(); entry !== null; entry = next()) {
      yield entry;
      if (performance.now() - begun < sliceMs) continue;
      await nextTurn();
      begun = performance.now();
    }
  } finally {
    close(directory, fileDir, failure);
  }
}

function open(fileDir: string): Dir {
  try {
    return opendirSync(fileDir, { bufferSize: 256 });
  } catch (error) {
    throw unreadable(fileDir, error);
  }
}

/** Throws what has failed first. */
function close(directory: Dir, fileDir: string, failure: SessionError | undefined): void {
  try {
    directory.closeSync();
  } catch (error) {
    throw failure ?? unreadable(fileDir, error);
  }
}

function unreadable(fileDir: string, error: unknown): SessionError {
  return badDir(fileDir, error instanceof Error ? error.message : String(error), error);
}

function isOurs(file: string, fileDir: string): boolean {
  try {
    const stats = lstatSync(file, { throwIfNoEntry: false });
    return stats !== undefined && isTrusted(stats.uid, fileDir);
  } catch (error) {
    throw placeFailed("look at", file, error);
  }
}

/** Every session file of ours, expired or not. */
export async function* sessionsIn(
  names: Names,
): AsyncGenerator<{ id: string; file: string }, void, undefined> {
  for await (const entry of entriesIn(names.fileDir)) {
    const id = entry.isFile() ? names.idOf(entry.name) : undefined;
    if (id === undefined) continue;
    const file = names.file(id);
    if (isOurs(file, names.fileDir)) yield { id, file };
  }
}
