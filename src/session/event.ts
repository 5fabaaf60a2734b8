// The only file that knows h3 1 from h3 2. What is neither, session-event.ts makes an event of h3 2.
//
// Nothing of h3 is imported: an app can hold two copies of it, and the helpers of one major throw
// on the other's events. The members we touch are described by their shape instead. How the majors
// differ, tried with 1.15.11 and 2.0.8:
//
//                        h3 1                               h3 2
//   request headers      a plain object, Node's             Headers
//   response headers     one set, Node's                    two: `res.headers`, and `res.errHeaders` for errors thrown or
//                                                           returned as a Response; never both, so a cookie goes into both
//   the response began   Node says so, or `event.handled`   Node says so; without Node, `event.res` is another object
//   cached handlers      nitropack 2 marks `event.context`  no mark: the cache keeps cookies out, both ways, and puts
//                                                           a request without the client's address into the event
//   sub-requests         a mock of Node's request, whose    a Request with the outer one's `runtime`, so with Node's
//   (`event.$fetch`)     `__unenv__` is the outer context   response, and a context of its own
//   a WebSocket upgrade  never gets an event                gets one, whose response is thrown away

/** What is used of the event of h3 1. */
export interface H3V1Event {
  node: {
    req: {
      headers: { [name: string]: string | string[] | undefined };
      socket?: { remoteAddress?: string | undefined; encrypted?: boolean };
      /** The context that a local fetch was made with; on a mock of Node's request only. */
      __unenv__?: object | undefined;
    };
    res: {
      headersSent: boolean;
      getHeader(name: string): number | string | string[] | undefined;
      setHeader(name: string, value: string | string[]): unknown;
    };
  };
  /** There when the app is served by `toWebHandler`, where the Node request is a mock. */
  web?: { url?: URL };
  /**
   * Whether the response is on its way; over the web, where Node's is a mock, the only sign of it.
   */
  handled?: boolean;
  context: object;
}

/** What is used of the event of h3 2. */
export interface H3V2Event {
  req: { headers: { get(name: string): string | null }; ip?: string | undefined };
  res: { headers: HeadersLike; errHeaders?: HeadersLike };
  url: URL;
  runtime?: { node?: NodeRuntime | undefined } | undefined;
  /** The cookies of request and response in one, where there is such a thing; not in h3. */
  cookies?: CookiesLike | undefined;
  context: object;
}

/** What is used of the cookies that a framework has for a request and its response. */
export interface CookiesLike {
  get(name: string): string | { value: string } | null | undefined;
  set(name: string, value: string, attributes: CookieAttributes): unknown;
}

/** The attributes of a cookie, each said: no framework adds its own defaults. */
export interface CookieAttributes {
  path: string;
  httpOnly: boolean;
  secure: boolean;
  sameSite: "lax" | "strict" | "none" | boolean;
  maxAge?: number;
  expires?: Date;
  domain?: string;
  partitioned?: boolean;
  priority?: "low" | "medium" | "high";
}

interface NodeRuntime {
  res?: { headersSent: boolean } | undefined;
  /** There when the request is to become a WebSocket. */
  upgrade?: object | undefined;
}

/** An event of h3 1 or of h3 2, from whichever copy of h3. */
export type H3EventLike = H3V1Event | H3V2Event;

export interface HeadersLike {
  get(name: string): string | null;
  getSetCookie(): string[];
  set(name: string, value: string): void;
  append(name: string, value: string): void;
  delete(name: string): void;
}

// h3 1 has `event.req` too, and there it is the Node request, whose `headers` has no methods.
function isH3V2(event: H3EventLike): event is H3V2Event {
  return "req" in event && typeof event.req.headers.get === "function";
}

/** A header of the request; several of one name as the one that they mean. */
export function requestHeader(event: H3EventLike, name: string): string | undefined {
  if (isH3V2(event)) return event.req.headers.get(name) ?? undefined;
  const value = event.node.req.headers[name];
  return Array.isArray(value) ? value.join(name === "cookie" ? "; " : ", ") : value;
}

/**
 * The values of a cookie that the request was `sent` with, as they are by now: in what keeps the cookies
 * of request and response in one, somebody may have set another or none.
 */
export function currentCookies(
  event: H3EventLike,
  name: string,
  sent: readonly string[],
): readonly string[] {
  if (!isH3V2(event) || !event.cookies) return sent;
  const cookie = event.cookies.get(name);
  const value = typeof cookie === "object" ? cookie?.value : cookie;
  if (!value) return [];
  return sent.includes(value) ? sent : [value];
}

/**
 * The client's address, `''` when it is unknown. An IPv4 address that came in over IPv6 is given as
 * IPv4.
 *
 * `proxies` is how many proxies of ours stand in front. Each appends the address it was called from
 * to `X-Forwarded-For`, so what the client itself wrote there stands further left than we look.
 * Without a valid address at that place it is the peer's.
 */
export function clientAddress(event: H3EventLike, proxies: number): string {
  const forwarded =
    proxies > 0
      ? requestHeader(event, "x-forwarded-for")?.split(",").at(-proxies)?.trim()
      : undefined;
  const address = forwarded && isAddress(forwarded) ? forwarded : peerAddress(event);
  return address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, "");
}

function isAddress(text: string): boolean {
  return process.getBuiltinModule("node:net").isIP(text) !== 0; // loaded only where it is needed
}

function peerAddress(event: H3EventLike): string {
  // Where there is no socket, the platform's adapter says the address in the context, in both
  // majors.
  const { clientAddress } = event.context as { clientAddress?: unknown };
  if (typeof clientAddress === "string") return clientAddress;
  return (isH3V2(event) ? event.req.ip : event.node.req.socket?.remoteAddress) ?? "";
}

const localhost = /^(?:(?:[\w-]+\.)*localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i;

/**
 * Whether the request itself is plain http to this machine: the one case in which some browsers
 * drop a `Secure` cookie. A proxy's word that its side is https is always taken: it can only make
 * the cookie stricter.
 */
export function isPlainLocal(event: H3EventLike): boolean {
  const url = isH3V2(event) ? event.url : event.web?.url;
  const socket = isH3V2(event) ? undefined : event.node.req.socket;
  if (url?.protocol === "https:" || socket?.encrypted === true) return false;
  if (/\bhttps\b/i.test(requestHeader(event, "x-forwarded-proto") ?? "")) return false;
  return localhost.test(requestHeader(event, "host") ?? url?.host ?? "");
}

/**
 * Whether this is a handler whose response nitropack 2 keeps and replays to everybody, or was
 * called by one. No session may be read or begun in it. Nitro 3 leaves no mark; its cache strips
 * cookies from the request and from what it keeps.
 */
export function isCached(event: H3EventLike): boolean {
  if (isCacheContext(event.context)) return true;
  const outer = isH3V2(event) ? undefined : event.node.req.__unenv__;
  return outer !== undefined && isCacheContext(outer);
}

function isCacheContext(context: { cache?: unknown }): boolean {
  const { cache } = context;
  return typeof cache === "object" && cache !== null && "options" in cache;
}

// h3 2 makes `event.res` on demand and lets go of it when it turns the handler's result into a
// Response.
const responses = new WeakMap<H3EventLike, object | "gone">();
const ownResponse = Symbol.for("h3.internal.event.res");

/** Remembers which response belongs to the event, so that `responseBegan` can tell later. */
export function noteResponse(event: H3EventLike): void {
  // Where Node says it, nothing is to be remembered: the entry, in a map that outlives the request,
  // and an `event.res` made for it are half of what it costs to open an empty session.
  if (!isH3V2(event) || nodeResponse(event) || isUpgrade(event) || responses.has(event)) return;
  const gone = Object.hasOwn(event, ownResponse) && Reflect.get(event, ownResponse) === undefined;
  responses.set(event, gone ? "gone" : event.res);
}

/**
 * Whether it is too late to set a header. Over Node that is exact, but for the moment between h3 2
 * making the Response and Node sending its head. Over the web it is when h3 has made the response;
 * a hook of h3 2's `onResponse` middleware comes after that.
 */
export function responseBegan(event: H3EventLike): boolean {
  if (!isH3V2(event)) return event.node.res.headersSent || event.handled === true;
  const onNode = nodeResponse(event);
  if (onNode) return onNode.headersSent;
  if (isUpgrade(event)) return true;
  const noted = responses.get(event);
  return noted !== undefined && noted !== event.res;
}

function nodeResponse(event: H3V2Event): NodeRuntime["res"] {
  return event.runtime?.node?.res;
}

/** Whether this is a WebSocket, or is to become one: no response of ours ever reaches its client. */
export function isUpgrade(event: H3EventLike): boolean {
  return isH3V2(event) && event.runtime?.node?.upgrade !== undefined;
}

/**
 * Sets a cookie of ours in the response: in place of an earlier one with this name, beside
 * everybody else's.
 *
 * Tells caches that the response is for one client, and what of it must not be kept. On h3 2 these
 * two replace a `Vary` or `Cache-Control` that the handler puts on a Response of its own; what
 * stands in `event.res.headers` is kept.
 */
export function setResponseCookie(event: H3EventLike, name: string, cookie: string): void {
  for (const headers of responseHeaders(event)) {
    const others = headers.cookies().filter((other) => !other.startsWith(`${name}=`));
    headers.setCookies([...others, cookie]);
    headers.set("vary", withVaryCookie(headers.get("vary")));
    headers.set("cache-control", withUncachedCookie(headers.get("cache-control")));
  }
}

function withVaryCookie(vary: string): string {
  const names = vary.split(",").map((name) => name.trim().toLowerCase());
  if (names.includes("cookie") || names.includes("*")) return vary;
  return vary ? `${vary}, Cookie` : "Cookie";
}

// RFC 9111 section 5.2.2.4: with a field name `no-cache` is about that field, without one about the
// whole response.
function withUncachedCookie(cacheControl: string): string {
  if (/(?:^|[\s,])no-cache(?:\s*(?:,|$)|="[^"]*\bset-cookie\b)/i.test(cacheControl))
    return cacheControl;
  return cacheControl ? `${cacheControl}, no-cache="Set-Cookie"` : 'no-cache="Set-Cookie"';
}

interface ResponseHeaders {
  get(name: string): string;
  set(name: string, value: string): void;
  cookies(): string[];
  setCookies(cookies: string[]): void;
}

function responseHeaders(event: H3EventLike): ResponseHeaders[] {
  if (!isH3V2(event)) return [ofNode(event.node.res)];
  const { headers, errHeaders } = event.res;
  return errHeaders ? [ofWeb(headers), ofWeb(errHeaders)] : [ofWeb(headers)];
}

function ofNode(response: H3V1Event["node"]["res"]): ResponseHeaders {
  const list = (name: string): string[] => [response.getHeader(name) ?? []].flat().map(String);
  return {
    get: (name) => list(name).join(", "),
    set: (name, value) => void response.setHeader(name, value),
    cookies: () => list("set-cookie"),
    setCookies: (cookies) => void response.setHeader("set-cookie", cookies),
  };
}

function ofWeb(headers: HeadersLike): ResponseHeaders {
  return {
    get: (name) => headers.get(name) ?? "",
    set: (name, value) => headers.set(name, value),
    cookies: () => headers.getSetCookie(),
    setCookies: (cookies) => {
      headers.delete("set-cookie");
      for (const cookie of cookies) headers.append("set-cookie", cookie);
    },
  };
}

// `Symbol.for`: two copies of this package in one app share the slot.
const slot = Symbol.for("filesession.opened");

/** What a context holds of ours. */
interface Entry<T> {
  /** The event that asked first. */
  readonly event: H3EventLike;
  /** The headers of its request, which the list belongs to. */
  readonly headers: object;
  readonly memo: T[];
  /** The lists of other requests that were handed the context. */
  others?: WeakMap<object, T[]>;
  /** Whether it cannot be told any more whose the context is. */
  isAmbiguous?: true;
}

/** In a function, since contexts come to be logged, and the event and its cookies hold tokens. */
interface Place<T> {
  [slot]?: () => Entry<T>;
}

/**
 * A list that lives as long as the request, the same one for every event of the request.
 *
 * It hangs on `event.context`, but belongs to the request's headers: nitropack's cached handler is
 * handed the context of another request, and must not be handed its sessions.
 */
export function requestMemo<T>(event: H3EventLike): T[] {
  const context = event.context as Place<T>;
  const headers = headersOf(event);
  const entry = context[slot]?.();
  if (!entry) {
    const own: Entry<T> = { event, headers, memo: [] };
    // Not written straight into the context: V8 keeps a function that is, and the request with it, until
    // a major collection.
    const show = (): Entry<T> => own;
    context[slot] = show;
    const response = isH3V2(event) && (nodeResponse(event) as Place<T> | undefined);
    if (response) response[slot] ??= show;
    return own.memo;
  }
  if (entry.headers === headers) return entry.memo;
  entry.others ??= new WeakMap();
  let memo = entry.others.get(headers);
  if (!memo) entry.others.set(headers, (memo = []));
  // An app has given one context to several visitors.
  if (!isH3V2(event) && outerEntry(event) !== entry && !isCached(event)) entry.isAmbiguous = true;
  return memo;
}

/**
 * The list of another request that this one has a visitor in common with: a sub-request's is that
 * of the request in whose course it was made, by `event.$fetch`, `fetchWithEvent` and the like.
 * `undefined` when there is none that has asked for its list.
 *
 * A sub-request is known by the outer context, or by Node's response. What a cache calls has these
 * too, but whatever is given to it may be given to everybody. Nitropack marks it. The caches of h3
 * 2 and Nitro 3 make the request anew, from few headers and without the client's address, and what
 * is fetched from there on has none either. So without an address, which a server on a Unix socket
 * never knows, no sub-request of h3 2 is taken for one.
 */
export function outerMemo<T>(event: H3EventLike): T[] | undefined {
  const entry = outerEntry<T>(event);
  if (!entry || entry.isAmbiguous || isCached(event) || isCached(entry.event)) return undefined;
  if (headersOf(event) === entry.headers) return entry.memo;
  for (const header of ["user-agent", "x-forwarded-for"])
    if (requestHeader(event, header) !== requestHeader(entry.event, header)) return undefined;
  if (isH3V2(event) && (!event.req.ip || event.req.ip !== ipOf(entry.event))) return undefined;
  return entry.memo;
}

function outerEntry<T>(event: H3EventLike): Entry<T> | undefined {
  const place = isH3V2(event) ? nodeResponse(event) : event.node.req.__unenv__;
  return (place as Place<T> | undefined)?.[slot]?.();
}

function headersOf(event: H3EventLike): object {
  return isH3V2(event) ? event.req.headers : event.node.req.headers;
}

function ipOf(event: H3EventLike): string | undefined {
  return isH3V2(event) ? event.req.ip : undefined;
}
