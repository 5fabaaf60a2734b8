// The session's cookie: RFC 6265, and which attributes it has.

import { parse, serialize, type SetCookie } from "cookie-es";
import { badOption, headersSent, SessionError } from "../core/error.ts";
import {
  currentCookies,
  type H3EventLike,
  isCached,
  isPlainLocal,
  isUpgrade,
  noteResponse,
  requestHeader,
  responseBegan,
  setResponseCookie,
} from "./event.ts";

/** The attributes of the session's cookie. What is given here wins over the defaults. */
export interface CookieOptions {
  /** Keeps scripts from reading it. Default `true`. */
  httpOnly?: boolean | undefined;
  /** Default `lax`: not sent along when another site posts to this one. */
  sameSite?: boolean | "lax" | "strict" | "none" | undefined;
  /** Sent over https only. Default `true`, unless the request itself is plain http on localhost. */
  secure?: boolean | undefined;
  /** Default `/`. */
  path?: string | undefined;
  /** Default: this host, without its subdomains. */
  domain?: string | undefined;
  /** Kept apart for each top-level site (CHIPS). Default `false`. */
  partitioned?: boolean | undefined;
  /** Default: none. */
  priority?: "low" | "medium" | "high" | undefined;
  /** Seconds the browser keeps it. Default: what is left of the session's `maxAge`. */
  maxAge?: number | undefined;
  /** Until when the browser keeps it, in place of `maxAge`. */
  expires?: Date | undefined;
  /** Ignored: a token needs no encoding. */
  encode?: unknown;
  /** Ignored: a token is never chunked. */
  chunkMaxLength?: unknown;
}

/** Throws `ERR_SESSION_OPTION` unless `name` and `options` make a cookie. */
export function checkCookie(name: string, options: CookieOptions): void {
  // RFC 6265 section 4.1.1, token.
  if (typeof name !== "string" || !/^[\w!#$%&'*+.^`|~-]+$/.test(name))
    throw badOption("name", name, "a cookie name: letters, digits and !#$%&'*+-.^_`|~");
  try {
    serialize(cookieOf(name, "", options, options, true));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new SessionError("ERR_SESSION_OPTION", `Cannot use option \`cookie\`: ${why}`, {
      cause: error,
    });
  }
}

const none: readonly string[] = [];

/** The session's cookie, on one request and its response, and on those made in the course of it. */
export class SessionCookie {
  /**
   * What the request has under the cookie's name, in its order. Usually one; a browser sends
   * several when cookies of one name were set for several paths or domains. Always empty in a
   * cached handler: what one visitor sent is not for everybody.
   */
  readonly received: readonly string[];
  readonly #event: H3EventLike;
  readonly #name: string;
  readonly #options: CookieOptions | false;
  /** The responses that get the cookie too. */
  #others: H3EventLike[] | undefined;
  /** The Set-Cookie header, when there is one. */
  #text: string | undefined;

  constructor(event: H3EventLike, name: string, options: CookieOptions | false) {
    this.#event = event;
    this.#name = name;
    this.#options = options;
    this.received = isCached(event) ? none : receivedBy(event, name);
    noteResponse(event);
  }

  /**
   * Whether another request of the same visitor has sent the same cookie. Its response then gets
   * what the browser gets, in case it is handed on.
   */
  join(event: H3EventLike): boolean {
    const received = receivedBy(event, this.#name);
    if (received.join(";") !== this.received.join(";")) return false;
    noteResponse(event);
    (this.#others ??= []).push(event);
    if (this.#text !== undefined) setResponseCookie(event, this.#name, this.#text);
    return true;
  }

  /**
   * Whether the browser has a cookie of this name, or will have, and there is a response to take it
   * away.
   */
  get isOut(): boolean {
    if (this.#options === false || isUpgrade(this.#event)) return false;
    return this.#text !== undefined || this.received.length > 0;
  }

  /** Whether the response has begun without it. Never with `cookie: false`. */
  get isLate(): boolean {
    return this.#options !== false && responseBegan(this.#event);
  }

  /**
   * Throws when the cookie cannot be set any more, or not here. To be asked before anything is
   * written.
   */
  assertSettable(): void {
    if (isCached(this.#event))
      throw new SessionError(
        "ERR_SESSION_OPTION",
        "Cannot begin a session in a cached handler: everybody would be sent its cookie. " +
          "Use the session in a handler that is not cached. Nothing was written",
      );
    if (this.isLate) throw headersSent();
  }

  /** Throws when the browser can never be told a new token. */
  assertReplaceable(): void {
    if (this.#options === false)
      throw badOption(
        "cookie",
        false,
        "the cookie's attributes to regenerate a session: its new token has no other way out",
      );
    this.assertSettable();
  }

  /**
   * Gives the browser the token, for so many seconds; those of a session that is remembered go before
   * the option's. Nothing happens with `cookie: false`.
   */
  set(secret: string, seconds: number, isRemembered: boolean): void {
    if (this.#options === false) return;
    const own = isRemembered ? {} : this.#options;
    const { expires, maxAge = expires ? undefined : Math.ceil(seconds) } = own;
    this.#send(secret, { maxAge, expires }, this.#options);
  }

  /** Takes the cookie from the browser, or one of another name that has its path and domain. */
  expire(name: string = this.#name): void {
    if (this.#options !== false) this.#send("", { maxAge: 0 }, this.#options, name);
  }

  /** What the request has under the names that are asked for, as `received` has it. */
  receivedAs(isName: (name: string) => boolean): Record<string, readonly string[]> {
    return isCached(this.#event)
      ? {}
      : cookiesIn(requestHeader(this.#event, "cookie") ?? "", isName);
  }

  #send(
    value: string,
    lifetime: Lifetime,
    options: CookieOptions,
    name: string = this.#name,
  ): void {
    const secure = !isPlainLocal(this.#event);
    const text = serialize(cookieOf(name, value, options, lifetime, secure));
    setResponseCookie(this.#event, name, text);
    for (const event of this.#others ?? [])
      if (!responseBegan(event)) setResponseCookie(event, name, text);
    if (name === this.#name) this.#text = text;
  }
}

type Lifetime = Pick<CookieOptions, "maxAge" | "expires">;

function cookieOf(
  name: string,
  value: string,
  options: CookieOptions,
  lifetime: Lifetime,
  secure: boolean,
): SetCookie {
  const { httpOnly = true, sameSite = "lax", path = "/", domain, partitioned, priority } = options;
  // Browsers drop these without `Secure`, on localhost too.
  const needsSecure = partitioned || sameSite === "none" || /^__(?:Secure|Host)-/i.test(name);
  const attributes = {
    ...lifetime,
    domain,
    path,
    httpOnly,
    secure: options.secure ?? (secure || needsSecure),
    partitioned,
    priority,
    sameSite,
  };
  // To `serialize` an undefined attribute is one that is not there.
  return { name, value, ...attributes } as SetCookie;
}

function receivedBy(event: H3EventLike, name: string): readonly string[] {
  const header = requestHeader(event, "cookie") ?? "";
  // Most visitors of a site have no session.
  const sent = header.includes(name) ? cookiesIn(header, (other) => other === name)[name] : none;
  return currentCookies(event, name, sent ?? none);
}

function cookiesIn(
  header: string,
  isName: (name: string) => boolean,
): Record<string, readonly string[]> {
  const cookies: Record<string, string | string[] | undefined> = parse(header, {
    allowMultiple: true,
    filter: isName,
    decode: (value) => value, // a token has nothing to decode, nor has a seal
  });
  for (const name in cookies) {
    const values = cookies[name];
    if (typeof values === "string") cookies[name] = [values];
  }
  return cookies as Record<string, string[]>;
}
