// A session, from one request's point of view: its data as it was read, and the ways to change it
// where it is kept.

import { emit, traced } from "../core/diagnostics.ts";
import { badData, gone, headersSent } from "../core/error.ts";
import { type EmptyRecord, isRecord, type SessionRecord } from "../core/handler.ts";
import { isPromise } from "../core/promise.ts";
import { warnOf } from "../core/warning.ts";
import type { Settings } from "./config.ts";
import type { SessionCookie } from "./cookie.ts";
import { endOf, isTouchDue } from "./lifetime.ts";
import { newToken, parseToken } from "./token.ts";

// h3's own default, so that untyped code type-checks as it does with `useSession`.
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyData = Record<string, any>;

/** What to merge into the session's data, or a function that gives it from the freshest data. */
export type SessionUpdate<T extends object = AnyData> =
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
export interface FileSession<T extends object = AnyData> {
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
   * Reads the session again, as it is on disk now. One that has ended, moved or been destroyed
   * since is gone: `data` is empty, and a later `update` begins a new one.
   */
  readonly reload: () => Promise<FileSession<T>>;
  /**
   * Gives the session a new token and id; data and creation time are kept, the old token is dead at
   * once. Call it when somebody signs in or gains a right. Nothing happens while nothing is stored.
   *
   * Rejects with `ERR_SESSION_GONE` when another request was first, and as `update` does; with
   * `ERR_SESSION_OPTION` when `cookie` is `false`.
   */
  readonly regenerate: () => Promise<FileSession<T>>;
  /**
   * Destroys the session on disk and takes the cookie back. A later `update` begins a new one, with
   * no old data. Without a session or cookie nothing happens. Rejects with
   * `ERR_SESSION_HEADERS_SENT` when the cookie cannot be taken back any more.
   */
  readonly clear: () => Promise<FileSession<T>>;
  /** What may be logged: no token, no data. */
  toJSON(): Pick<FileSession, "id" | "isNew" | "time" | "touched" | "expires">;
}

/**
 * Where the session is kept, or will be. The secret is known when the token was made in this
 * request.
 */
interface Place {
  readonly id: string;
  readonly secret?: string;
}

// More cookies of one name than a browser has reason to send are not worth a look at the disk each.
const maxCandidates = 4;

/** The session that the request's cookie names, or an empty one. Waits for no lock. */
export function loadSession<T extends object>(
  settings: Settings,
  cookie: SessionCookie,
  ip: string,
): Promise<FileSession<T>> {
  return new Session<T>(settings, cookie, ip).load();
}

class Session<T extends object> implements FileSession<T> {
  readonly #settings: Settings;
  readonly #cookie: SessionCookie;
  readonly #ip: string;
  #place: Place | undefined;
  #record: SessionRecord | undefined;
  /** What `data` gives, as soon as somebody has asked for it: most records are parsed only then. */
  #data: Partial<T> | undefined;
  #isNew = true;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(settings: Settings, cookie: SessionCookie, ip: string) {
    this.#settings = settings;
    this.#cookie = cookie;
    this.#ip = ip;
  }

  get id(): string | undefined {
    return this.#record?.id;
  }
  get data(): Partial<T> {
    return (this.#data ??= this.#record ? dataOf<T>(this.#record) : {});
  }
  get isNew(): boolean {
    return this.#isNew;
  }
  get time(): number | undefined {
    return this.#record?.time;
  }
  get touched(): number | undefined {
    return this.#record?.touched;
  }
  get expires(): number | undefined {
    return this.#record && endOf(this.#record, this.#settings);
  }
  get ip(): string | undefined {
    return this.#record?.ip;
  }

  async load(): Promise<this> {
    const { handler, generateId } = this.#settings;
    let looks = 0;
    for (const text of this.#cookie.received) {
      const token = parseToken(text, generateId !== undefined);
      if (!token) continue;
      if (++looks > maxCandidates) break;
      const { id } = token;
      const record = await handler.retrieve(id, { blocking: false });
      const now = Date.now();
      if (!isRecord(record) || !this.#isLive(record, now)) continue;
      this.#place = { id };
      this.#isNew = false;
      if (isTouchDue(record, this.#settings, now)) await this.#touch(record, now);
      this.#take(record);
      break;
    }
    return this;
  }

  // Fields, not methods: h3's manager can be taken apart, `const { data, update } = await
  // useSession(...)`.

  readonly update = (change: SessionUpdate<T>): Promise<this> =>
    this.#write((data) => {
      const patch = typeof change === "function" ? change(data) : change;
      return isPromise(patch) ? patch.then((late) => merge(data, late)) : merge(data, patch);
    });

  readonly replace = (data: T): Promise<this> => this.#write(() => ({ ...plain(data) }));

  readonly unset = async (...keys: (keyof T)[]): Promise<this> => {
    await this.#turn;
    if (this.#record === undefined) return this;
    return this.#write((data) => without(data, keys));
  };

  readonly pull = async <K extends keyof T>(key: K): Promise<T[K] | undefined> => {
    await this.#turn;
    if (this.#record === undefined) return undefined;
    let value: T[K] | undefined;
    await this.#write((data) => {
      value = Object.hasOwn(data, key) ? data[key] : undefined;
      return without(data, [key]);
    });
    return value;
  };

  readonly reload = (): Promise<this> =>
    this.#inTurn(async () => {
      if (this.#place === undefined || this.#record === undefined) return;
      const record = await this.#settings.handler.retrieve(this.#place.id, { blocking: false });
      if (isRecord(record) && this.#isLive(record, Date.now())) this.#take(record);
      else this.#forget();
    });

  readonly regenerate = (): Promise<this> =>
    this.#inTurn(async () => {
      const from = this.#place;
      if (!this.#record || !from) return;
      this.#cookie.assertReplaceable();
      const { id, secret } = newToken(this.#settings.generateId);
      const leave = async (): Promise<void> => {
        const record = await this.#move(from.id, id);
        await this.#deliver(secret, record, () => this.#move(id, from.id));
        this.#place = { id, secret };
        this.#take(record);
      };
      await traced("regenerate", () => ({ id: from.id, to: id }), leave);
    });

  readonly clear = (): Promise<this> =>
    this.#inTurn(async () => {
      const isCookieDue = this.#cookie.isOut;
      if (isCookieDue && this.#cookie.isLate) throw headersSent();
      if (this.#place) await this.#settings.handler.remove(this.#place.id);
      this.#forget();
      // Too late by now is no harm: the cookie that stays names nothing any more.
      if (isCookieDue && !this.#cookie.isLate) this.#cookie.expire();
    });

  toJSON(): Pick<FileSession, "id" | "isNew" | "time" | "touched" | "expires"> {
    const { id, isNew, time, touched, expires } = this;
    return { id, isNew, time, touched, expires };
  }

  [Symbol.for("nodejs.util.inspect.custom")](
    _: unknown,
    __: unknown,
    inspect: (value: unknown) => string,
  ): string {
    return `FileSession ${inspect(this.toJSON())}`;
  }

  /**
   * All of this request's updates of a session that does not exist yet go to one place, so they
   * make one session however many begin it at once. From then on it must be there: what was
   * destroyed meanwhile stays so.
   */
  async #write(next: (data: Partial<T>) => Written): Promise<this> {
    await this.#turn;
    const isThere = this.#record !== undefined;
    if (!isThere) this.#cookie.assertSettable();
    const { generateId, handler } = this.#settings;
    const place = (this.#place ??= newToken(generateId));
    const record = await handler.update<unknown>(
      place.id,
      (fresh) => next(dataOf<T>(isThere ? this.#assertLive(place.id, fresh) : fresh)),
      { ...this.#from, mustExist: isThere },
    );
    // Nothing was stored; or this request has cleared or moved the session while it was, and knows
    // better.
    if (!isRecord(record) || this.#place !== place) return this;
    if (!this.#record && place.secret !== undefined)
      await this.#deliver(place.secret, record, () => handler.remove(place.id));
    this.#take(record);
    return this;
  }

  async #move(from: string, to: string): Promise<SessionRecord> {
    const record = await this.#settings.handler.update<unknown>(
      to,
      (fresh) => dataOf(this.#assertLive(from, fresh)),
      { ...this.#from, oldId: from, mustExist: true },
    );
    if (!isRecord(record)) throw gone(from);
    return record;
  }

  /**
   * Sets the cookie of what has just been written; takes it all back when the response began
   * meanwhile.
   */
  async #deliver(
    secret: string,
    record: SessionRecord,
    undo: () => Promise<unknown>,
  ): Promise<void> {
    if (this.#cookie.isLate) {
      await undo();
      throw headersSent();
    }
    const { maxAgeMs } = this.#settings;
    // Not what is left of `idleTimeout`: the cookie would have to be sent anew with every response.
    const end = endOf(record, { maxAgeMs, idleMs: Infinity });
    this.#cookie.set(secret, (end - Date.now()) / 1000);
  }

  /**
   * Destroying and moving take effect in the order they were asked for, and updates come after
   * those asked for before. No code of the caller runs in a turn, so waiting for one ends.
   */
  async #inTurn(change: () => Promise<void>): Promise<this> {
    const turn = this.#turn.then(change);
    this.#turn = turn.catch(() => undefined); // whoever asked for it hears of it below
    await turn;
    return this;
  }

  async #touch(record: SessionRecord, now: number): Promise<void> {
    try {
      const isThere = await this.#settings.handler.touch(record.id);
      if (isThere) record.touched = now;
    } catch (error) {
      // The session was read. A disk that can be read only should not take the readers' pages away
      // too.
      warnOf(`note that session ${record.id} is in use`, error);
    }
  }

  #take(record: SessionRecord): void {
    this.#record = record;
    this.#data = undefined;
  }

  /** There is no session any more; the next one has a token of its own. */
  #forget(): void {
    this.#place = undefined;
    this.#record = undefined;
    this.#data = undefined;
    this.#isNew = true;
  }

  #isLive(record: SessionRecord, now: number): boolean {
    if (now >= endOf(record, this.#settings)) return false;
    // One without a name is no visitor's doing: the app has made it, or its handler keeps no names.
    if ((record.cookieName ?? this.#settings.name) !== this.#settings.name) return false;
    if (!this.#settings.checkIp || (this.#ip !== "" && this.#ip === record.ip)) return true;
    emit("ip-changed", () => ({ id: record.id }));
    return false;
  }

  #assertLive(id: string, record: SessionRecord | EmptyRecord): SessionRecord {
    if (isRecord(record) && this.#isLive(record, Date.now())) return record;
    throw gone(id);
  }

  get #from(): { cookieName: string; ip?: string } {
    const { name } = this.#settings;
    return this.#ip === "" ? { cookieName: name } : { cookieName: name, ip: this.#ip };
  }
}

type Written = object | undefined | Promise<object | undefined>;

function merge(data: object, patch: object | undefined): object | undefined {
  // A spread copies a `__proto__` key as a key and does not follow it; storing it is then refused.
  return patch === undefined ? undefined : { ...data, ...plain(patch) };
}

/** The data without these keys; `undefined` when it has none of them. */
function without(data: object, keys: PropertyKey[]): object | undefined {
  if (!keys.some((key) => Object.hasOwn(data, key))) return undefined;
  const rest = { ...data };
  for (const key of keys) Reflect.deleteProperty(rest, key);
  return rest;
}

function plain<T extends object>(data: T): T {
  if (isPlain(data)) return data;
  throw badData("data", "a session holds an object with keys");
}

function dataOf<T extends object>(record: SessionRecord | EmptyRecord): Partial<T> {
  return isPlain(record.data) ? (record.data as Partial<T>) : {};
}

// One prototype above it at most, which has none: that of `{}`, of another realm's `{}`, of h3's
// query and params objects.
function isPlain(data: unknown): data is object {
  if (typeof data !== "object" || data === null) return false;
  const prototype: unknown = Object.getPrototypeOf(data);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
