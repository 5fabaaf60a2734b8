// updater.mjs <handler> <fileDir> <staleAfter> <log>: adds one to one of three sessions, for ever,
// and logs what was acknowledged. One in three changes takes its time; one in seven makes the
// session outgrow its file.

import { openSync, writeSync } from "node:fs";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { openHandler } from "./handlers.mjs";

const [name, fileDir, staleAfter, log] = process.argv.slice(2);
const handler = openHandler(name, fileDir, Number(staleAfter));
const out = openSync(log, "a");
let isOver = false;
process.once("SIGTERM", () => (isOver = true));

for (let round = 0; !isOver; round++) {
  const id = `s${Math.floor(Math.random() * 3)}`;
  const pad = "x".repeat(round % 7 === 0 ? 3000 + Math.random() * 3000 : 10);
  const add = ({ data }) => ({ n: (data?.n ?? 0) + 1, pad });
  const addSlowly = async (record) => {
    await sleep(Math.random() * 2);
    return add(record);
  };
  await nextTurn(); // or no signal would ever be heard
  try {
    const { data } = await handler.update(id, Math.random() < 0.3 ? addSlowly : add);
    writeSync(out, `ack ${id} ${data.n}\n`);
  } catch (error) {
    writeSync(out, `error ${error.code ?? error.name}\n`);
    await sleep(1);
  }
}
