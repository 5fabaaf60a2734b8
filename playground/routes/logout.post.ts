import { defineEventHandler, seeOther } from "#framework";
import { naiveCounter } from "../race.ts";
import { keepRetiredCookie } from "../retired.ts";
import { useVisitor } from "../session.ts";

export default defineEventHandler(async (event) => {
  keepRetiredCookie(event);
  const session = await useVisitor(event);
  if (session.data.race) await naiveCounter.remove(session.data.race.naive);
  await session.clear();
  return seeOther(event, "/?after=logout");
});
