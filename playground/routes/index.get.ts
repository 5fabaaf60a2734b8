import { defineEventHandler, getQuery, setResponseHeader } from "h3";
import { page } from "../page/page.ts";
import { readView } from "../page/view.ts";
import { hasRetiredCookie, tryRetiredCookie } from "../retired.ts";
import { useVisitor, type Visitor } from "../session.ts";

const notices: Record<string, string> = {
  login: "Logged in. The session has a new id and a new cookie.",
  logout: "Logged out. The file is gone, and the cookie with it.",
  cart: "The cart is on disk.",
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
  if (after === "") await session.update(withVisit);

  const retired = {
    held: hasRetiredCookie(event),
    attempt: after === "retired" ? await tryRetiredCookie(event) : undefined,
  };
  const view = await readView(session, { notice: notices[after] ?? "", retired });

  setResponseHeader(event, "content-type", "text/html; charset=utf-8");
  return page(view).markup;
});

function withVisit({ visits = 0, servedBy }: Visitor): Partial<Visitor> {
  const byProcess = new Map(servedBy);
  byProcess.set(process.pid, (byProcess.get(process.pid) ?? 0) + 1);
  return { visits: visits + 1, servedBy: byProcess };
}
