import { fetchSelf, getCookie, type H3Event, setCookie } from "#framework";
import { cookieName } from "./session.ts";

// A real app forgets a cookie that it replaces. This one hands it back under another name, so that
// the page can show what it still opens: after the grace, nothing.
const retiredName = "retired";

/** What came of trying the retired cookie. */
export interface Attempt {
  opens: boolean;
  /** The answer, word for word. */
  answer: string;
}

/** Keeps the session cookie of this request, for whoever wants to try it after it has died. */
export function keepRetiredCookie(event: H3Event): void {
  const token = getCookie(event, cookieName);
  if (token === undefined) return;
  setCookie(event, retiredName, token, { httpOnly: true, sameSite: "lax", path: "/", maxAge: 600 });
}

export function hasRetiredCookie(event: H3Event): boolean {
  return getCookie(event, retiredName) !== undefined;
}

/** Asks `GET /api/session` with the retired cookie: a request of its own, through the whole app. */
export async function tryRetiredCookie(event: H3Event): Promise<Attempt | undefined> {
  const token = getCookie(event, retiredName);
  if (token === undefined) return undefined;
  const cookie = `${cookieName}=${encodeURIComponent(token)}`;
  // Not event.$fetch: that is for requests in this visitor's name, and sends all their headers
  // along.
  const response = await fetchSelf("/api/session", { cookie });
  const answer = await response.text();
  const { id } = JSON.parse(answer) as { id: string | null };
  return { opens: id !== null, answer };
}
