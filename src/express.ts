// The store of express-session: its sessions in the files of a FileHandler.
//
// express-session reads a session when a request begins and sets it, whole, when the response ends.
// There is no place for a lock in between: of parallel requests that change one session, the last
// one to end wins. What a store can do, this one does:
//
// - A reader sees a whole version, whoever writes, in this process or another.
// - `touch` changes the cookie and nothing else, in the session as it is on disk then, and not even
//   that when another request has changed it.
// - A session that a request has read is only written while it is still there: a slow request does
//   not undo a log-out. It gets no error, which would come when its response is half sent. It is as
//   if it had written just before the log-out.
//
// The session's id here is the hash of express's, which is a secret: its cookie is that and a
// signature. So who reads the disk or a log has no usable one.
//
// Nothing of express-session is imported. It is given, for the class that a store has to extend.

import { createHash } from "node:crypto";
import { accessSync, constants } from "node:fs";
import { readdir, readFile, unlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { badOption, isSessionError } from "./core/error.ts";
import { milliseconds } from "./core/seconds.ts";
import { warnOf } from "./core/warning.ts";
import {
  FileHandler,
  type FileHandlerOptions,
  type Handler,
  isRecord,
  SealedHandler,
  SessionError,
} from "./index.ts";
import { keepClean, stopCleaning } from "./session/cleaner.ts";

/** The options of `fileStore`. */
export interface FileStoreOptions extends FileHandlerOptions {
  /**
   * Seconds that a session lives after its last request, if its cookie does not say when it ends.
   * Default 86400.
   */
  ttl?: number | undefined;
  /** Encrypts the data: as with `useFileSession`. Not express-session's, which signs the cookie. */
  secret?: string | readonly string[] | undefined;
  /** Seconds between two removals of ended sessions. Default 600; `false` or 0: never. */
  cleanInterval?: number | false | undefined;
  /**
   * A directory of session-file-store, its `path`. A session there is taken over when its visitor
   * comes, and its file removed. Sessions whose cookie has no end live for `ttl` there, too.
   */
  legacyDir?: string | undefined;
}

/** What express-session hands to a store, and is given back: what JSON makes of it. */
export interface ExpressSession {
  cookie: object;
}

/** What is called in the end. `error` is `null` when all went well. */
export type Done<T = void> = (error?: unknown, result?: T) => void;

/** The store. An error without a callback is a warning. */
export interface FileStore {
  /** Where the sessions are, by the SHA-256 of express's ids, in hex. */
  readonly handler: Handler;
  /** `null` for a miss. Does not wait for a lock. */
  get(sid: string, callback: Done<ExpressSession | null>): void;
  /**
   * Stores what JSON makes of the session, until its cookie ends. One that a request has read, or
   * set before, and that is gone since stays so, without an error.
   */
  set(sid: string, session: ExpressSession, callback?: Done): void;
  /** No error when it is gone. */
  destroy(sid: string, callback?: Done): void;
  /** Stores the cookie and lets the session live until that ends. No error when it is gone. */
  touch(sid: string, session: ExpressSession, callback?: Done): void;
  /** All live sessions, in no order, without their ids: nobody here knows those. */
  all(callback: Done<ExpressSession[]>): void;
  /** How many sessions are live. Looks at each of them. */
  length(callback: Done<number>): void;
  /** Removes all sessions of the handler, and those of session-file-store in `legacyDir`. */
  clear(callback?: Done): void;
  /** Ends the cleaning and closes the handler. */
  close(): Promise<void>;
}

/** What of express-session is needed. */
export interface ExpressSessionModule<S extends object> {
  Store: abstract new () => S;
}

/**
 * A store for `session({ store })` of express-session, which is the first argument.
 *
 * Throws `ERR_SESSION_OPTION` for an option that makes no sense, and `ERR_SESSION_DIR` for a
 * directory that cannot be used.
 *
 * @example
 * app.use(session({ store: fileStore(session, { fileDir: ".data/sessions" }), ...options }));
 */
export function fileStore<S extends object>(
  session: ExpressSessionModule<S>,
  options: FileStoreOptions = {},
): S & FileStore {
  const Store = session.Store as unknown as new () => ExpressStore;
  const { ttl = 86_400, cleanInterval = 600 } = options;
  const ttlMs = milliseconds("ttl", ttl);
  const cleanMs = cleanInterval ? milliseconds("cleanInterval", cleanInterval) : 0;
  const legacy = options.legacyDir === undefined ? undefined : new LegacyDir(options.legacyDir);
  const files = new FileHandler(options);
  const handler: Handler =
    "secret" in options ? new SealedHandler(files, options.secret ?? "") : files;
  // Of ours all have a ttl and go by that. Of others, in the same directory, we know no timeout.
  if (cleanMs > 0) keepClean(files, cleanMs);
  // The sessions of requests that have been stored, by us or somebody else.
  const stored = new WeakMap<object, StoredCookie>();

  const find = async (sid: string): Promise<ExpressSession | null> => {
    const id = idOf(sid);
    return (await look(id)) ?? (legacy ? takeOver(sid, id, legacy) : null);
  };

  const look = async (id: string): Promise<ExpressSession | null> => {
    const record = await handler.retrieve<ExpressSession>(id, { blocking: false });
    return isRecord(record) ? record.data : null;
  };

  const takeOver = async (sid: string, id: string, legacy: LegacyDir) => {
    const old = await legacy.find(sid, ttlMs);
    // Without a lock for every sid that somebody makes up. Or another request has taken it over since
    // we looked.
    if (!old) return look(id);
    try {
      const record = await handler.update<ExpressSession>(
        id,
        // Under the lock. Who destroys the session removes the file first, then what we make of it.
        async (found) => (isRecord(found) ? undefined : (await legacy.find(sid, ttlMs))?.session),
        { ttl: old.restMs / 1000, lasting: true },
      );
      if (!isRecord(record)) return null;
      await legacy.remove(sid);
      return record.data;
    } catch (error) {
      // Otherwise each request of this visitor would fail, from now on.
      if (!isSessionError(error, "ERR_SESSION_DATA", "ERR_SESSION_TOO_LARGE")) throw error;
      warnOf("take over a session of session-file-store", error);
      return null;
    }
  };

  const put = async (sid: string, session: ExpressSession): Promise<void> => {
    const id = idOf(sid);
    const data = plain(session);
    const lives = lifetime(data);
    if (lives.ttl === 0) return destroy(sid);
    const mustExist = stored.has(session);
    await unlessGone(handler.store(id, data, { ...lives, mustExist }));
    // Only a session of a request is one and the same all along.
    if (!("req" in session)) return;
    const attributes = attributesOf(data);
    stored.set(session, { attributes, asRead: attributes });
  };

  const touch = async (sid: string, session: ExpressSession): Promise<void> => {
    const touched = plain({ cookie: session.cookie });
    // Who has not changed the cookie does not undo what another request has done to it: that one
    // has just said how long the session lives.
    const before = stored.get(session);
    const isOurs = before?.attributes !== attributesOf(touched);
    await unlessGone(
      handler.update<ExpressSession>(
        idOf(sid),
        ({ data }) =>
          isOurs || (data && attributesOf(data) === before?.asRead)
            ? { ...data, ...touched }
            : undefined,
        { ...lifetime(touched), mustExist: true },
      ),
    );
  };

  const destroy = async (sid: string): Promise<void> => {
    await legacy?.remove(sid);
    await handler.remove(idOf(sid));
  };

  const all = async (): Promise<ExpressSession[]> => {
    const sessions: ExpressSession[] = [];
    for await (const id of handler.keys()) {
      const record = await handler.retrieve<ExpressSession>(id, { blocking: false });
      if (isRecord(record)) sessions.push(record.data);
    }
    return sessions;
  };

  const count = async (): Promise<number> => {
    let count = 0;
    for await (const _ of handler.keys()) count++;
    return count;
  };

  const clear = async (): Promise<void> => {
    await legacy?.clear(ttlMs);
    await handler.clean(0, { blocking: true });
  };

  /** How long a session lives from now on. Used or not: a `clean` with a timeout leaves it alone. */
  function lifetime({ cookie }: ExpressSession): { ttl: number; lasting: true } {
    const { expires } = (cookie ?? {}) as { expires?: string | null };
    const end = expires ? Date.parse(expires) : Number.NaN;
    const restMs = Number.isNaN(end) ? ttlMs : Math.max(0, end - Date.now());
    return { ttl: restMs / 1000, lasting: true };
  }

  class Files extends Store implements FileStore {
    readonly handler: Handler = handler;

    /** Makes what a request works with of what `get` gave. */
    override createSession(req: object, data: ExpressSession): ExpressSession {
      const asRead = attributesOf(data);
      const session = super.createSession(req, data);
      stored.set(session, { attributes: attributesOf(session), asRead });
      return session;
    }

    get(sid: string, callback: Done<ExpressSession | null>): void {
      settle(find(sid), callback);
    }

    set(sid: string, session: ExpressSession, callback?: Done): void {
      settle(put(sid, session), callback);
    }

    destroy(sid: string, callback?: Done): void {
      settle(destroy(sid), callback);
    }

    touch(sid: string, session: ExpressSession, callback?: Done): void {
      settle(touch(sid, session), callback);
    }

    all(callback: Done<ExpressSession[]>): void {
      settle(all(), callback);
    }

    length(callback: Done<number>): void {
      settle(count(), callback);
    }

    clear(callback?: Done): void {
      settle(clear(), callback);
    }

    async close(): Promise<void> {
      stopCleaning(files);
      await handler.close();
    }
  }

  return new Files() as FileStore as S & FileStore; // an S: `Store` made it
}

/** What a store inherits, as far as it is called or extended here. */
interface ExpressStore {
  createSession(req: object, data: ExpressSession): ExpressSession;
}

/** What a session's cookie was like when it was read or stored. */
interface StoredCookie {
  attributes: string;
  /** The same as it lay on disk, where older versions of express-session had less and other orders. */
  asRead: string;
}

function idOf(sid: string): string {
  return createHash("sha256").update(sid).digest("hex");
}

/** What every store of express-session keeps: a cookie has a `toJSON`, a session hides its request. */
function plain(session: ExpressSession): ExpressSession {
  return JSON.parse(JSON.stringify(session)) as ExpressSession;
}

/** What a cookie is like, but for when it ends, which moves with each request. */
function attributesOf({ cookie }: ExpressSession): string {
  return JSON.stringify({ ...plain({ cookie }).cookie, expires: null });
}

async function unlessGone(writing: Promise<unknown>): Promise<void> {
  try {
    await writing;
  } catch (error) {
    if (!isSessionError(error, "ERR_SESSION_GONE")) throw error;
  }
}

/** Calls back in a turn of its own: what a callback throws is not taken for an error of ours. */
function settle<T>(working: Promise<T>, callback: Done<T> | undefined): void {
  working.then(
    (result) => callback && process.nextTick(callback, null, result),
    (error: unknown) =>
      callback
        ? process.nextTick(callback, error)
        : warnOf("do what the store of express-session was asked for", error),
  );
}

// --- session-file-store --------------------------------------------------------------------------

interface LegacySession {
  session: ExpressSession;
  /** How long it would have lived on there. */
  restMs: number;
}

// What express-session makes, and most that apps do. No sid is a path.
const safeSid = /^[A-Za-z0-9_-]{1,128}$/;

/** The directory of a session-file-store: one `<sid>.json` for each session. */
class LegacyDir {
  readonly #dir: string;
  #hasWarned = false;

  constructor(dir: string) {
    this.#dir = resolve(dir);
    try {
      accessSync(this.#dir, constants.R_OK | constants.W_OK | constants.X_OK);
    } catch (error) {
      throw badOption("legacyDir", dir, "a directory that can be read and written", error);
    }
  }

  /** The session, unless it has ended; `undefined` also for what session-file-store has encrypted. */
  async find(sid: string, ttlMs: number): Promise<LegacySession | undefined> {
    if (!safeSid.test(sid)) return undefined;
    const text = await unlessMissing(readFile(this.#file(sid), "utf8"));
    if (text === undefined) return undefined;
    const old = parse(text);
    if (!old) return this.#warnOnce();
    const { __lastAccess: lastAccess, ...session } = old;
    // session-file-store 1.5, isExpired() of lib/session-file-helpers.js
    const lifeMs = session.cookie.originalMaxAge || ttlMs;
    const restMs = lastAccess + lifeMs - Date.now();
    // Another machine's clock may have been ahead.
    return restMs > 0 ? { session, restMs: Math.min(restMs, lifeMs) } : undefined;
  }

  async remove(sid: string): Promise<void> {
    if (safeSid.test(sid)) await unlessMissing(unlink(this.#file(sid)));
  }

  /** Removes the sessions that could be taken over, and nothing else that lies there. */
  async clear(ttlMs: number): Promise<void> {
    for (const name of await readdir(this.#dir)) {
      const sid = name.slice(0, -".json".length);
      if (name.endsWith(".json") && (await this.find(sid, ttlMs))) await this.remove(sid);
    }
  }

  #file(sid: string): string {
    return join(this.#dir, `${sid}.json`);
  }

  #warnOnce(): undefined {
    if (!this.#hasWarned)
      warnOf(
        "take over a session of session-file-store",
        "its file in `legacyDir` is encrypted, damaged or no session",
      );
    this.#hasWarned = true;
  }
}

/** What session-file-store has written; `undefined` when it is something else. */
function parse(
  text: string,
):
  | (ExpressSession & { cookie: { originalMaxAge?: number | null }; __lastAccess: number })
  | undefined {
  try {
    const data = JSON.parse(text);
    const isSession = typeof data.cookie === "object" && Number.isFinite(data.__lastAccess);
    return isSession && data.cookie !== null ? data : undefined;
  } catch {
    return undefined;
  }
}

/** An error does not say which file: its name is the sid, which is a secret. */
async function unlessMissing<T>(working: Promise<T>): Promise<T | undefined> {
  try {
    return await working;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    throw new SessionError(
      "ERR_SESSION_DIR",
      `Cannot take over a session of session-file-store: ${code} at its file in \`legacyDir\``,
    );
  }
}
