// What hands the session to the app while that is rendered.

import { getResponseHeader, type H3Event, setResponseHeader } from "h3";
import { getRouteRules } from "nitropack/runtime";
import { useFileSession } from "../../index.ts";
import { type Known, type ServerSession, setServerSession } from "../server-session.ts";
import { publicOf } from "./public.ts";

/** A plugin of Nitro's. */
export default function plugin(nitroApp: {
  hooks: { hook(name: "request", hook: (event: H3Event) => void): unknown };
}): void {
  nitroApp.hooks.hook("request", (event) => setServerSession(event, session));
}

const nobodys: Known = { ready: false, session: null };

const session: ServerSession<H3Event> = {
  async read(event) {
    if (isForEverybody(event)) return nobodys;
    const session = publicOf(await useFileSession(event));
    if (!getResponseHeader(event, "cache-control") && !event.node.res.headersSent)
      setResponseHeader(event, "cache-control", "private, no-cache");
    return { ready: true, session };
  },
  async clear(event) {
    if (isForEverybody(event)) return nobodys;
    const session = await useFileSession(event);
    return { ready: true, session: publicOf(await session.clear()) };
  },
};

/**
 * Whether others may be sent this page too: it is rendered when the app is built, or kept by Nitro, or by
 * a cache further out.
 */
function isForEverybody(event: H3Event): boolean {
  if (import.meta.prerender || event.context.cache) return true;
  // `swr` is one way to say `cache`, and Nitro has it so.
  const { prerender, cache, isr } = getRouteRules(event);
  if (prerender || cache || isr) return true;
  const cacheControl = String(getResponseHeader(event, "cache-control") ?? "");
  return /(?:^|[\s,])(?:public|s-maxage)\b/i.test(cacheControl);
}
