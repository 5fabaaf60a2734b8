import { defineEventHandler } from "#framework";
import { noRace, work } from "../../race.ts";
import { useVisitor } from "../../session.ts";

/**
 * Work, then update: the function gets the number that is on disk at that moment, and nobody else
 * writes in between.
 */
export default defineEventHandler(async (event) => {
  const session = await useVisitor(event);
  await work();
  await session.update(({ race }) => {
    if (!race) throw noRace();
    return { race: { ...race, count: race.count + 1 } };
  });
  return { count: session.data.race?.count };
});
