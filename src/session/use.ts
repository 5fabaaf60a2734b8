import { SessionCookie } from "./cookie.ts";
import { type FileSessionConfig, readConfig, type Settings } from "./config.ts";
import { keepClean } from "./cleaner.ts";
import { clientAddress, type H3EventLike, requestMemo } from "./event.ts";
import type { AnyData, FileSession } from "./file-session.ts";
import { loadSession } from "./session.ts";

/**
 * The session of the visitor who sent this request, for an event of h3 1 or 2.
 *
 * A visitor who has none gets an empty one: no cookie and no file until something is stored. Asked
 * for again in the same request, by the same name and place, it is the same session, read once, and
 * the first call's other options hold.
 *
 * Rejects with `ERR_SESSION_OPTION` for an option that makes no sense, and `ERR_SESSION_DIR` when
 * sessions cannot be read: an unknown, malformed or ended one is no error.
 *
 * ```ts
 * const session = await useFileSession<{ userId?: number }>(event);
 * await session.update({ userId: 42 });
 * ```
 */
export function useFileSession<T extends object = AnyData>(
  event: H3EventLike,
  config: FileSessionConfig<T> = {},
): Promise<FileSession<T>> {
  try {
    const settings = readConfig(config);
    const { handler, name } = settings;
    const memo = requestMemo<Opened>(event);
    let opened = memo.find((other) => other.handler === handler && other.name === name);
    if (!opened) memo.push((opened = { handler, name, session: open(event, settings) }));
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
}

function open(event: H3EventLike, settings: Settings): Promise<FileSession> {
  const { handler, name, cookie, proxies, cleanMs, maxAgeMs, idleMs } = settings;
  if (cleanMs > 0) keepClean(handler, cleanMs, Math.min(maxAgeMs, idleMs) / 1000);
  const sessionCookie = new SessionCookie(event, name, cookie);
  return loadSession(settings, sessionCookie, clientAddress(event, proxies));
}
