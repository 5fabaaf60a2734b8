// What a storm is let loose on: the real handler, or one that is broken in one way that people
// build. A storm that does not find the fault of the second proves nothing about the first.

import {
  closeSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FileHandler } from "filesession";

/** `filesession`, or the fault of a `SimpleHandler`. */
export function openHandler(name, fileDir, staleAfter) {
  if (name === "filesession") return new FileHandler({ fileDir, staleAfter, lockTimeout: 30 });
  return new SimpleHandler(name, fileDir, staleAfter);
}

/**
 * A lock file and a temporary file, as most do it: whoever finds the lock stale unlinks it, and
 * whoever gives it back unlinks it too.
 *
 * - `naive-takeover`: just that;
 * - `verify-only`: looks whether the lock is still its own before it writes and before it gives it
 *   back;
 * - `git-publish`: the lock file is the new file, renamed over the session.
 */
class SimpleHandler {
  #fault;
  #fileDir;
  #staleMs;
  #held = new Map();

  constructor(fault, fileDir, staleAfter) {
    this.#fault = fault;
    this.#fileDir = fileDir;
    this.#staleMs = staleAfter * 1000;
  }

  async update(id, change) {
    await this._acquireLock(id);
    const file = this.#file(id);
    const before = this.#read(file);
    const data = await change(before === undefined ? {} : { data: before });
    const { fd, inode } = this.#held.get(id);
    if (this.#fault === "git-publish") {
      const text = JSON.stringify(data);
      writeSync(fd, text.slice(0, text.length / 2));
      writeSync(fd, text.slice(text.length / 2));
      this.#held.delete(id);
      closeSync(fd);
      renameSync(`${file}.lock`, file);
      return { data };
    }
    const temporary = `${file}.${process.pid}.tmp`;
    const out = openSync(temporary, "w");
    writeSync(out, JSON.stringify(data));
    closeSync(out);
    if (this.#fault === "verify-only" && this.#inodeOf(`${file}.lock`) !== inode)
      throw Object.assign(new Error("lost"), { code: "ERR_SESSION_LOCK_LOST" });
    renameSync(temporary, file);
    this.#release(id);
    return { data };
  }

  async retrieve(id) {
    const data = this.#read(this.#file(id));
    return data === undefined ? {} : { id, data };
  }

  async _acquireLock(id, blocking = true) {
    const path = `${this.#file(id)}.lock`;
    for (;;) {
      try {
        const fd = openSync(path, "wx");
        this.#held.set(id, { fd, inode: this.#inodeOf(path) });
        return true;
      } catch (error) {
        if (error.code !== "EEXIST") throw error;
      }
      const mtime = lstatSync(path, { throwIfNoEntry: false })?.mtimeMs;
      if (mtime === undefined) continue;
      if (Date.now() - mtime > this.#staleMs) unlink(path);
      else if (blocking) await sleep(1);
      else return false;
    }
  }

  async clean() {}

  #release(id) {
    const path = `${this.#file(id)}.lock`;
    const { fd, inode } = this.#held.get(id);
    this.#held.delete(id);
    if (this.#fault !== "verify-only" || this.#inodeOf(path) === inode) unlink(path);
    closeSync(fd);
  }

  #read(file) {
    try {
      return JSON.parse(readFileSync(file, "utf8"));
    } catch (error) {
      if (error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  #inodeOf(path) {
    return lstatSync(path, { throwIfNoEntry: false })?.ino;
  }

  #file(id) {
    return join(this.#fileDir, `sess_${id}`);
  }
}

function unlink(path) {
  try {
    unlinkSync(path);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
}
