import { createError, defineEventHandler, readBody, sendRedirect } from "h3";
import { keepRetiredCookie } from "../retired.ts";
import { useVisitor } from "../session.ts";

export default defineEventHandler(async (event) => {
  const body = await readBody<{ name?: unknown } | undefined>(event);
  const name = typeof body?.name === "string" ? body.name.trim() : "";
  if (name === "" || name.length > 40) {
    throw createError({ statusCode: 400, message: "A name has 1 to 40 characters." });
  }

  keepRetiredCookie(event);
  const session = await useVisitor(event);
  // Before anything is known about the visitor: whoever planted or saw the cookie of before has
  // nothing now.
  await session.regenerate();
  await session.update({ user: { name, since: new Date() } });
  return sendRedirect(event, "/?after=login", 303);
});
