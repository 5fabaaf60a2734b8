import { type FileSession, type FileSessions, fileSessions, useFileSession } from "filesession";
import { getCookie, type H3Event } from "#framework";
import type { Cart } from "./cart.ts";

/** What this app keeps about a visitor. Dates, maps and bigints come back as they went in. */
export interface Visitor {
  visits?: number;
  /** How many of the visits each process served, by pid. */
  servedBy?: Map<number, number>;
  user?: User;
  cart?: Cart;
  /** The counter that fifty requests raise at once, and the name of the naive one beside it. */
  race?: { count: number; naive: string };
}

export interface User {
  name: string;
  since: Date;
  /** What the user has logged in with, in short. */
  device: string;
}

/** What one request says to the next. */
export interface Flash {
  notice?: string;
}

export const cookieName = "session";

/** Seconds that the cookie from before a log-in still reads: long enough for requests under way. */
export const graceSeconds = 5;

export const rememberDays = 30;

/** The visitor's session. */
export function useVisitor(event: H3Event): Promise<FileSession<Visitor>> {
  return useFileSession<Visitor>(event);
}

/** The sessions of all visitors. */
export function allVisitors(): FileSessions<Visitor> {
  return fileSessions<Visitor>();
}

/** Whether the request came with the cookie of a session that is not there any more. */
export function isOver(event: H3Event, session: FileSession<Visitor>): boolean {
  return session.id === undefined && getCookie(event, cookieName) !== undefined;
}
