// File handlers that are broken in one way that people build, over the real one: what tests of
// interruptions must find.

import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The class, broken. */
export const faults = {
  "moves by removing first": (FileHandler) =>
    class extends FileHandler {
      async store(id, data, { oldId = id, ...options } = {}) {
        if (oldId !== id) await this.remove(oldId);
        return super.store(id, data, options);
      }
    },

  "moves by copying first": (FileHandler) =>
    class extends FileHandler {
      async store(id, data, { oldId = id, ...options } = {}) {
        const record = await super.store(id, data, options);
        if (oldId !== id) await this.remove(oldId);
        return record;
      }
    },

  "truncates and rewrites": (FileHandler) =>
    class extends FileHandler {
      async store(id, data, options) {
        const elsewhere = new FileHandler({ fileDir: mkdtempSync(join(tmpdir(), "filesession-")) });
        await elsewhere.store(id, data, options);
        const bytes = readFileSync(elsewhere._sessionFile(id));
        rmSync(elsewhere.fileDir, { recursive: true });
        await this._acquireLock(id);
        try {
          const fd = openSync(this._sessionFile(id), "w", 0o600);
          try {
            writeSync(fd, bytes, 0, bytes.length, 0);
          } finally {
            closeSync(fd);
          }
        } finally {
          await this._releaseLock(id);
        }
      }
    },

  "forgets a temporary file": (FileHandler) =>
    class extends FileHandler {
      async store(id, data, options) {
        const path = `${this._sessionFile(id)}.tmp`;
        closeSync(openSync(path, "wx"));
        const record = await super.store(id, data, options);
        unlinkSync(path);
        return record;
      }
    },

  "never takes over": (FileHandler) =>
    class extends FileHandler {
      constructor(options) {
        super({ ...options, staleAfter: 1000, lockTimeout: 1 });
      }
    },

  "one lock for all": (FileHandler) =>
    class extends FileHandler {
      async update(id, change, options) {
        await this._acquireLock("all");
        try {
          return await super.update(id, change, options);
        } finally {
          await this._releaseLock("all");
        }
      }
    },

  "waits again": (FileHandler) =>
    class extends FileHandler {
      async update(id, change, options) {
        try {
          return await super.update(id, change, options);
        } catch {
          return super.update(id, change, options);
        }
      }
    },
};
