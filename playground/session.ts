import { type FileSession, useFileSession } from "filesession";
import type { H3Event } from "h3";
import type { Cart } from "./cart.ts";

/** What this app keeps about a visitor. Dates, maps and bigints come back as they went in. */
export interface Visitor {
  visits?: number;
  /** How many of the visits each process served, by pid. */
  servedBy?: Map<number, number>;
  user?: { name: string; since: Date };
  cart?: Cart;
  /** The counter that fifty requests raise at once, and the name of the naive one beside it. */
  race?: { count: number; naive: string };
}

export const cookieName = "session";

/** Where both doors keep their files. The mount in nitro.config.ts names the same place. */
export const fileDir = "./.data/sessions";

/** The visitor's session. */
export function useVisitor(event: H3Event): Promise<FileSession<Visitor>> {
  return useFileSession<Visitor>(event, { name: cookieName, fileDir });
}
