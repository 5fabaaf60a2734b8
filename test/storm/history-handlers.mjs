// Whose calls are judged by their history: the real handler, or one that is broken in one way that
// people build.

import {
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FileHandler, SessionError } from "filesession";

export function openHandler(name, fileDir, staleAfter) {
  return new handlers[name]({ fileDir, staleAfter, lockTimeout: 30 });
}

/** Believes for 3 ms what it has read. */
class CachedReads extends FileHandler {
  #cache = new Map();

  async retrieve(id, options) {
    const cached = this.#cache.get(id);
    if (cached && performance.now() - cached.since < 3) return cached.record;
    const record = await super.retrieve(id, options);
    this.#cache.set(id, { record, since: performance.now() });
    return record;
  }
}

/** Changes what it has read, and stores it under a lock that it takes after that. */
class LastWriteWins extends FileHandler {
  async update(id, change, options) {
    const record = await this.retrieve(options?.oldId ?? id);
    const data = await change(record);
    return data === undefined ? record : this.store(id, data, options);
  }
}

/** Removes without a lock; its updates replace the file. */
class UnfencedRemove extends FileHandler {
  constructor(options) {
    super({ ...options, durability: "file" });
  }
  async remove(id) {
    return unlink(this._sessionFile(id));
  }
}

/** Stores under the new id, and then removes what is under the old one. */
class MoveInTwo extends FileHandler {
  async store(id, data, { oldId = id, ...options } = {}) {
    if (oldId === id) return super.store(id, data, options);
    const { id: found } = await this.retrieve(oldId);
    if (found === undefined) return super.store(id, data, { oldId, ...options });
    const record = await super.store(id, data);
    await this.remove(oldId);
    return record;
  }
}

/** A lock file and a new file, as most do it. A stale lock is unlinked by whoever finds it. */
class Simple {
  #fileDir;
  #staleMs;

  constructor({ fileDir, staleAfter }) {
    mkdirSync(fileDir, { recursive: true });
    this.#fileDir = fileDir;
    this.#staleMs = staleAfter * 1000;
  }

  async store(id, data, options) {
    return this.update(id, () => data, options);
  }

  async update(id, change, { mustExist = false } = {}) {
    return this.#locked(id, async (file, assertMine) => {
      const record = await this.retrieve(id);
      if (mustExist && record.id === undefined) throw new SessionError("ERR_SESSION_GONE", "gone");
      const data = await change(record);
      if (data === undefined) return record;
      assertMine();
      this.write(file, JSON.stringify(data));
      return { id, data };
    });
  }

  async remove(id) {
    return this.#locked(id, (file, assertMine) => {
      assertMine();
      return unlink(file);
    });
  }

  async touch(id) {
    return (await this.retrieve(id)).id !== undefined;
  }

  async retrieve(id) {
    const text = ifThere(() => readFileSync(this.#file(id), "utf8"));
    return text ? { id, data: JSON.parse(text) } : {};
  }

  write(file, text) {
    const path = `${file}.${process.pid}.tmp`;
    writeFile(path, text);
    renameSync(path, file);
  }

  async #locked(id, action) {
    const path = `${this.#file(id)}.lock`;
    let fd;
    while ((fd = create(path)) === undefined) {
      const found = lstatSync(path, { throwIfNoEntry: false });
      if (found && Date.now() - found.mtimeMs > this.#staleMs) unlink(path);
      else await sleep(1);
    }
    const { ino } = fstatSync(fd);
    const isMine = () => lstatSync(path, { throwIfNoEntry: false })?.ino === ino;
    const assertMine = () => {
      if (!isMine()) throw new SessionError("ERR_SESSION_LOCK_LOST", "lost");
    };
    try {
      return await action(this.#file(id), assertMine);
    } finally {
      if (isMine()) unlink(path);
      closeSync(fd);
    }
  }

  #file(id) {
    return join(this.#fileDir, `sess_${id}`);
  }
}

/** Writes over what is there. */
class InPlace extends Simple {
  write(file, text) {
    writeFile(file, text);
  }
}

const handlers = {
  filesession: FileHandler,
  "cached reads": CachedReads,
  "last write wins": LastWriteWins,
  "unfenced remove": UnfencedRemove,
  "move in two": MoveInTwo,
  "lock checked, then written": Simple,
  "written in place": InPlace,
};

function writeFile(path, text) {
  const fd = openSync(path, "w");
  writeSync(fd, text);
  closeSync(fd);
}

function create(path) {
  try {
    return openSync(path, "wx");
  } catch (error) {
    if (error.code === "EEXIST") return undefined;
    throw error;
  }
}

function unlink(path) {
  return ifThere(() => {
    unlinkSync(path);
    return true;
  }, false);
}

function ifThere(action, otherwise) {
  try {
    return action();
  } catch (error) {
    if (error.code === "ENOENT") return otherwise;
    throw error;
  }
}
