// A session, from one request's point of view: its data as it was read, and the ways to change it
// where it is kept.

import { emit, traced } from "../core/diagnostics.ts";
import { gone, headersSent, isSessionError, replaced } from "../core/error.ts";
import {
  type EmptyRecord,
  isRecord,
  type Moved,
  type SessionRecord,
  type WriteOptions,
} from "../core/handler.ts";
import { andThen, isAsyncFunction, isPromise, type MaybePromise } from "../core/promise.ts";
import { seconds } from "../core/seconds.ts";
import { warnOf } from "../core/warning.ts";
import { adopt, type Adoption, disown, type Facts, sealedCookies } from "./adopt.ts";
import type { Settings } from "./config.ts";
import { type Contents, contentsOf, dataOf, flashOf, plain, recordData } from "./contents.ts";
import type { SessionCookie } from "./cookie.ts";
import type { FileSession, SessionUpdate } from "./file-session.ts";
import { FlashBox } from "./flash.ts";
import { endOf, isLive, isTouchDue, longestIdle } from "./lifetime.ts";
import { destroySessionsOf, limitSessionsOf, type SessionInfo, sessionsOf } from "./owners.ts";
import { asksNothing, type Shape } from "./schema.ts";
import { newToken, parseToken, type Token } from "./token.ts";

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
  /** Where the session is kept, or will be. */
  #token: Token | undefined;
  #record: SessionRecord | undefined;
  /** What `data` gives, as soon as somebody has asked for it: most records are parsed only then. */
  #data: Partial<T> | undefined;
  #isNew = true;
  /** Whether the request came with a token that has been replaced: then it may only look. */
  #isReplaced = false;
  #flash: FlashBox | undefined;
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
    return (this.#data ??= this.#record ? (dataOf(this.#record) as Partial<T>) : {});
  }
  get isNew(): boolean {
    return this.#isNew;
  }
  get isReplaced(): boolean {
    return this.#isReplaced;
  }
  get isRemembered(): boolean {
    return this.#record?.lasting === true;
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
    let led: { token: Token; record: SessionRecord } | undefined;
    for (const text of this.#cookie.received) {
      const token = parseToken(text, generateId !== undefined);
      if (!token) continue;
      if (++looks > maxCandidates) break;
      const record = await handler.retrieve(token.id, { blocking: false });
      const now = Date.now();
      if (isRecord(record) && this.#isLive(record, now)) {
        if (isTouchDue(record, this.#settings, now)) await this.#touch(record, now);
        const opened = this.#open(token, record);
        if (isPromise(opened)) await opened; // it takes no turn of the event loop where it need not
        return this;
      }
      const next = record.moved && (await this.#follow(token.id, record.moved));
      if (next) led ??= { token, record: next };
    }
    if (led) await this.#openReplaced(led.token, led.record);
    else if (this.#settings.adoption) await this.#adopt(this.#settings.adoption);
    return this;
  }

  // Fields, not methods: h3's manager can be taken apart, `const { data, update } = await
  // useSession(...)`.

  readonly update = (change: SessionUpdate<T>): Promise<this> =>
    this.#write(
      ({ data, ...rest }) => {
        const patch = typeof change === "function" ? change(data as Partial<T>) : change;
        return andThen<object | undefined, Contents | undefined>(patch, (known) =>
          // A spread copies a `__proto__` key as a key and does not follow it; storing it is then refused.
          known === undefined ? undefined : { ...rest, data: { ...data, ...plain(known) } },
        );
      },
      { lock: isAsyncFunction(change) },
    );

  readonly replace = (data: T): Promise<this> =>
    this.#write((contents) => ({ ...contents, data: { ...plain(data) } }));

  readonly unset = async (...keys: (keyof T)[]): Promise<this> => {
    await this.#turn;
    if (this.#record === undefined) return this;
    return this.#write((contents) => without(contents, keys));
  };

  readonly pull = async <K extends keyof T>(key: K): Promise<T[K] | undefined> => {
    await this.#turn;
    if (this.#record === undefined) return undefined;
    let value: T[K] | undefined;
    await this.#write((contents) => {
      const data = contents.data as T;
      value = Object.hasOwn(data, key) ? data[key] : undefined;
      return without(contents, [key]);
    });
    return value;
  };

  readonly flash = async (key: string, value: unknown): Promise<this> => {
    await this.#flashBox.put(key, value);
    return this;
  };

  readonly flashed = async <F extends object = Record<string, unknown>>(): Promise<Partial<F>> => {
    await this.#turn;
    const hasAny =
      this.#record !== undefined && !this.#isReplaced && flashOf(this.#record) !== undefined;
    // What was said is the app's word: nothing here looks into it.
    return (await this.#flashBox.take(hasAny)) as Partial<F>;
  };

  readonly keep = async (...keys: string[]): Promise<this> => {
    await this.#flashBox.keep(keys);
    return this;
  };

  readonly reload = (): Promise<this> =>
    this.#inTurn(async () => {
      if (this.#record === undefined) return;
      const { id } = this.#record;
      const record = await this.#settings.handler.retrieve(id, { blocking: false });
      if (isRecord(record) && this.#isLive(record, Date.now())) await this.#take(record);
      else this.#forget();
    });

  readonly regenerate = ({ grace = 0 }: { grace?: number } = {}): Promise<this> =>
    this.#inTurn(async () => {
      const from = this.#token;
      if (!this.#record || !from || this.#isReplaced) return;
      this.#cookie.assertReplaceable();
      const token = newToken(this.#settings.generateId);
      let record: SessionRecord;
      try {
        record = await traced(
          "regenerate",
          () => ({ id: from.id, to: token.id }),
          () => this.#move(from.id, token.id, seconds("grace", grace)),
        );
      } catch (error) {
        // Another request was first. This one follows it, if that has left word.
        const next = isSessionError(error, "ERR_SESSION_GONE")
          ? await this.#next(from.id)
          : undefined;
        if (next === undefined) throw error;
        this.#isReplaced = true;
        return this.#take(next);
      }
      await this.#deliver(token.secret, record, () => this.#move(token.id, from.id, 0));
      this.#token = token;
      await this.#take(record);
    });

  readonly remember = async (lifetime: number): Promise<this> => {
    const ttl = seconds("remember", lifetime);
    await this.#turn;
    const isThere = this.#record !== undefined;
    await this.#write(
      (contents) => {
        this.#cookie.assertSettable(); // its cookie is due again
        return { ...contents };
      },
      { ttl, lasting: true },
    );
    if (isThere && this.#token && this.#record) this.#send(this.#token.secret, this.#record);
    return this;
  };

  readonly tag = async (tag: string | null): Promise<this> => {
    const { maxSessions } = this.#settings;
    await this.#write((contents) => ({ ...contents }), { tag });
    if (tag !== null && maxSessions < Infinity)
      await limitSessionsOf(tag, maxSessions, this.#settings);
    return this;
  };

  readonly others = async (): Promise<SessionInfo<T>[]> => {
    await this.#turn;
    if (this.#record?.tag === undefined) return [];
    const sessions = await sessionsOf<T>(this.#record.tag, this.#settings);
    return sessions.filter(({ id }) => id !== this.id);
  };

  readonly destroyOthers = async (): Promise<number> => {
    await this.#turn;
    if (this.#record?.tag === undefined) return 0;
    this.#assertNotReplaced();
    return destroySessionsOf(this.#record.tag, this.#settings, [this.#record.id]);
  };

  readonly clear = (): Promise<this> =>
    this.#inTurn(async () => {
      this.#assertNotReplaced();
      const isCookieDue = this.#cookie.isOut;
      if (isCookieDue && this.#cookie.isLate) throw headersSent();
      if (this.#token) await this.#settings.handler.remove(this.#token.id);
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
  async #write(
    next: (contents: Contents) => MaybePromise<Contents | undefined>,
    options: Pick<WriteOptions, "tag" | "ttl" | "lasting" | "lock"> = {},
  ): Promise<this> {
    await this.#turn;
    this.#assertNotReplaced();
    const isThere = this.#record !== undefined;
    if (!isThere) this.#cookie.assertSettable();
    const { generateId, handler, shape } = this.#settings;
    const token = (this.#token ??= newToken(generateId));
    const record = await handler.update<unknown>(
      token.id,
      (fresh) => {
        const live = isThere ? this.#assertLive(token.id, fresh) : fresh;
        return andThen(contentsOf(live, shape), (contents) =>
          andThen(next(contents), (changed) => changed && recordData(changed, shape)),
        );
      },
      { ...this.#from, ...options, mustExist: isThere },
    );
    // Nothing was stored; or this request has cleared or moved the session while it was, and knows
    // better.
    if (!isRecord(record) || this.#token !== token) return this;
    if (!this.#record) await this.#deliver(token.secret, record, () => handler.remove(token.id));
    const taken = this.#take(record);
    if (isPromise(taken)) await taken;
    return this;
  }

  async #move(from: string, to: string, grace: number): Promise<SessionRecord> {
    // The data goes along as it is stored, whatever its shape.
    const record = await this.#settings.handler.update<unknown>(
      to,
      (fresh) => this.#assertLive(from, fresh).data ?? {},
      { ...this.#from, oldId: from, mustExist: true, grace },
    );
    if (!isRecord(record)) throw gone(from);
    return record;
  }

  /** Where a session has gone that a request comes for with its old token, while that is allowed. */
  async #follow(id: string, { to, until }: Moved): Promise<SessionRecord | undefined> {
    if (Date.now() >= until) {
      emit("reuse", () => ({ id, to }));
      return undefined;
    }
    const record = await this.#settings.handler.retrieve(to, { blocking: false });
    return isRecord(record) && this.#isLive(record, Date.now()) ? record : undefined;
  }

  async #next(id: string): Promise<SessionRecord | undefined> {
    const { moved } = await this.#settings.handler.retrieve(id, { blocking: false });
    return moved && this.#follow(id, moved);
  }

  /**
   * Sets the cookie of what has just been written; takes it all back when the response began
   * meanwhile, or does not take it, which a framework says only when it is tried.
   */
  async #deliver(
    secret: string,
    record: SessionRecord,
    undo: () => Promise<unknown>,
  ): Promise<void> {
    if (!this.#cookie.isLate) this.#send(secret, record);
    if (!this.#cookie.isLate) return;
    await undo();
    throw headersSent();
  }

  #send(secret: string, record: SessionRecord): void {
    const { maxAgeMs } = this.#settings;
    // Not what is left of `idleTimeout`: the cookie would have to be sent anew with every response.
    const end = endOf(record, { maxAgeMs, idleMs: Infinity });
    this.#cookie.set(secret, (end - Date.now()) / 1000, record.lasting === true);
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

  /** The session is the one that the request came for, by this token. */
  #open(token: Token, record: SessionRecord): MaybePromise<void> {
    this.#token = token;
    this.#isNew = false;
    const taken = this.#take(record);
    return isPromise(taken) ? this.#takeBackIfUnfit(taken) : taken;
  }

  /** Not with every request until the cookie goes: the visitor begins anew. */
  async #takeBackIfUnfit(taken: Promise<void>): Promise<void> {
    try {
      await taken;
    } catch (error) {
      if (isSessionError(error, "ERR_SESSION_DATA") && !this.#cookie.isLate) this.#cookie.expire();
      throw error;
    }
  }

  /** A session of h3's that the request came with becomes ours; what is none any more goes. */
  async #adopt(adoption: Adoption): Promise<void> {
    const cookie = this.#cookie;
    const sealed = cookie.isLate ? undefined : sealedCookies(cookie, adoption);
    if (!sealed) return;
    const isLate = (): boolean => cookie.isLate;
    for (const seal of sealed.seals) {
      const adopted = await adopt(seal, adoption, this.#settings, this.#from, isLate);
      const next = adopted?.moved && (await this.#follow(adopted.id, adopted.moved));
      if (adopted && next) return this.#openReplaced({ secret: "", id: adopted.id }, next);
      if (!adopted?.session) continue;
      if (isLate()) return disown(adopted, this.#settings);
      const { token, record } = adopted.session;
      for (const name of sealed.names) cookie.expire(name);
      this.#send(token.secret, record); // in place of the old one, where they share a name
      return this.#open(token, record);
    }
    if (!isLate()) for (const name of sealed.names) cookie.expire(name);
  }

  /** The same, of one that came with the token from before. */
  async #openReplaced(token: Token, record: SessionRecord): Promise<void> {
    this.#isReplaced = true;
    await this.#open(token, record);
  }

  /** Data that is to have a certain shape is looked at now; other data when somebody asks. */
  #take(record: SessionRecord): MaybePromise<void> {
    const { shape } = this.#settings;
    if (!asksNothing(shape)) return this.#takeFitted(record, shape);
    this.#record = record;
    this.#data = undefined;
  }

  async #takeFitted(record: SessionRecord, shape: Shape): Promise<void> {
    const { data } = await contentsOf(record, shape);
    this.#record = record;
    this.#data = data as Partial<T>;
  }

  /** There is no session any more; the next one has a token of its own. */
  #forget(): void {
    this.#token = undefined;
    this.#record = undefined;
    this.#data = undefined;
    this.#isNew = true;
    this.#isReplaced = false;
  }

  get #flashBox(): FlashBox {
    return (this.#flash ??= new FlashBox((next) => this.#write(next)));
  }

  #isLive(record: SessionRecord, now: number): boolean {
    if (!isLive(record, this.#settings, now)) return false;
    if (!this.#settings.checkIp || (this.#ip !== "" && this.#ip === record.ip)) return true;
    emit("ip-changed", () => ({ id: record.id }));
    return false;
  }

  #assertLive(id: string, record: SessionRecord | EmptyRecord): SessionRecord {
    if (isRecord(record) && this.#isLive(record, Date.now())) return record;
    throw gone(id);
  }

  #assertNotReplaced(): void {
    if (this.#isReplaced && this.#record) throw replaced(this.#record.id);
  }

  /** What each write says of the session. */
  get #from(): Facts {
    const facts = { cookieName: this.#settings.name, idleTimeout: longestIdle(this.#settings) };
    return this.#ip === "" ? facts : { ...facts, ip: this.#ip };
  }
}

/** The contents without these keys of the data; `undefined` when it has none of them. */
function without({ data, ...others }: Contents, keys: PropertyKey[]): Contents | undefined {
  if (!keys.some((key) => Object.hasOwn(data, key))) return undefined;
  const rest = { ...data };
  for (const key of keys) Reflect.deleteProperty(rest, key);
  return { ...others, data: rest };
}
