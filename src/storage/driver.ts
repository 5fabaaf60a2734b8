// A handler's sessions as items of a storage, as unstorage wants them of a driver.
//
// Nothing of unstorage is imported. What it wants of a driver is written down here, and fits 1.x
// and 2.x alike; a storage calls the members without `this`.

import { isSessionError } from "../core/error.ts";
import {
  type Handler,
  isRecord,
  type RetrieveOptions,
  type SessionRecord,
} from "../core/handler.ts";

/**
 * What `getMeta` gives. A type and no interface, which would lack the index signature that
 * unstorage wants.
 */
export type SessionMeta = {
  /** When the session was last stored or touched. */
  mtime: Date;
  /** When the session was created. */
  birthtime: Date;
  /** The same as `birthtime`, in milliseconds since the epoch. */
  created: number;
  /** The same as `mtime`, in milliseconds since the epoch. */
  updated: number;
  /** The client's address, `''` when unknown. */
  ip: string;
  /** Bytes that it takes where it is kept, which are more than its data has. */
  size: number;
  /** Seconds until the session ends by itself, rounded up. Absent without a `ttl`. */
  ttl?: number;
};

/**
 * A driver for unstorage. Every member rejects with a `SessionError`; only a miss is `null` or
 * `false`.
 */
export interface StorageDriver<Options, Instance extends Handler> {
  name: string;
  /** Those it was given that are no secret: a storage shows them to everybody. */
  options: Options;
  flags: { maxDepth: true; ttl: true };
  /**
   * The handler underneath, which can do more: `update`, `touch`, `clean`. With a `secret` its data
   * is sealed: `SealedHandler` opens it.
   */
  getInstance(): Instance;
  /** Whether there is a live session. Does not wait for a lock. */
  hasItem(key: string): Promise<boolean>;
  /**
   * The session's data as it was stored, dates and maps included; `null` for a miss. Waits for a
   * lock.
   */
  getItem(key: string): Promise<string | number | boolean | object | null>;
  /** The same as `getItem`. */
  getItemRaw(key: string): Promise<unknown>;
  /**
   * Stores the text of an object or an array as what it stands for, any other text as a string.
   * Keeps the session's `ip` and creation time; creates the session if there is none. `ttl` in
   * seconds; 0, as in unstorage's own drivers, is none.
   */
  setItem(key: string, value: string, options?: { ttl?: number }): Promise<void>;
  /** Stores the value itself: bytes, or anything else that a session may hold. */
  setItemRaw(key: string, value: unknown, options?: { ttl?: number }): Promise<void>;
  removeItem(key: string): Promise<void>;
  /** `null` for a miss. Does not wait for a lock. */
  getMeta(key: string): Promise<SessionMeta | null>;
  /** The keys under `base`, and with at most `maxDepth` colons in them. */
  getKeys(base?: string, options?: { maxDepth?: number }): Promise<string[]>;
  /**
   * Removes every session, or those under `base`; waits for those that are locked.
   * `storage.clear(base)` of unstorage looks for mounts under the base and never asks for a part of
   * one: remove what `storage.getKeys(base)` gives, or call this.
   */
  clear(base?: string): Promise<void>;
  /** Closes the handler. */
  dispose(): Promise<void>;
}

/** What a driver is made of. */
export interface Parts<Options, Instance extends Handler> {
  options: Options;
  /** The handler of the place. */
  instance: Instance;
  /** The same, or one that seals for it. */
  handler: Handler;
  /** Bytes that a session takes; `undefined` when there is none. */
  size(key: string): number | undefined | Promise<number | undefined>;
}

export function storageDriver<Options, Instance extends Handler>({
  options,
  instance,
  handler,
  size: sizeOf,
}: Parts<Options, Instance>): StorageDriver<Options, Instance> {
  const find = async (key: string, how?: RetrieveOptions): Promise<SessionRecord | undefined> => {
    const record = await handler.retrieve(key, how);
    return isRecord(record) ? record : undefined;
  };

  const getItemRaw: StorageDriver<Options, Instance>["getItemRaw"] = async (key) => {
    try {
      return (await find(key))?.data ?? null;
    } catch (error) {
      // A storage that is asked for the meta of `key` also gets `key + "$"`, which may be too long
      // where `key` is not.
      if (isSessionError(error, "ERR_SESSION_ID") && /.\$$/.test(key)) return null;
      throw error;
    }
  };

  const setItemRaw: StorageDriver<Options, Instance>["setItemRaw"] = async (
    key,
    value,
    { ttl } = {},
  ) => {
    await handler.store(key, value, ttl ? { ttl } : {});
  };

  const getKeys: StorageDriver<Options, Instance>["getKeys"] = async (
    base,
    { maxDepth = Infinity } = {},
  ) => {
    const keys: string[] = [];
    for await (const key of handler.keys())
      if (isUnder(base, key) && depthOf(key) <= maxDepth) keys.push(key);
    return keys;
  };

  return {
    name: "filesession",
    options,
    flags: { maxDepth: true, ttl: true },
    getInstance: () => instance,

    async hasItem(key) {
      return (await find(key, { blocking: false })) !== undefined;
    },

    async getItem(key) {
      // A session may hold what a storage has no type for, a bigint. It hands on all that is no
      // string.
      return (await getItemRaw(key)) as object | null;
    },
    getItemRaw,

    async setItem(key, value, opts) {
      const live = parseJson(value);
      try {
        await setItemRaw(key, live, opts);
      } catch (error) {
        // JSON has room for what no session may hold, a `__proto__` key for one. As a text it is
        // harmless.
        if (live === value || !isSessionError(error, "ERR_SESSION_DATA")) throw error;
        await setItemRaw(key, value, opts);
      }
    },
    setItemRaw,

    async removeItem(key) {
      await handler.remove(key);
    },

    async getMeta(key) {
      const record = await find(key, { blocking: false });
      if (!record) return null;
      const size = await sizeOf(key);
      if (size === undefined) return null; // removed meanwhile
      const { ip, time, touched, expires } = record;
      return {
        mtime: new Date(touched),
        birthtime: new Date(time),
        created: time,
        updated: touched,
        ip,
        size,
        ...(expires !== undefined && { ttl: Math.ceil((expires - Date.now()) / 1000) }),
      };
    },

    getKeys,

    async clear(base) {
      if (!base) await handler.clean(0, { blocking: true });
      else for (const key of await getKeys(base)) await handler.remove(key);
    },

    dispose: () => handler.close(),
  };
}

/** What a storage made a text of, as far as it is an object or an array; otherwise the text. */
function parseJson(text: string): unknown {
  if (!text.startsWith("{") && !text.startsWith("[")) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text; // it only looks like JSON
  }
}

/** Whether `key` is below `base`, which is a key or, as a storage has it, a key and a colon. */
function isUnder(base: string | undefined, key: string): boolean {
  return !base || key.startsWith(base.endsWith(":") ? base : `${base}:`);
}

function depthOf(key: string): number {
  return key.split(":").length - 1;
}
