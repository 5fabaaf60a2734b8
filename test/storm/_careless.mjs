// A lock file and a temporary file, as most do it: whoever finds the lock stale unlinks it.
//
// - `naive`: just that;
// - `verify-only`: looks whether the lock is still its own before it publishes and before it gives
//   it back;
// - `git-publish`: the lock file is the new file, renamed over the session.

import { closeSync, existsSync, lstatSync, openSync, renameSync, unlinkSync } from "node:fs";
import { readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export class CarelessHandler {
  #fault;
  #fileDir;
  #staleMs;

  constructor(fault, { fileDir, staleAfter }) {
    this.#fault = fault;
    this.#fileDir = fileDir;
    this.#staleMs = staleAfter * 1000;
  }

  async store(id, data) {
    return this.update(id, () => data);
  }

  async update(id, change) {
    const file = this.#file(id);
    const lock = this._lockFile(id);
    const fd = await this.#lock(lock);
    const isMine = () => inodeOf(lock) === mine;
    const mine = inodeOf(lock);
    const data = await change({ data: read(file) });
    const text = JSON.stringify(data);
    if (this.#fault === "git-publish") {
      writeSync(fd, text);
      closeSync(fd);
      renameSync(lock, file);
      return { id, data };
    }
    const temporary = `${file}.${process.pid}.tmp`;
    const out = openSync(temporary, "w");
    writeSync(out, text);
    closeSync(out);
    if (this.#fault === "verify-only" && !isMine())
      throw Object.assign(new Error("lost"), { code: "ERR_SESSION_LOCK_LOST" });
    renameSync(temporary, file);
    if (this.#fault !== "verify-only" || isMine()) unlink(lock);
    closeSync(fd);
    return { id, data };
  }

  async retrieve(id) {
    const data = read(this.#file(id));
    return data === undefined ? {} : { id, data };
  }

  async #lock(path) {
    for (;;) {
      try {
        return openSync(path, "wx");
      } catch (error) {
        if (error.code !== "EEXIST") throw error;
      }
      const mtime = lstatSync(path, { throwIfNoEntry: false })?.mtimeMs;
      if (mtime !== undefined && Date.now() - mtime > this.#staleMs) unlink(path);
      else await sleep(1);
    }
  }

  _lockFile(id) {
    return `${this.#file(id)}.lock`;
  }

  #file(id) {
    return join(this.#fileDir, `sess_${id}`);
  }
}

function inodeOf(path) {
  return lstatSync(path, { throwIfNoEntry: false })?.ino;
}

function read(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}

function unlink(path) {
  try {
    unlinkSync(path);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
}
