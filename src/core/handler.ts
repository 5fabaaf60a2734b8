// Has `Symbol.asyncDispose`, for apps whose `lib` has not, and that have no @types/node either.
/// <reference lib="esnext.disposable" preserve="true" />

/**
 * One session as a handler keeps it.
 *
 * Every moment is in milliseconds since the epoch.
 */
export interface SessionRecord<T = unknown> {
  /** What the session is stored under. Not a secret: it may be logged. */
  id: string;
  /** The client's address when the session was last stored with one. `''` when unknown. */
  ip: string;
  /**
   * When the session was created. Storing it again, or moving it with `oldId`, never changes it.
   */
  time: number;
  /** When the session was last stored or touched. */
  touched: number;
  /** When a `ttl` given to `store` or `update` runs out. Absent without one. */
  expires?: number;
  /** Whether the session lives until `expires` however long it is not used. Absent where not. */
  lasting?: true;
  /** Whose session it is, as it was stored with `tag`. Absent without one. */
  tag?: string;
  /** When it was last stored with `tag`. Absent without one. */
  tagTime?: number;
  /**
   * The name of the cookie whose token opens the session. Absent when it was never stored with one:
   * `useFileSession` then takes it for any cookie's.
   */
  cookieName?: string;
  /** Only a miss has it. */
  moved?: undefined;
  /** What was stored, as it was: dates, maps, cycles and all. A fresh copy for every caller. */
  data: T;
}

/** Where a session has gone that was moved with `grace`. */
export interface Moved {
  /** The id it has had since. */
  to: string;
  /** Until when somebody who comes with the old id may still be led there. */
  until: number;
}

/**
 * A miss: what `retrieve` gives for an id that has no session. Of one that was moved with `grace` it
 * says where to, also when the grace is over, until a `clean` removes that word.
 */
export type EmptyRecord = { [K in Exclude<keyof SessionRecord, "moved">]?: undefined } & {
  moved?: Moved;
};

/** Whether `record` is a session and not a miss. */
export function isRecord<T>(record: SessionRecord<T> | EmptyRecord): record is SessionRecord<T> {
  return record.id !== undefined;
}

/** What not every session has, as a place keeps it. */
type Optional = "expires" | "cookieName" | "tag" | "tagTime";
type Facts = { [K in Optional]?: SessionRecord[K] | undefined } & { lasting?: boolean | undefined };

/** The record, with what not every session has. */
export function completed<T>(record: SessionRecord<T>, facts: Facts): SessionRecord<T> {
  const { expires, lasting, cookieName, tag, tagTime } = facts;
  if (expires !== undefined) record.expires = expires;
  if (lasting) record.lasting = true;
  if (cookieName !== undefined) record.cookieName = cookieName;
  if (tag !== undefined) record.tag = tag;
  if (tagTime !== undefined) record.tagTime = tagTime;
  return record;
}

export interface RetrieveOptions {
  /**
   * Whether to wait for a lock that somebody holds. Default `true`.
   * With `false` the last whole version is given at once.
   */
  blocking?: boolean;
}

export interface WriteOptions {
  /** The client's address. Default: the address the session already has, else `''`. */
  ip?: string;
  /** The name of the cookie that opens it. Default: the one the session already has, else none. */
  cookieName?: string;
  /** Seconds from now until the session ends by itself. Default: never. */
  ttl?: number;
  /**
   * With `ttl`: the session lives until then even if nobody uses it, and `clean(timeout)` leaves it
   * alone. Default `false`.
   */
  lasting?: boolean;
  /**
   * Whose session it is: what `tagged` finds it by. 1 to 1024 characters; `null` for nobody's.
   * Default: the tag the session already has, also by `store` and by a move.
   */
  tag?: string | null;
  /**
   * With `tag`: when it was given this tag, in milliseconds since the epoch. Default: now.
   */
  tagTime?: number;
  /**
   * When a session that is created by this was begun elsewhere, in milliseconds since the epoch.
   * Default: now. Without effect on a session that is there.
   */
  time?: number;
  /**
   * When a session that is created by this was last used elsewhere, in milliseconds since the epoch.
   * Default: now. Without effect on a session that is there.
   */
  touched?: number;
  /**
   * Seconds without a store, update or touch after which the place may forget the session by itself,
   * unless it is `lasting`. Kept until another one is given. For places where time does the cleaning;
   * a `FileHandler` leaves it to `clean(timeout)`. Default: none.
   */
  idleTimeout?: number;
  /**
   * The id the session had until now. The session moves: afterwards `oldId` is a miss, and the
   * creation time is kept. The same as `id`: nothing moves.
   */
  oldId?: string;
  /**
   * With `oldId`: seconds for which the miss under `oldId` leads to the new id, as `moved`. From then
   * on it says that this is over, until a `clean` removes it as it would the session. Default 0:
   * nothing is said.
   */
  grace?: number;
  /**
   * Reject with `ERR_SESSION_GONE`, and write nothing, when there is no session yet (with `oldId`:
   * none under `oldId`). Default `false`: a session is created.
   */
  mustExist?: boolean;
  /**
   * Whether the session is held while `change` runs, so that others wait and it is called once.
   * Default: where `change` is an `async` function. A `FileHandler` always does; where nobody is held,
   * a change may be called again, and the last call counts.
   */
  lock?: boolean;
}

export interface CleanOptions {
  /**
   * Whether to wait for sessions that are locked. Default `false`: they are skipped and counted.
   */
  blocking?: boolean;
  /** Ends the cleaning early; `clean` then rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Called now and then with the counts so far. */
  onProgress?: (result: CleanResult) => void;
}

/** How many sessions a `clean` removed, kept, and skipped because they were locked. */
export interface CleanResult {
  removed: number;
  kept: number;
  skipped: number;
}

/**
 * What `update` calls with the freshest record, or `{}` when there is none. It gives the new data,
 * or `undefined` to write nothing, at once or as a promise. It must not call the handler for the
 * same id: the lock is held while it runs.
 */
export type Change<T> = (
  record: SessionRecord<T> | EmptyRecord,
) => T | undefined | Promise<T | undefined>;

/**
 * A place that keeps sessions.
 *
 * Four outcomes are kept apart in every method:
 * - a value;
 * - a miss: `{}` or `false`. An expired record and a damaged one are misses too; asking twice gives
 *   the same answer;
 * - busy: the lock stayed taken, `ERR_SESSION_LOCK_TIMEOUT`, or was lost while we held it,
 *   `ERR_SESSION_LOCK_LOST`;
 * - broken: the place itself failed, `ERR_SESSION_DIR` with the `cause`.
 *
 * The last two are thrown, never returned. When a method rejects, the session is as it was before; but
 * after `ERR_SESSION_LOCK_LOST` it may be as it was to be, if the next owner found it so.
 * `testHandler` of `filesession/testing` checks all of this for any handler.
 */
export interface Handler {
  /** Whether sessions leave by themselves when they have ended, so that nobody need call `clean`. */
  readonly selfCleaning?: boolean;

  /**
   * Stores `data` under `id`, whole, and gives the record. When it resolves, every process sees it.
   * An existing session is replaced and keeps its `time`.
   *
   * Rejects with `ERR_SESSION_DATA` when `data` holds something that cannot be stored (it names the
   * path), `ERR_SESSION_TOO_LARGE`, `ERR_SESSION_ID` when no place can be found for `id`,
   * `ERR_SESSION_GONE` with `mustExist`.
   */
  store<T>(id: string, data: T, options?: WriteOptions): Promise<SessionRecord<T>>;

  /**
   * The session under `id`, or `{}`. A whole version always; waits for a held lock unless told not
   * to. Writes nothing.
   */
  retrieve<T = unknown>(
    id: string,
    options?: RetrieveOptions,
  ): Promise<SessionRecord<T> | EmptyRecord>;

  /**
   * Changes a session in one transaction: lock, read afresh, `change`, write, unlock. Gives the
   * record as it is then. With `oldId` the record is the one under `oldId`, and it moves to `id`. A
   * `ttl` from before stays unless a new one is given. When `change` throws, nothing is written and
   * the lock is released.
   *
   * An `async` change holds the session for as long as it takes, and others wait. One that is not may
   * be called again where the place has no lock to hold, and the last call is what counts.
   */
  update<T = unknown>(
    id: string,
    change: Change<T>,
    options?: WriteOptions,
  ): Promise<SessionRecord<T> | EmptyRecord>;

  /**
   * Moves `touched` to now; never rewrites the data, never creates. Whether there was a session.
   */
  touch(id: string): Promise<boolean>;

  /** Forgets the session. Whether there was one: not an error when it is gone. */
  remove(id: string): Promise<boolean>;

  /**
   * Removes every session last stored or touched more than `timeout` seconds ago, unless it is
   * `lasting`, and those whose `ttl` has run out. `0` removes everything. Locks are taken without
   * waiting unless told otherwise.
   */
  clean(timeout: number, options?: CleanOptions): Promise<CleanResult>;

  /** The ids of all live sessions, in no order. */
  keys(): AsyncIterable<string>;

  /**
   * The ids of all live sessions with this tag, in no order. What it costs depends on how many those
   * are, and hardly on how many there are of others.
   */
  tagged(tag: string): Promise<string[]>;

  /** Waits for what is under way and gives back what is held. Later calls reject. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
