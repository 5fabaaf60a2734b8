// All that this app takes of Nitro 2 and h3 1. nitro3/framework.ts is the same of Nitro 3 and h3 2.

import { createError, type H3Event, sendRedirect, setResponseHeader } from "h3";
import { useNitroApp } from "nitropack/runtime";

export {
  defineEventHandler,
  getCookie,
  getQuery,
  getRequestHeader,
  type H3Event,
  readBody,
  setCookie,
} from "h3";
export {
  defineCachedEventHandler,
  defineNitroPlugin,
  useRuntimeConfig,
  useStorage,
} from "nitropack/runtime";

/** What a handler throws to answer with this status. */
export function httpError(status: number, message: string): Error {
  return createError({ statusCode: status, message });
}

/** What a handler returns to have the browser look elsewhere, with a GET. */
export function seeOther(event: H3Event, location: string): unknown {
  return sendRedirect(event, location, 303);
}

/** What a handler returns to answer with a page. */
export function pageOf(event: H3Event, markup: string): unknown {
  setResponseHeader(event, "content-type", "text/html; charset=utf-8");
  return markup;
}

/** A request to this app, of its own: it comes from no visitor. */
export function fetchSelf(path: string, headers: Record<string, string>): Promise<Response> {
  return useNitroApp().localFetch(path, { headers });
}
