// remover.mjs <orders>: makes sessions, adds to them if they are there, and removes them, for ever.
// No id is used a second time: what has been removed must never be seen again.

import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { complain, dataOf, handler, log, now, numberIn, over } from "./_worker.mjs";

const sessionsAtOnce = 4;

async function add(id) {
  const begun = now();
  const change = async ({ data }) => {
    await sleep(Math.random() * 2);
    return dataOf(numberIn(data) + 1, Math.random() < 0.2 ? 5000 : 10);
  };
  await handler.update(id, change, { mustExist: true });
  log("seen", begun, id);
}

async function remove(id) {
  if (await handler.remove(id)) log("gone", now(), id);
}

async function look(id) {
  const begun = now();
  const { data } = await handler.retrieve(id, { blocking: false });
  if (data !== undefined) log("seen", begun, id);
}

log("up", now());
while (!over()) {
  await nextTurn();
  try {
    const ids = [];
    for await (const id of handler.keys()) ids.push(id);
    const id = ids[Math.floor(Math.random() * ids.length)];
    const dice = Math.random();
    if (ids.length < sessionsAtOnce) await handler.store(randomUUID(), dataOf(0, 10));
    else if (dice < 0.15) await remove(id);
    else if (dice < 0.4) await look(id);
    else await add(id);
  } catch (error) {
    complain(error);
  }
}
for await (const id of handler.keys()) await look(id).catch(complain);
