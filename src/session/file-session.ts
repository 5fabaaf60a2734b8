// The session as an app has it in its hands.

import type { SessionInfo } from "./owners.ts";

// h3's own default, so that untyped code type-checks as it does with `useSession`.
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyData = Record<string, any>;

/**
 * What this app keeps in a session, said once for all of it: then `useFileSession(event)` is typed so
 * without being told.
 *
 * ```ts
 * declare module "filesession" {
 *   interface SessionData {
 *     userId?: number;
 *   }
 * }
 * ```
 */
export interface SessionData {}

/** `SessionData` as far as the app has said it; otherwise any. */
export type DefaultData = keyof SessionData extends never ? AnyData : SessionData;

/** What to merge into the session's data, or a function that gives it from the freshest data. */
export type SessionUpdate<T extends object = DefaultData> =
  | Partial<T>
  | ((data: Partial<T>) => Partial<T> | undefined | Promise<Partial<T> | undefined>);

/**
 * The session of one visitor, as `useFileSession` gives it. It has all that h3's `useSession`
 * gives, and more.
 *
 * What changes it resolves when the change has reached the disk, so the next request sees it in any
 * process; the cookie, where one is due, is set after that. All of it rejects with
 * `ERR_SESSION_LOCK_TIMEOUT` or `ERR_SESSION_DIR` when the place is busy or broken, and then the
 * session is as it was.
 */
export interface FileSession<T extends object = DefaultData> {
  /**
   * What the session is stored under; `undefined` until something is stored. Not the token: it may
   * be logged.
   */
  readonly id: string | undefined;
  /**
   * The data as this request read it, and after its own changes as they left it. Never `null`.
   * Changing it stores nothing. `{}` when there is no session, and when what is stored under its id
   * is no object with keys, which only other programs do.
   */
  readonly data: Partial<T>;
  /** Whether the session is not from before this request: begun in it, or not begun at all. */
  readonly isNew: boolean;
  /**
   * Whether the request came with a token that `regenerate` has replaced, and whose `grace` is not
   * over: then the session can be read, and what would change it rejects with `ERR_SESSION_GONE`.
   */
  readonly isReplaced: boolean;
  /** Whether the session has a lifetime of its own, by `remember`. */
  readonly isRemembered: boolean;
  /**
   * When the session began, in milliseconds since the epoch; `undefined` until something is stored.
   */
  readonly time: number | undefined;
  /** When it was last stored or used, in milliseconds since the epoch, up to a minute behind. */
  readonly touched: number | undefined;
  /** When it ends unless it is used before, in milliseconds since the epoch. */
  readonly expires: number | undefined;
  /**
   * The client's address when it was last stored with one; `''` when unknown, `undefined` until
   * something is stored.
   */
  readonly ip: string | undefined;

  /**
   * Merges `change`, key by key, into the session as it is on disk now, under its lock: parallel
   * requests lose nothing. A function gets the freshest data and may be async; the lock is held
   * while it runs, so it must not change the same session itself. When it gives `undefined`,
   * nothing is written; when it throws, nothing either. The first update begins the session.
   *
   * Rejects with `ERR_SESSION_GONE` when the session ended, moved or was destroyed since this
   * request read it: it is not brought back. With `ERR_SESSION_HEADERS_SENT` when the session would
   * begin and its cookie cannot be sent any more; `ERR_SESSION_DATA` and `ERR_SESSION_TOO_LARGE`
   * for data that cannot be stored; `ERR_SESSION_OPTION` in a cached handler.
   */
  readonly update: (change: SessionUpdate<T>) => Promise<FileSession<T>>;
  /** Makes the data exactly this. Begins the session if there is none. Rejects as `update` does. */
  readonly replace: (data: T) => Promise<FileSession<T>>;
  /** Removes these keys from the data. Nothing happens where they are not. Rejects as `update` does. */
  readonly unset: (...keys: (keyof T)[]) => Promise<FileSession<T>>;
  /**
   * The value under `key`, which is removed in the same transaction: of requests that pull at once,
   * one gets it. `undefined` when there is none. Rejects as `update` does.
   */
  readonly pull: <K extends keyof T>(key: K) => Promise<T[K] | undefined>;
  /**
   * Says something to the next request: the first that asks `flashed` from then on gets it, and no
   * other. Any value that a session may hold. Rejects as `update` does.
   */
  readonly flash: (key: string, value: unknown) => Promise<FileSession<T>>;
  /**
   * What the requests before have said with `flash`, by its keys; `{}` when nothing. It is taken away in
   * one transaction: of requests that ask at once, one gets it. Asked again, this request gets the same.
   * A request that does not ask leaves it for the next.
   */
  readonly flashed: <F extends object = Record<string, unknown>>() => Promise<Partial<F>>;
  /** Says to the next request what `flashed` has given to this one: all of it, or these keys. */
  readonly keep: (...keys: string[]) => Promise<FileSession<T>>;
  /**
   * Reads the session again, as it is on disk now. One that has ended, moved or been destroyed
   * since is gone: `data` is empty, and a later `update` begins a new one.
   */
  readonly reload: () => Promise<FileSession<T>>;
  /**
   * Gives the session a new token and id; data and creation time are kept. Call it when somebody signs
   * in or gains a right. Nothing happens while nothing is stored.
   *
   * For `grace` seconds (default 0) a request that was sent with the old token still reads the session,
   * as it is by then. It is given no new token, and what would change the session rejects with
   * `ERR_SESSION_GONE`. After that the old token is a miss, and its use is reported as `reuse` on
   * `node:diagnostics_channel`, as long as a session may sit unused. With a grace of 0 nothing is kept
   * of it. Whoever knows the old token can read for so long: at a log-in that is somebody who has
   * planted it, so give no grace there that is not needed.
   *
   * Of two that regenerate one session at once, one wins. The other follows it, as a request with the
   * old token; where the winner gave no grace it rejects with `ERR_SESSION_GONE`. Rejects as `update`
   * does, and with `ERR_SESSION_OPTION` when `cookie` is `false`.
   */
  readonly regenerate: (options?: { grace?: number }) => Promise<FileSession<T>>;
  /**
   * Has the session live for so many seconds from now, used or not, whatever `maxAge` and
   * `idleTimeout` are; the cookie too. Begins the session if there is none. Later updates leave that
   * as it is. Rejects as `update` does, and with `ERR_SESSION_HEADERS_SENT` when the cookie cannot be
   * sent any more.
   */
  readonly remember: (seconds: number) => Promise<FileSession<T>>;
  /**
   * Says whose session this is, for `others` and `fileSessions`: any text of 1 to 1024 characters, a
   * user's id for one; `null` for nobody's. Begins the session if there is none. With `maxSessions` the
   * oldest of that tag go. Rejects as `update` does.
   */
  readonly tag: (tag: string | null) => Promise<FileSession<T>>;
  /**
   * The other sessions with this one's tag, the one that was used last first: the user's other devices.
   * `[]` without a tag.
   */
  readonly others: () => Promise<SessionInfo<T>[]>;
  /** Destroys the other sessions with this one's tag. How many there were. */
  readonly destroyOthers: () => Promise<number>;
  /**
   * Destroys the session on disk and takes the cookie back. A later `update` begins a new one, with
   * no old data. Without a session or cookie nothing happens. Rejects with
   * `ERR_SESSION_HEADERS_SENT` when the cookie cannot be taken back any more.
   */
  readonly clear: () => Promise<FileSession<T>>;
  /** What may be logged: no token, no data. */
  toJSON(): Pick<FileSession, "id" | "isNew" | "time" | "touched" | "expires">;
}
