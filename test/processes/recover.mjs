// recover.mjs <fileDir> <staleAfter> <ms that the clock is off> <id>...: stores these sessions, whose
// locks nobody will give back, and prints the milliseconds that each of them took.
import { FileHandler } from "filesession";
import { setClock } from "./_clock.mjs";

const [fileDir, staleAfter, shift, ...ids] = process.argv.slice(2);
const handler = new FileHandler({ fileDir, staleAfter: Number(staleAfter) });
setClock(Number(shift));
const begun = performance.now();
const took = ids.map(async (id) => {
  await handler.store(id, 1);
  return Math.round(performance.now() - begun);
});
console.log(JSON.stringify(await Promise.all(took)));
