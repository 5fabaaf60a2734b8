// mover.mjs <orders>: adds one to the one session there is, for ever, moving it to a new id every
// other time, and logs what was acknowledged.

import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { complain, dataOf, handler, log, now, numberIn, over } from "./_worker.mjs";

const add = ({ data }) => dataOf(numberIn(data) + 1, 10);

log("up", now());
while (!over()) {
  await nextTurn();
  for await (const id of handler.keys()) {
    if (over()) break;
    try {
      const to = Math.random() < 0.5 ? randomUUID() : id;
      const { data } = await handler.update(to, add, { oldId: id, mustExist: true });
      log("ack", now(), "chain", data.n);
    } catch (error) {
      complain(error);
    }
  }
}
for await (const id of handler.keys()) {
  const begun = now();
  const { data } = await handler.retrieve(id);
  if (data !== undefined) log("end", begun, id, data.n);
}
