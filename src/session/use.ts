import { SessionCookie } from "./cookie.ts";
import { type FileSessionConfig, readConfig, type Settings } from "./config.ts";
import { keepClean } from "./cleaner.ts";
import { clientAddress, type H3EventLike, outerMemo, requestMemo } from "./event.ts";
import type { DefaultData, FileSession } from "./file-session.ts";
import { longestIdle } from "./lifetime.ts";
import { loadSession } from "./session.ts";
import { h3EventOf, type SessionEvent } from "./session-event.ts";

/**
 * The session of the visitor who sent this request, for an event of h3 1 or 2, a WebSocket's peer,
 * or a plain `Request`.
 *
 * A visitor who has none gets an empty one: no cookie and no file until something is stored. Asked
 * for again in the same request, by the same name and place, it is the same session, read once, and
 * the first call's other options hold. A sub-request has the session of the request that it was
 * made in, if that has asked for it before. A peer lives for long: for it the session is read each
 * time.
 *
 * Rejects with `ERR_SESSION_OPTION` for an option that makes no sense, and `ERR_SESSION_DIR` when
 * sessions cannot be read: an unknown, malformed or ended one is no error.
 *
 * ```ts
 * const session = await useFileSession<{ userId?: number }>(event);
 * await session.update({ userId: 42 });
 * ```
 */
export function useFileSession<T extends object = DefaultData>(
  event: SessionEvent,
  config: FileSessionConfig<T> = {},
): Promise<FileSession<T>> {
  try {
    const settings = readConfig(config);
    const h3Event = h3EventOf(event);
    const memo = requestMemo<Opened>(h3Event);
    let opened = find(memo, settings);
    if (!opened) memo.push((opened = joined(h3Event, settings) ?? open(h3Event, settings)));
    // The promise itself: through an async function it would take three turns more to arrive. What
    // the session holds is the caller's word, nothing here looks into it.
    return opened.session as Promise<FileSession<T>>;
  } catch (error) {
    return Promise.reject(error);
  }
}

/** The promise is kept, not the session, so that parallel first calls read once. */
interface Opened extends Pick<Settings, "handler" | "name"> {
  session: Promise<FileSession>;
  cookie: SessionCookie;
}

function find(memo: Opened[], { handler, name }: Settings): Opened | undefined {
  return memo.find((opened) => opened.handler === handler && opened.name === name);
}

/** The outer request's, when this is a sub-request. */
function joined(event: H3EventLike, settings: Settings): Opened | undefined {
  const outer = outerMemo<Opened>(event);
  const opened = outer && find(outer, settings);
  return opened?.cookie.join(event) ? opened : undefined;
}

function open(event: H3EventLike, settings: Settings): Opened {
  const { handler, name, proxies, cleanMs } = settings;
  if (cleanMs > 0) keepClean(handler, cleanMs, longestIdle(settings));
  const cookie = new SessionCookie(event, name, settings.cookie);
  const session = loadSession(settings, cookie, clientAddress(event, proxies));
  return { handler, name, session, cookie };
}
