// Who reads and writes the files of a session: this thread, or another one.
//
// On a local disk this thread, at once: the calls take microseconds, and to hand them over takes more
// than all of them. On a disk elsewhere each can take seconds, in which nobody else would be served.
// A large session takes its time wherever it is (measured: of 256 KiB 2 ms to read and 4 to
// store, of 1 MiB 9 and 16).

import { lstatSync } from "node:fs";
import { badOption } from "../core/error.ts";
import { defaultMaxBytes } from "../core/max-bytes.ts";
import type { Pickled } from "../core/pickle.ts";
import type { Files, FilesHere } from "./files.ts";
import type { Found } from "./found.ts";
import { defaultThreads, type Settings } from "./options.ts";
import { Threads } from "./threads.ts";
import { threadFile } from "./worker.ts";

const largeBytes = 256 * 1024;

const noThreads =
  "0 or left out here: what a thread runs, `thread.js` of filesession, is not where its code is. " +
  "Have your bundler leave filesession out of the bundle";

/** Which files are whose to read and write. */
export class Route {
  readonly #here: FilesHere;
  readonly #threads: Threads | undefined;
  /** Whether this thread reads and writes none at all. */
  readonly #isAside: boolean;
  /** Whether there are large sessions, as far as we know: then each one's file is looked at. */
  #hasLarge: boolean;

  constructor(here: FilesHere, settings: Settings) {
    const { threads, maxBytes } = settings;
    const { fileDir } = here;
    const file = threads === 0 ? undefined : threadFile();
    if (threads && file === undefined) throw badOption("threads", threads, noThreads);
    this.#here = here;
    this.#threads = file && new Threads(file, { ...settings, fileDir }, threads ?? defaultThreads);
    this.#isAside = file !== undefined && (threads === undefined ? here.isRemote : threads > 0);
    this.#hasLarge = threads === undefined && maxBytes > defaultMaxBytes;
  }

  /** Who is to read or write what is under `id`, and under `oldId`; where it is to hold `pickled`. */
  of(id: string, oldId: string = id, pickled?: Pickled): Files {
    if (pickled) this.note(pickled.text.length);
    if (this.#threads === undefined) return this.#here;
    if (!this.#isAside && !this.#hasLarge) return this.#here;
    const files = [id, oldId].map((one) => this.#here.names.file(one)); // throws for what is no id
    const isLarge = (): boolean =>
      (pickled !== undefined && pickled.text.length > largeBytes) || files.some(isLargeFile);
    return this.#isAside || isLarge() ? this.#threads : this.#here;
  }

  /** Who is to list all of them. */
  toList(): Files {
    return (this.#isAside || this.#hasLarge ? this.#threads : undefined) ?? this.#here;
  }

  /** Who is to clean: any time the disk takes for it, even a local one, would be missed here. */
  toClean(): Files {
    return this.#threads ?? this.#here;
  }

  /** Who keeps the locks that are held for the caller. */
  ofLocks(): Files {
    return (this.#isAside ? this.#threads : undefined) ?? this.#here;
  }

  /** What this thread knows of a session without reading it. */
  known(id: string, blocking: boolean): Found | undefined {
    return this.#isAside ? undefined : this.#here.known(id, blocking);
  }

  /** Remembers that there are large sessions, when one has so many characters. */
  note(length: number): void {
    if (length > largeBytes) this.#hasLarge = true;
  }

  /** Gives back the locks that are held for the caller. */
  async releaseLocks(): Promise<void> {
    await this.ofLocks().close();
  }

  /** Ends the threads, whatever they are at. */
  async end(): Promise<void> {
    await this.#threads?.end();
  }
}

/** Whether a file has room for a large session. One that cannot be looked at fails who reads it. */
function isLargeFile(file: string): boolean {
  try {
    const stats = lstatSync(file, { throwIfNoEntry: false });
    return stats !== undefined && stats.size > 2 * largeBytes;
  } catch {
    return false;
  }
}
