// taker.mjs <orders>: for each line of sessions tries once to take the lock of each, says of each
// whether it has it, and gives them back when the next line comes. It lets others go first between
// any two of its system calls: so many processes are in the middle of it at once, however few
// processors there are.

import { createInterface } from "node:readline";
import { intercept } from "../_calls.mjs";
import { openHandler } from "./handlers.mjs";

const orders = JSON.parse(process.argv[2]);
const handler = openHandler(orders);
const nothing = new Int32Array(new SharedArrayBuffer(4));

intercept(orders.fileDir, (call, proceed) => {
  if (Math.random() < 0.3) Atomics.wait(nothing, 0, 0, Math.random() * 0.3);
  return proceed();
});

let sessions = [];
for await (const line of createInterface({ input: process.stdin })) {
  for (const session of sessions) await handler._releaseLock(session);
  sessions = line.split(" ");
  const answers = [];
  for (const session of sessions) answers.push(await handler._acquireLock(session, false));
  console.log(answers.join(" "));
}
