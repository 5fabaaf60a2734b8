import { defineEventHandler } from "#framework";
import { naiveCounter, noRace, work } from "../../race.ts";
import { useVisitor } from "../../session.ts";

/**
 * Read, work, write: what everybody writes first. Whoever reads in between reads the same number.
 */
export default defineEventHandler(async (event) => {
  const { race } = (await useVisitor(event)).data;
  if (!race) throw noRace();
  const count = await naiveCounter.get(race.naive);
  await work();
  await naiveCounter.set(race.naive, count + 1);
  return { count: count + 1 };
});
