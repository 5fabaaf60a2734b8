// Sessions in files as they are written in the wild: by name, without a second look at what stands
// there. What the tests of hostile directories must find fault with.

import {
  closeSync,
  fstatSync,
  openSync,
  opendirSync,
  readSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

function read(path) {
  if (!statSync(path, { throwIfNoEntry: false })) return "";
  const fd = openSync(path, "r");
  const bytes = Buffer.alloc(fstatSync(fd).size + 100);
  const length = readSync(fd, bytes, 0, bytes.length, null);
  closeSync(fd);
  return bytes.toString("latin1", 0, length);
}

function write(path, text) {
  const fd = openSync(path, "w");
  writeSync(fd, text);
  closeSync(fd);
}

function remove(path) {
  if (statSync(path, { throwIfNoEntry: false })) unlinkSync(path);
}

export class NaiveHandler {
  constructor({ fileDir }) {
    this.fileDir = fileDir;
  }

  _sessionFile(id) {
    return join(this.fileDir, `sess_${id}`);
  }

  async store(id, data, { oldId } = {}) {
    await this._acquireLock(id);
    write(this._sessionFile(id), JSON.stringify({ id, data }));
    await this._releaseLock(id);
    if (oldId) await this.remove(oldId);
  }

  async update(id, change) {
    await this.store(id, await change(await this.retrieve(id)));
  }

  async retrieve(id) {
    const text = read(this._sessionFile(id));
    if (text === "") return {};
    // Both formats, so that what is planted is a session to either handler.
    return { id, data: text.includes("outside") ? "outside" : "inside" };
  }

  async touch(id) {
    const text = read(this._sessionFile(id));
    if (text !== "") write(this._sessionFile(id), text);
  }

  async remove(id) {
    remove(this._sessionFile(id));
  }

  async clean() {
    for await (const id of this.keys()) await this.touch(id);
  }

  async *keys() {
    const directory = opendirSync(this.fileDir);
    for (let entry = directory.readSync(); entry; entry = directory.readSync())
      if (/^sess_\w+$/.test(entry.name)) yield entry.name.slice(5);
    directory.closeSync();
  }

  async _acquireLock(id) {
    write(`${this._sessionFile(id)}.lock`, "");
    return true;
  }

  async _releaseLock(id) {
    remove(`${this._sessionFile(id)}.lock`);
  }

  async close() {}
}
