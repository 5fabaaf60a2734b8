import { defineEventHandler } from "#framework";
import { naiveCounter, noRace } from "../../race.ts";
import { useVisitor } from "../../session.ts";

/** Where both counters stand. */
export default defineEventHandler(async (event) => {
  const { race } = (await useVisitor(event)).data;
  if (!race) throw noRace();
  return { ours: race.count, naive: await naiveCounter.get(race.naive) };
});
