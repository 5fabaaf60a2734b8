// Four real servers, so that one list of facts is checked for both majors of h3, with and without
// Node's request and response.

import { createServer, request as httpRequest, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import * as h3v1 from "h3-v1";
import * as h3v2 from "h3-v2";
import { afterEach, beforeEach, describe, vi } from "vitest";
import type { H3EventLike } from "../src/session/event.ts";

export type Routes = Record<string, (event: H3EventLike) => unknown>;

export type Send = (path: string, headers: Record<string, string>) => Promise<Response>;

export interface H3 {
  readonly major: 1 | 2;
  readonly overNode: boolean;
  /** Serves these routes until the test is over. */
  serve(routes: Routes): Promise<Site>;
  /** An error that h3 knows. */
  httpError(status: number): Error;
  redirect(event: H3EventLike, to: string): unknown;
  setCookie(event: H3EventLike, name: string, value: string): void;
  setHeader(event: H3EventLike, name: string, value: string): void;
}

/** Runs the same facts on each server. */
export function describeH3(name: string, facts: (h3: H3) => void): void {
  const cleanups: (() => Promise<void>)[] = [];
  beforeEach(() => void vi.spyOn(console, "error").mockReturnValue()); // h3 1 reports what is thrown
  afterEach(async () => {
    vi.useRealTimers();
    vi.restoreAllMocks();
    for (const cleanup of cleanups.splice(0)) await cleanup();
  });
  const listen = async (listener: RequestListener): Promise<Send> => {
    // Not Node's limit is to be tested, but what comes through where it is high.
    const server = createServer({ maxHeaderSize: 2 ** 22 }, listener);
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    cleanups.push(() => close(server));
    const { port } = server.address() as AddressInfo;
    return (path, headers) => sendOverNode(port, path, headers);
  };

  describe.each<[string, H3]>([
    [
      "h3 1, Node",
      {
        ...h3One,
        overNode: true,
        serve: async (routes) => new Site(await listen(h3v1.toNodeListener(appOne(routes)))),
      },
    ],
    [
      "h3 1, web",
      {
        ...h3One,
        overNode: false,
        serve: async (routes) => new Site(sendWeb(h3v1.toWebHandler(appOne(routes)))),
      },
    ],
    [
      "h3 2, Node",
      {
        ...h3Two,
        overNode: true,
        serve: async (routes) =>
          new Site(await listen(h3v2.toNodeHandler(appTwo(routes)) as RequestListener)),
      },
    ],
    [
      "h3 2, web",
      {
        ...h3Two,
        overNode: false,
        serve: async (routes) => new Site(sendWeb(appTwo(routes).fetch)),
      },
    ],
  ])(`${name} (%s)`, (_, h3) => facts(h3));
}

/** A served app, and browsers that visit it. */
export class Site {
  readonly #send: Send;
  constructor(send: Send) {
    this.#send = send;
  }
  visitor(): Visitor {
    return new Visitor(this.#send);
  }
}

export interface Answer {
  status: number;
  headers: Headers;
  /** The Set-Cookie headers, one each. */
  cookies: string[];
  text: string;
  /** The text, as JSON. */
  json: unknown;
}

/** A browser with a cookie jar. */
export class Visitor {
  readonly cookies: Map<string, string> = new Map();
  readonly #send: Send;
  constructor(send: Send) {
    this.#send = send;
  }

  async get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await this.#send(path, cookie ? { cookie, ...headers } : headers);
    const cookies = response.headers.getSetCookie();
    for (const text of cookies) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(text) ?? [];
      if (/; Max-Age=0(;|$)/.test(text)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      cookies,
      text,
      get json(): unknown {
        return JSON.parse(text) as unknown;
      },
    };
  }
}

const h3One: Omit<H3, "serve" | "overNode"> = {
  major: 1,
  httpError: (status) => h3v1.createError({ statusCode: status }),
  redirect: (event, to) => h3v1.sendRedirect(event as h3v1.H3Event, to),
  setCookie: (event, name, value) => h3v1.setCookie(event as h3v1.H3Event, name, value),
  setHeader: (event, name, value) => h3v1.setHeader(event as h3v1.H3Event, name, value),
};

const h3Two: Omit<H3, "serve" | "overNode"> = {
  major: 2,
  httpError: (status) => new h3v2.HTTPError({ status }),
  redirect: (_, to) => h3v2.redirect(to),
  setCookie: (event, name, value) => h3v2.setCookie(event as h3v2.H3Event, name, value),
  setHeader: (event, name, value) => (event as h3v2.H3Event).res.headers.set(name, value),
};

export function appOne(routes: Routes): h3v1.App {
  const router = h3v1.createRouter();
  for (const [path, handler] of Object.entries(routes))
    router.get(path, h3v1.eventHandler(handler));
  return h3v1.createApp().use(router);
}

export function appTwo(routes: Routes): h3v2.H3 {
  const app = new h3v2.H3({ silent: true });
  for (const [path, handler] of Object.entries(routes)) app.get(path, handler);
  return app;
}

/** What nitropack 2 gives its cached handlers: an event of their own, with the visitor's context. */
export function cachedEvent(event: H3EventLike): H3EventLike {
  Object.assign(event.context, { cache: { options: { maxAge: 1 } } });
  const inherit = <T extends object>(object: T, own: object): T =>
    Object.assign(Object.create(object) as T, own);
  const { req } = event as unknown as { req: { headers: object } };
  if ("node" in event && "get" in req.headers === false)
    return inherit(event, {
      node: { req: { headers: { ...event.node.req.headers } }, res: event.node.res },
    });
  return new Proxy(event, {
    get: (target, key) =>
      key === "req"
        ? { headers: new Headers((target as unknown as { req: { headers: Headers } }).req.headers) }
        : (Reflect.get(target, key, target) as unknown),
  });
}

function sendWeb(fetch: (request: Request) => Response | Promise<Response>): Send {
  return async (path, headers) =>
    fetch(new Request(new URL(path, "http://localhost"), { headers }));
}

// Not `fetch`: it has its own opinion of the Host header.
export function sendOverNode(
  port: number,
  path: string,
  headers: Record<string, string>,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { port, host: "127.0.0.1", path, headers, agent: false },
      (message) => {
        const chunks: Buffer[] = [];
        message.on("data", (chunk: Buffer) => chunks.push(chunk));
        message.on("error", reject);
        message.on("end", () => {
          const { rawHeaders, statusCode: status = 0 } = message;
          const pairs = rawHeaders.flatMap((name, i) =>
            i % 2 ? [] : [[name, rawHeaders[i + 1] ?? ""]],
          );
          const body = chunks.length > 0 ? Buffer.concat(chunks) : null;
          resolve(new Response(body, { status, headers: pairs as [string, string][] }));
        });
      },
    );
    request.on("error", reject);
    request.end();
  });
}

export function close(server: Server): Promise<void> {
  return new Promise((done) => {
    server.closeAllConnections();
    server.close(() => done());
  });
}
