import { randomBytes } from "node:crypto";
import { defineEventHandler } from "#framework";
import { naiveCounter } from "../../race.ts";
import { useVisitor } from "../../session.ts";

/**
 * Puts both counters at nothing. Fifty requests without a session would make fifty sessions: this
 * makes the one.
 */
export default defineEventHandler(async (event) => {
  const session = await useVisitor(event);
  if (session.data.race) await naiveCounter.remove(session.data.race.naive);
  const naive = randomBytes(6).toString("hex");
  await naiveCounter.set(naive, 0);
  await session.update({ race: { count: 0, naive } });
  return { ours: 0, naive: 0 };
});
