// mover.mjs <handler> <fileDir> <staleAfter> <log>: adds one to the one session there is, for ever,
// moving it to a new id every other time.

import { randomUUID } from "node:crypto";
import { openSync, writeSync } from "node:fs";
import { openHandler } from "./handlers.mjs";

const [name, fileDir, staleAfter, log] = process.argv.slice(2);
const handler = openHandler(name, fileDir, Number(staleAfter));
const out = openSync(log, "a");
let isOver = false;
process.once("SIGTERM", () => (isOver = true));
const add = ({ data }) => ({ n: data.n + 1 });

while (!isOver)
  for await (const id of handler.keys()) {
    if (isOver) break;
    const move = Math.random() < 0.5 ? { to: randomUUID(), oldId: id } : { to: id };
    try {
      const { data } = await handler.update(move.to, add, {
        oldId: move.oldId ?? id,
        mustExist: true,
      });
      writeSync(out, `ack chain ${data.n}\n`);
    } catch (error) {
      writeSync(out, `error ${error.code ?? error.name}\n`);
    }
  }
