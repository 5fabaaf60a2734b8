// The page in Nuxt's DevTools. It is served while the app is developed, and not part of what is built.
//
// It shows the session of whoever looks, and the ids of others, which open nothing. A page of another
// site can neither read it nor have it in a frame, and its button works from the page itself only.

import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import {
  createError,
  defineEventHandler,
  type EventHandler,
  getRequestHeader,
  type H3Event,
  sendRedirect,
  setResponseHeaders,
} from "h3";
import { useStorage } from "nitropack/runtime";
import type { SessionDriver } from "../../driver.ts";
import type { RedisDriver } from "../../redis.ts";
import { FileHandler, type Handler, useFileSession } from "../../index.ts";
import { noteChange } from "./changes.ts";
import { devtoolsPage } from "./devtools-page.ts";

const handler: EventHandler = defineEventHandler(async (event): Promise<string | void> => {
  const site = getRequestHeader(event, "sec-fetch-site");
  const isPost = event.method === "POST";
  if (site !== "same-origin" && (isPost || site === "cross-site" || site === "same-site"))
    throw createError({ statusCode: 403, message: "Only for the app's own DevTools" });
  const driver = sessionDriver();
  if (driver && "watch" in driver) await watch(driver);
  const session = await useFileSession(event);
  if (isPost) {
    await session.clear();
    return sendRedirect(event, "?", 303); // the page itself, below whatever base
  }
  const handler: Handler | undefined = driver?.getInstance();
  const record = session.id && (await handler?.retrieve(session.id));
  const file = session.id && handler instanceof FileHandler && handler._sessionFile(session.id);
  const nonce = randomBytes(16).toString("base64");
  setHeaders(event, nonce);
  return devtoolsPage({
    session,
    tag: record ? record.tag : undefined,
    file: file ? { path: file, text: await textOf(file) } : undefined,
    nonce,
  });
});

export default handler;

function setHeaders(event: H3Event, nonce: string): void {
  setResponseHeaders(event, {
    "content-type": "text/html;charset=utf-8",
    "cache-control": "no-store",
    "content-security-policy":
      `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; connect-src 'self'; ` +
      "form-action 'self'; frame-ancestors 'self'; base-uri 'none'",
  });
}

/** Of the storage that the sessions are mounted in, wherever that is. */
function sessionDriver(): SessionDriver | RedisDriver | undefined {
  const mounts = useStorage().getMounts();
  const drivers = mounts.map(({ driver }) => driver as { name?: string });
  return drivers.find(({ name }) => name === "filesession") as
    | SessionDriver
    | RedisDriver
    | undefined;
}

const watched = new WeakSet<SessionDriver>();

async function watch(driver: SessionDriver): Promise<void> {
  if (watched.has(driver)) return;
  watched.add(driver);
  await driver.watch(noteChange);
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch {
    return ""; // it has gone meanwhile
  }
}
