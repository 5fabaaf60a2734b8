// Where there is no ordinary event: what else `useFileSession` takes, made an event of h3 2.

import { parseSetCookie } from "cookie-es";
import type {
  CookieAttributes,
  CookiesLike,
  H3EventLike,
  H3V2Event,
  HeadersLike,
} from "./event.ts";

/** What is used of a request: a `Request`, or what crossws has in its place. */
export interface RequestLike {
  headers: { get(name: string): string | null };
  url?: string;
  /** The client's address. */
  ip?: string | undefined;
}

/**
 * A request, and the headers of the response that is going to be made: the session's cookie is put
 * there, so they have to be used, after whatever begins, regenerates or clears the session.
 */
export interface WebRequestLike {
  request: RequestLike & { url: string };
  responseHeaders: HeadersLike;
  /** The client's address. Default: the request's own word, if it has one; otherwise unknown. */
  ip?: string | undefined;
}

/**
 * A request, and what its framework keeps the cookies of request and response in: the `cookies()` of
 * Next.js, and what is called `cookies` in the events of SvelteKit and the contexts of Astro, which can
 * be given as they are. It sends the cookie; whether the response may be cached is said elsewhere.
 */
export interface CookiesRequestLike {
  request: RequestLike;
  cookies: CookiesLike;
  /** The client's address. Default: the request's own word, if it has one; otherwise unknown. */
  ip?: string | undefined;
}

/** What is used of a peer of crossws. */
export interface PeerLike {
  request: RequestLike;
  remoteAddress?: string | undefined;
}

/** The event of h3 2 that has no response. */
export interface HTTPEventLike {
  req: RequestLike;
}

/**
 * What a session can be had for.
 *
 * - An event of h3 1 or h3 2.
 * - A request with the headers of its response, or with its framework's cookies.
 * - A WebSocket: its peer, or the request that its `upgrade` hook is given. Its response is the
 *   handshake, which has gone or is not ours, so a session neither begins there nor gets a new
 *   token: `ERR_SESSION_HEADERS_SENT`. All else works, and `clear` leaves a cookie that names
 *   nothing.
 */
export type SessionEvent =
  | H3EventLike
  | WebRequestLike
  | CookiesRequestLike
  | PeerLike
  | HTTPEventLike
  | RequestLike;

/** The event itself when it is one of h3's, otherwise one that stands for it. */
export function h3EventOf(event: SessionEvent): H3EventLike {
  if ("node" in event || ("req" in event && "res" in event)) return event;
  if ("responseHeaders" in event) return webEvent(event);
  if ("cookies" in event && "request" in event) return cookiesEvent(event);
  if ("request" in event) return upgradeEvent(event.request, event.remoteAddress);
  return upgradeEvent("req" in event ? event.req : event);
}

function upgradeEvent({ headers, ip }: RequestLike, address = ip): H3V2Event {
  return {
    req: { headers, ip: address },
    runtime: { node: { upgrade: {} } },
    context: {}, // its own each time: what has been opened is not remembered
    get res(): never {
      throw new TypeError("A WebSocket has no response");
    },
    get url(): never {
      throw new TypeError("A WebSocket has no response");
    },
  };
}

/** What belongs to one request: Node's response, as it were, and a context for each Headers. */
interface Web {
  readonly runtime: { node: { res: { headersSent: boolean } } };
  readonly contexts: WeakMap<object, object>;
}

function webEvent({ request, responseHeaders, ip = request.ip }: WebRequestLike): H3V2Event {
  const { runtime, contexts } = webOf(request.headers);
  let context = contexts.get(responseHeaders);
  if (!context) contexts.set(responseHeaders, (context = {}));
  return {
    req: { headers: request.headers, ip },
    res: { headers: responseHeaders },
    get url(): URL {
      return new URL(request.url);
    },
    runtime,
    context,
  };
}

/** One for all of a request: a framework's cookies are the same, whichever object stands for them. */
function cookiesEvent({ request, cookies, ip = request.ip }: CookiesRequestLike): H3V2Event {
  const { runtime, contexts } = webOf(request.headers);
  let context = contexts.get(request.headers);
  if (!context) contexts.set(request.headers, (context = {}));
  return {
    req: { headers: request.headers, ip },
    res: { headers: headersOf(cookies, runtime) },
    get url(): URL {
      // The `Host` header says it as well; without either nothing is taken for localhost.
      return new URL(request.url ?? "http://unknown.invalid");
    },
    cookies,
    runtime,
    context,
  };
}

/** Headers that only take a cookie. Where they cannot, the response counts as sent. */
function headersOf(cookies: CookiesLike, runtime: Web["runtime"]): HeadersLike {
  return {
    get: () => null,
    getSetCookie: () => [],
    set: () => undefined,
    delete: () => undefined,
    append(_, text) {
      const { name = "", value = "", ...attributes } = { ...parseSetCookie(text) };
      const { httpOnly = false, secure = false } = attributes;
      try {
        cookies.set(name, value, { ...attributes, httpOnly, secure } as CookieAttributes);
      } catch {
        runtime.node.res.headersSent = true;
      }
    },
  };
}

// `Symbol.for`: two copies of this package in one app share it.
const place = Symbol.for("filesession.requests");

function webOf(headers: object): Web {
  const shared = globalThis as { [place]?: WeakMap<object, Web> };
  const requests = (shared[place] ??= new WeakMap());
  let web = requests.get(headers);
  if (!web) {
    // Nobody but the caller knows when the response is sent.
    web = { runtime: { node: { res: { headersSent: false } } }, contexts: new WeakMap() };
    requests.set(headers, web);
  }
  return web;
}
