// Whose sessions these are: those of one tag, found, counted and ended.

import { isRecord, type SessionRecord } from "../core/handler.ts";
import type { Settings } from "./config.ts";
import { contentsOf } from "./contents.ts";
import { endOf, isLive } from "./lifetime.ts";
import type { DefaultData } from "./file-session.ts";

/** A session as it is listed, without the means to use it. */
export interface SessionInfo<T extends object = DefaultData> {
  /** Its handle. Not a secret: it opens nothing. */
  readonly id: string;
  /** The client's address when it was last stored with one, `''` when unknown. */
  readonly ip: string;
  /** When it began, in milliseconds since the epoch. */
  readonly time: number;
  /** When it was last used, in milliseconds since the epoch, up to a minute behind. */
  readonly touched: number;
  /** When it ends unless it is used before, in milliseconds since the epoch. */
  readonly expires: number;
  readonly data: Partial<T>;
}

/** The live sessions with this tag, the one that was used last first. */
export async function sessionsOf<T extends object>(
  tag: string,
  settings: Settings,
): Promise<SessionInfo<T>[]> {
  const infos: SessionInfo<T>[] = [];
  for (const record of await recordsOf(tag, settings)) {
    const { id, ip, time, touched } = record;
    const { data } = await contentsOf(record, { ...settings.shape, onInvalid: "empty" });
    const expires = endOf(record, settings);
    infos.push({ id, ip, time, touched, expires, data: data as Partial<T> });
  }
  return infos.sort((a, b) => b.touched - a.touched);
}

/**
 * Destroys the sessions with this tag but those with the ids `except`, and gives how many there were.
 *
 * A session that is regenerated meanwhile has another id when its turn comes. So it looks again, until
 * it finds nothing that it has not seen.
 */
export async function destroySessionsOf(
  tag: string,
  settings: Settings,
  except: readonly string[] = [],
): Promise<number> {
  const { handler } = settings;
  const seen = new Set(except);
  let destroyed = 0;
  for (;;) {
    const ids = (await handler.tagged(tag)).filter((id) => !seen.has(id));
    if (ids.length === 0) return destroyed;
    for (const id of ids) {
      seen.add(id);
      const record = await liveRecord(id, tag, settings);
      if (record && (await handler.remove(id))) destroyed++;
    }
  }
}

/**
 * Destroys the oldest sessions with this tag, as far as there are more than `maxSessions`: those that
 * were given it longest ago. Of several log-ins at once the last ones stay, whoever looks.
 */
export async function limitSessionsOf(
  tag: string,
  maxSessions: number,
  settings: Settings,
): Promise<void> {
  const { handler } = settings;
  const records = await recordsOf(tag, settings);
  const isNewer = (a: SessionRecord, b: SessionRecord): number =>
    (b.tagTime ?? 0) - (a.tagTime ?? 0) || (a.id < b.id ? 1 : -1);
  const oldest = records.sort(isNewer).slice(maxSessions);
  await Promise.all(oldest.map(({ id }) => handler.remove(id)));
}

async function recordsOf(tag: string, settings: Settings): Promise<SessionRecord[]> {
  const records: SessionRecord[] = [];
  for (const id of await settings.handler.tagged(tag)) {
    const record = await liveRecord(id, tag, settings);
    if (record) records.push(record);
  }
  return records;
}

/** The session that the index names, if it is one of this cookie's still. */
async function liveRecord(
  id: string,
  tag: string,
  settings: Settings,
): Promise<SessionRecord | undefined> {
  const record = await settings.handler.retrieve(id, { blocking: false });
  const isOurs = isRecord(record) && record.tag === tag && isLive(record, settings, Date.now());
  return isOurs ? record : undefined;
}
