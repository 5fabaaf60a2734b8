// What a storm is let loose on: the real handler, or one that is broken in one way that people
// build. A storm that does not find the fault of the second proves nothing about the first.

import {
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FileHandler } from "filesession";

/** `filesession`, or the fault of a `SimpleHandler`. */
export function openHandler({ handler, fileDir, staleAfter }) {
  if (handler === "filesession") return new FileHandler({ fileDir, staleAfter, lockTimeout: 30 });
  return new SimpleHandler(handler, fileDir, staleAfter);
}

/**
 * A lock file and a temporary file that is renamed, as most do it. Before it writes and before it
 * gives the lock back it looks whether the lock is still its own: the best that can be done so, and
 * that is the fault `verify-only`. The other faults are one step worse each:
 *
 * - `naive-takeover`: does not look;
 * - `git-publish`: the lock file is the new file, renamed over the session;
 * - `gap-publish`: the old file is removed, then the new one renamed to its place;
 * - `pid-temporary`: the temporary file is named by the process id, which two containers share;
 * - `short-write`: takes it that write(2) has written all it was given;
 * - `unfenced-remove`: removes a session without its lock;
 * - `unfenced-move`: writes the new session, then removes the old one;
 * - `left-open`: does not close the lock file;
 * - `late-takeover`: takes a lock for stale ten times as late.
 */
class SimpleHandler {
  #fault;
  #fileDir;
  #staleMs;
  #held = new Map();

  constructor(fault, fileDir, staleAfter) {
    this.#fault = fault;
    this.#fileDir = fileDir;
    this.#staleMs = staleAfter * (fault === "late-takeover" ? 10_000 : 1000);
  }

  async store(id, data) {
    await this.update(id, () => data);
  }

  async update(id, change, { oldId = id, mustExist = false } = {}) {
    const ids = [...new Set([id, oldId])].toSorted();
    for (const one of ids) await this._acquireLock(one);
    try {
      const before = this.#read(oldId);
      if (before === undefined && mustExist) throw failure("ERR_SESSION_GONE");
      const data = await change(before === undefined ? {} : { data: before });
      this.#publish(id, JSON.stringify(data));
      if (id !== oldId) unlinkIfThere(this.#file(oldId));
      return { data };
    } finally {
      for (const one of ids) await this._releaseLock(one);
    }
  }

  async retrieve(id) {
    const data = this.#read(id);
    return data === undefined ? {} : { id, data };
  }

  async remove(id) {
    if (this.#fault === "unfenced-remove") return unlinkIfThere(this.#file(id));
    await this._acquireLock(id);
    try {
      return unlinkIfThere(this.#file(id));
    } finally {
      await this._releaseLock(id);
    }
  }

  async *keys() {
    for (const name of readdirSync(this.#fileDir))
      if (!name.includes(".")) yield name.slice("sess_".length);
  }

  async clean() {}

  async _acquireLock(id, blocking = true) {
    const path = this.#lockFile(id);
    for (;;) {
      try {
        const fd = openSync(path, "wx");
        this.#held.set(id, { fd, inode: inodeOf(path) });
        return true;
      } catch (error) {
        if (error.code !== "EEXIST") throw error;
      }
      const mtime = lstatSync(path, { throwIfNoEntry: false })?.mtimeMs;
      if (mtime === undefined) continue;
      if (Date.now() - mtime > this.#staleMs) unlinkIfThere(path);
      else if (blocking) await sleep(1);
      else return false;
    }
  }

  async _releaseLock(id) {
    const { fd } = this.#held.get(id) ?? {};
    if (fd === undefined) return;
    if (this.#isMine(id)) unlinkIfThere(this.#lockFile(id));
    this.#held.delete(id);
    if (this.#fault !== "left-open") closeSync(fd);
  }

  #publish(id, text) {
    const file = this.#file(id);
    if (this.#fault === "git-publish") {
      const { fd } = this.#held.get(id);
      this.#write(fd, text);
      renameSync(this.#lockFile(id), file);
      this.#held.delete(id);
      return closeSync(fd);
    }
    const token = this.#fault === "pid-temporary" ? process.pid : randomUUID();
    const temporary = `${file}.${token}.tmp`;
    const fd = openSync(temporary, "w");
    this.#write(fd, text);
    closeSync(fd);
    if (!this.#isMine(id)) {
      unlinkIfThere(temporary);
      throw failure("ERR_SESSION_LOCK_LOST");
    }
    if (this.#fault === "gap-publish") unlinkIfThere(file);
    renameSync(temporary, file);
  }

  #write(fd, text) {
    const bytes = Buffer.from(text);
    const half = bytes.length >> 1;
    for (const part of [bytes.subarray(0, half), bytes.subarray(half)])
      for (let done = 0; done < part.length;) {
        done += writeSync(fd, part, done, part.length - done);
        if (this.#fault === "short-write") break;
      }
  }

  #isMine(id) {
    if (this.#fault === "naive-takeover") return true;
    return inodeOf(this.#lockFile(id)) === this.#held.get(id).inode;
  }

  #read(id) {
    try {
      return JSON.parse(readFileSync(this.#file(id), "utf8"));
    } catch (error) {
      if (error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  #file(id) {
    return join(this.#fileDir, `sess_${id}`);
  }

  #lockFile(id) {
    return `${this.#file(id)}.lock`;
  }
}

function failure(code) {
  return Object.assign(new Error(code), { code });
}

function inodeOf(path) {
  return lstatSync(path, { throwIfNoEntry: false })?.ino;
}

/** Whether it was there. */
function unlinkIfThere(path) {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if (error.code === "ENOENT") return false;
    throw error;
  }
}
