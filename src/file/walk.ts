// Walking a directory of a million sessions without making anybody wait.

import { type Dir, type Dirent, lstatSync, opendirSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { badDir, placeFailed, type SessionError } from "../core/error.ts";
import { isTrusted } from "./directory.ts";
import type { Names } from "./names.ts";

// Measured: slices of 5 ms clean 100,000 files as fast as one sweep does, which stalls everybody
// for 1.2 s. Of 1 ms they are hardly slower, and nobody waits longer than for another request.
const sliceMs = 1;

/** Work in slices: between them the event loop turns. */
export class Slices {
  #begun = performance.now();

  /** Whether there has been enough of it for now. */
  get isOver(): boolean {
    return performance.now() - this.#begun > sliceMs;
  }

  /** Resolves when the others have had a turn. */
  async next(): Promise<void> {
    await nextTurn();
    this.#begun = performance.now();
  }
}

/**
 * Every entry of the directory. Whoever goes through them does so in slices. (An asynchronous
 * generator would do that for them, and take a third of the time for itself.)
 */
export function* entriesIn(fileDir: string): Generator<Dirent, void, undefined> {
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
    for (let entry = next(); entry !== null; entry = next()) yield entry;
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
  const slices = new Slices();
  for (const entry of entriesIn(names.fileDir)) {
    if (slices.isOver) await slices.next();
    const id = entry.isFile() ? names.idOf(entry.name) : undefined;
    if (id === undefined) continue;
    const file = names.file(id);
    if (isOurs(file, names.fileDir)) yield { id, file };
  }
}
