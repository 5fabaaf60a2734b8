// taker.mjs <handler> <fileDir> <staleAfter>: for each line `<id> <moment>` tries once, at that
// moment, to take the lock, and says `<id> <whether>`.

import { createInterface } from "node:readline";
import { openHandler } from "./handlers.mjs";

const [name, fileDir, staleAfter] = process.argv.slice(2);
const handler = openHandler(name, fileDir, Number(staleAfter));

for await (const line of createInterface({ input: process.stdin })) {
  const [id, moment] = line.split(" ");
  while (Date.now() < Number(moment));
  console.log(id, await handler._acquireLock(id, false));
}
