// What the browser asks after the session, and where it logs out.

import {
  createError,
  defineEventHandler,
  type EventHandler,
  getRequestHeader,
  type H3Event,
  setResponseHeaders,
} from "h3";
import { stringify } from "#filesession/nuxt";
import { useFileSession } from "../../index.ts";
import { publicOf } from "./public.ts";

/** The answer is written as Nuxt writes a page's payload: dates, maps and bigints arrive as such. */
const endpoint: EventHandler = defineEventHandler(async (event): Promise<string> => {
  setResponseHeaders(event, {
    "cache-control": "no-store",
    "content-type": "application/json",
    "x-content-type-options": "nosniff",
  });
  switch (event.method) {
    case "GET":
    case "HEAD":
      return stringify(publicOf(await useFileSession(event)));
    case "DELETE": {
      refuseOtherSites(event);
      const session = await useFileSession(event);
      return stringify(publicOf(await session.clear()));
    }
    default:
      setResponseHeaders(event, { allow: "GET, HEAD, DELETE" });
      throw createError({ statusCode: 405 });
  }
});

export default endpoint;

/**
 * A page of another site can send a DELETE only with our leave (CORS), and its cookie only where `sameSite`
 * is `none`. Should an app give both, this still keeps it from logging its visitors out.
 */
function refuseOtherSites(event: H3Event): void {
  const site = getRequestHeader(event, "sec-fetch-site");
  if (site === "cross-site" || site === "same-site")
    throw createError({ statusCode: 403, message: "Only the app itself may end its session" });
}
