import { defineEventHandler, seeOther } from "#framework";
import { useVisitor } from "../../session.ts";

/** Logs this user out everywhere but here. */
export default defineEventHandler(async (event) => {
  const session = await useVisitor(event);
  const count = await session.destroyOthers();
  if (session.data.user) await session.flash("notice", loggedOut(count));
  return seeOther(event, "/?after=devices");
});

function loggedOut(count: number): string {
  if (count === 0) return "You are logged in nowhere else.";
  return count === 1 ? "1 other device is logged out." : `${count} other devices are logged out.`;
}
