import { defineEventHandler, getRequestHeader, httpError, readBody, seeOther } from "#framework";
import { deviceName } from "../devices.ts";
import { keepRetiredCookie } from "../retired.ts";
import { graceSeconds, rememberDays, useVisitor } from "../session.ts";

export default defineEventHandler(async (event) => {
  const body = await readBody<{ name?: unknown; remember?: unknown } | undefined>(event);
  const name = typeof body?.name === "string" ? body.name.trim() : "";
  if (name === "" || name.length > 40) {
    throw httpError(400, "A name has 1 to 40 characters.");
  }
  const isRemembered = body?.remember !== undefined;
  const device = deviceName(getRequestHeader(event, "user-agent"));

  keepRetiredCookie(event);
  const session = await useVisitor(event);
  // What a log-in before has left is not handed on.
  if (session.data.user) await session.clear();
  // Before anything is known about the visitor: whoever planted or saw the cookie of before can
  // change nothing from now on, and after the grace it opens nothing.
  await session.regenerate({ grace: graceSeconds });
  await session.update({ user: { name, since: new Date(), device } });
  await session.tag(name);
  if (isRemembered) await session.remember(rememberDays * 86_400);
  await session.flash("notice", `Welcome, ${name}`);
  return seeOther(event, "/?after=login");
});
