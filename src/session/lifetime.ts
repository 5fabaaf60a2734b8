// When a session ends. All moments and durations are in milliseconds.

import type { SessionRecord } from "../core/handler.ts";

export interface Lifetimes {
  /** From the creation on, however much the session is used. */
  maxAgeMs: number;
  /** Without use. */
  idleMs: number;
}

/**
 * The moment a session ends unless it is used before. It is over at that moment, whenever its file
 * goes.
 */
export function endOf(record: SessionRecord, { maxAgeMs, idleMs }: Lifetimes): number {
  // One that is remembered has a lifetime of its own, however long it is not used.
  if (record.lasting && record.expires !== undefined) return record.expires;
  return Math.min(record.time + maxAgeMs, record.touched + idleMs, record.expires ?? Infinity);
}

/** Seconds without use after which every session has ended, but one that is remembered. */
export function longestIdle({ maxAgeMs, idleMs }: Lifetimes): number {
  return Math.min(maxAgeMs, idleMs) / 1000;
}

/** Whether the record is a session at this moment, for the cookie called `name`. */
export function isLive(
  record: SessionRecord,
  settings: Lifetimes & { name: string },
  now: number,
): boolean {
  if (now >= endOf(record, settings)) return false;
  // One without a name is no visitor's doing: the app has made it, or its handler keeps no names.
  return (record.cookieName ?? settings.name) === settings.name;
}

/**
 * Whether a session's use is to be noted on the disk. At most once a minute, so that a busy one
 * costs nothing; for a short `idleTimeout` at half of it, so that whoever stays active stays in. A
 * session may thus end a minute early, never late.
 */
export function isTouchDue(record: SessionRecord, { idleMs }: Lifetimes, now: number): boolean {
  return now - record.touched >= Math.min(60_000, idleMs / 2);
}
