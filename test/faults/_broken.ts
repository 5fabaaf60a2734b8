// A handler as many write it, over the same files: a lock, a temporary file, a rename. It can be
// broken in one of the ways that people break it.

import {
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { errno, placeFailed } from "../../src/core/error.ts";
import type { EmptyRecord, SessionRecord } from "../../src/core/handler.ts";
import { pickle, unpickle } from "../../src/core/pickle.ts";
import { layOut, parseRecord } from "../../src/file/record.ts";
import { FileHandler, type FileHandlerOptions } from "../../src/index.ts";
import type { Promised } from "./_matrix.ts";

/** What it does wrong, and which promise that breaks. */
export const faults: [name: string, broken: Promised][] = [
  // Django's file sessions
  ["takes every failed read for a miss", "a miss is a session that is not there"],
  // write-file-atomic 7
  ["does not look how much was written", "what is acknowledged is there"],
  ["leaves its lock when it fails", "no lock is left behind"],
  ["leaves a descriptor when it fails", "no descriptor is left behind"],
  [
    "throws what the system throws",
    "an error is a SessionError with the right code, status and cause",
  ],
  // PostgreSQL until 2018
  ["tries a failed fsync again", "a failed fsync is never acknowledged"],
  ["does not look whether close has failed", "nothing is swallowed"],
  ["tries to rename until it works", "it ends"],
  ["writes over the old version", "old or new, whole"],
];

export class SimpleHandler extends FileHandler {
  readonly #fault: string;

  constructor(options: FileHandlerOptions, fault = "") {
    super(options);
    this.#fault = fault;
  }

  override async store<T>(id: string, data: T): Promise<SessionRecord<T>> {
    const file = this._sessionFile(id);
    try {
      const lock = this._lockFile(id);
      const held = openSync(lock, "wx", 0o600);
      const unlock = (hasFailed: boolean): void => {
        if (!hasFailed || this.#fault !== "leaves its lock when it fails") unlinkSync(lock);
      };
      const close = (): void => closeSync(held);
      return withEnd(() => withEnd(() => this.#write(id, file, data), unlock), close);
    } catch (error) {
      throw this.#typed("store", file, error);
    }
  }

  override async retrieve<T>(id: string): Promise<SessionRecord<T> | EmptyRecord> {
    const file = this._sessionFile(id);
    try {
      return this.#load<T>(file);
    } catch (error) {
      if (this.#fault === "takes every failed read for a miss" || errno(error) === "ENOENT")
        return {};
      throw this.#typed("read", file, error);
    }
  }

  #write<T>(id: string, file: string, data: T): SessionRecord<T> {
    const meta = { id, ip: "", time: Date.now() };
    const bytes = layOut([{ seq: 1, meta, ...pickle(data) }]);
    const isInPlace = this.#fault === "writes over the old version";
    const path = isInPlace ? file : `${file}.${"0".repeat(32)}.new`;
    const fd = openSync(path, isInPlace ? "w" : "wx", 0o600);
    const remove = (hasFailed: boolean): void => {
      if (hasFailed && !isInPlace) unlinkSync(path);
    };
    const close = (hasFailed: boolean): void => {
      if (!hasFailed || this.#fault !== "leaves a descriptor when it fails") this.#close(fd);
    };
    withEnd(() => {
      withEnd(() => this.#fill(fd, bytes), close);
      if (!isInPlace) this.#rename(path, file);
    }, remove);
    return { ...meta, touched: meta.time, data };
  }

  #fill(fd: number, bytes: Buffer): void {
    for (let done = 0; done < bytes.length;) {
      const count = writeSync(fd, bytes, done, bytes.length - done, done);
      if (this.#fault === "does not look how much was written") break;
      if (count === 0) throw new Error("nothing more could be written");
      done += count;
    }
    try {
      fsyncSync(fd);
    } catch (error) {
      if (this.#fault !== "tries a failed fsync again") throw error;
      fsyncSync(fd);
    }
  }

  #close(fd: number): void {
    try {
      closeSync(fd);
    } catch (error) {
      if (this.#fault !== "does not look whether close has failed") throw error;
    }
  }

  #rename(from: string, to: string): void {
    try {
      renameSync(from, to);
    } catch (error) {
      if (this.#fault !== "tries to rename until it works") throw error;
      this.#rename(from, to);
    }
  }

  #load<T>(file: string): SessionRecord<T> {
    const fd = openSync(file, "r");
    const read = (): SessionRecord<T> => {
      const { size, mtimeMs } = fstatSync(fd);
      const bytes = Buffer.alloc(size);
      for (let done = 0; done < size;) {
        const count = readSync(fd, bytes, done, size - done, done);
        if (count === 0) throw new Error("nothing more could be read");
        done += count;
      }
      const contents = parseRecord(bytes);
      if (contents === "damaged") throw new Error("it is damaged");
      const { meta, encoding, text } = contents.current;
      return { ...meta, touched: mtimeMs, data: unpickle(encoding, text) as T };
    };
    return withEnd(read, () => closeSync(fd));
  }

  #typed(action: string, file: string, error: unknown): unknown {
    if (this.#fault === "throws what the system throws") return error;
    return placeFailed(action, file, error);
  }
}

/** What `work` gives, and `end` in any case. When both fail, what failed first is told. */
function withEnd<T>(work: () => T, end: (hasFailed: boolean) => void): T {
  let result: T;
  try {
    result = work();
  } catch (error) {
    try {
      end(true);
    } catch {
      // The caller hears of the first.
    }
    throw error;
  }
  end(false);
  return result;
}
