// The unstorage driver: the sessions of a FileHandler as items of a storage.
//
// One record, two doors: what `useFileSession` stores is what `getItem` gives, and the other way
// round. But a storage has no transaction: who reads an item, changes it and sets it again may lose
// what came in between, and brings back a session that was destroyed meanwhile. Change sessions
// with `useFileSession` or `FileHandler.update`, and use the storage for the rest.

import { FileHandler, type FileHandlerOptions, SealedHandler } from "./index.ts";
import { type SessionMeta, type StorageDriver, storageDriver } from "./storage/driver.ts";

export type { SessionMeta };

/** The options of the driver, plain JSON. */
export interface SessionDriverOptions extends FileHandlerOptions {
  /**
   * That of `useFileSession`, for the same sessions. Given in a config that is built in, as
   * `nitro.config.ts` is, it stands in the built server: mount the driver when the server starts.
   */
  secret?: string | readonly string[] | undefined;
}

/**
 * A driver for unstorage. Every member rejects with a `SessionError`; only a miss is `null` or
 * `false`.
 */
export interface SessionDriver extends StorageDriver<FileHandlerOptions, FileHandler> {
  /**
   * Calls back when a session was stored or touched (`update`) or has gone (`remove`), by any
   * process. Several changes in quick succession may be one event. Gives what ends the watching.
   */
  watch(callback: (event: "update" | "remove", key: string) => unknown): Promise<() => void>;
  /** Ends the watching and closes the handler. */
  dispose(): Promise<void>;
}

/**
 * A driver that keeps items as session files. The options are those of `FileHandler`, and `secret`.
 * Throws what `new FileHandler` and `new SealedHandler` throw.
 *
 * @example
 * // nitro.config.ts
 * export default defineNitroConfig({
 *   storage: { sessions: { driver: "filesession/driver", fileDir: ".data/sessions" } },
 * });
 */
export default function driver(options: SessionDriverOptions = {}): SessionDriver {
  const { secret, ...others } = options;
  const isSealed = "secret" in options;
  const files = new FileHandler(others);
  const sessions = storageDriver({
    options: isSealed ? others : (options as FileHandlerOptions),
    instance: files,
    handler: isSealed ? new SealedHandler(files, secret ?? "") : files,
    size: (key) => files._fileBytes(key),
  });
  const unwatches = new Set<() => void>();

  return {
    ...sessions,

    async watch(callback) {
      const unwatch = files._watch(callback);
      unwatches.add(unwatch);
      return () => {
        unwatches.delete(unwatch);
        unwatch();
      };
    },

    async dispose() {
      for (const unwatch of unwatches) unwatch();
      unwatches.clear();
      await sessions.dispose();
    },
  };
}
