// All that this app takes of Nitro 3 and h3 2. ../framework.ts is the same of Nitro 2 and h3 1.

import { serverFetch } from "nitro";
import { type H3Event, HTTPError, redirect } from "nitro/h3";

export { definePlugin as defineNitroPlugin } from "nitro";
export { defineCachedHandler as defineCachedEventHandler } from "nitro/cache";
export {
  defineHandler as defineEventHandler,
  getCookie,
  getQuery,
  type H3Event,
  readBody,
  setCookie,
} from "nitro/h3";
export { useRuntimeConfig } from "nitro/runtime-config";
export { useStorage } from "nitro/storage";

export function getRequestHeader(event: H3Event, name: string): string | undefined {
  return event.req.headers.get(name) ?? undefined;
}

/** What a handler throws to answer with this status. */
export function httpError(status: number, message: string): Error {
  return new HTTPError({ status, message });
}

/** What a handler returns to have the browser look elsewhere, with a GET. */
export function seeOther(_event: H3Event, location: string): unknown {
  return redirect(location, 303);
}

/** What a handler returns to answer with a page. */
export function pageOf(event: H3Event, markup: string): unknown {
  event.res.headers.set("content-type", "text/html; charset=utf-8");
  return markup;
}

/** A request to this app, of its own: it comes from no visitor. */
export function fetchSelf(path: string, headers: Record<string, string>): Promise<Response> {
  return serverFetch(path, { headers });
}
