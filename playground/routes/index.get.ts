import type { FileSession } from "filesession";
import { defineEventHandler, getQuery, pageOf } from "#framework";
import { page } from "../page/page.ts";
import { readView } from "../page/view.ts";
import { words } from "../page/words.ts";
import { hasRetiredCookie, tryRetiredCookie } from "../retired.ts";
import { type Flash, isOver, useVisitor, type Visitor } from "../session.ts";

// What has a session to say it by says it with `flash`, once. These say it at each look.
const notices: Record<string, string> = {
  logout: `Logged out. ${words.gone}, and the cookie with it.`,
  over: "Your session is over: it has ended, or another device has logged it out.",
  cart: words.cart,
  race: "The race is over.",
  retired: "The old cookie was tried.",
};

/**
 * The page. Opening it is a visit, and stored; coming back to it after an action (`?after=`) is
 * not.
 */
export default defineEventHandler(async (event) => {
  const after = String(getQuery(event).after ?? "");
  const session = await useVisitor(event);
  const isAnew = isOver(event, session);
  const known = notices[isAnew ? "over" : after];
  if (after === "" || isAnew) await countVisit(session);
  const { notice = known ?? "" } = await session.flashed<Flash>();

  const retired = {
    held: hasRetiredCookie(event),
    attempt: after === "retired" ? await tryRetiredCookie(event) : undefined,
  };
  const view = await readView(session, { notice, retired });

  return pageOf(event, page(view).markup);
});

async function countVisit(session: FileSession<Visitor>): Promise<void> {
  try {
    await session.update(withVisit);
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ERR_SESSION_GONE") throw error;
    // Logged out a moment ago, or asked for with the cookie from before a log-in, which may only
    // look.
    await session.reload();
  }
}

function withVisit({ visits = 0, servedBy }: Visitor): Partial<Visitor> {
  const byProcess = new Map(servedBy);
  byProcess.set(process.pid, (byProcess.get(process.pid) ?? 0) + 1);
  return { visits: visits + 1, servedBy: byProcess };
}
