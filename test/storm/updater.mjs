// updater.mjs <orders>: adds one to its session, for ever, and logs what was acknowledged. One in
// three changes takes its time; one in seven makes the session outgrow its file. One in four times
// it reads, its own session or another.

import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import {
  complain,
  dataOf,
  descriptors,
  handler,
  log,
  now,
  numberIn,
  orders,
  over,
} from "./_worker.mjs";

const { session, sessions } = orders;

async function add(round) {
  const length = round % 7 === 0 ? Math.floor(3000 + Math.random() * 3000) : 10;
  const change = ({ data }) => dataOf(numberIn(data) + 1, length);
  const changeSlowly = async (record) => {
    await sleep(Math.random() * 2);
    return change(record);
  };
  const { data } = await handler.update(session, Math.random() < 0.3 ? changeSlowly : change);
  log("ack", now(), session, data.n);
}

async function read(id, blocking) {
  const begun = now();
  const { data } = await handler.retrieve(id, { blocking });
  log("read", begun, id, numberIn(data));
}

log("up", now());
for (let round = 1; !over(); round++) {
  await nextTurn();
  try {
    if (round % 8 === 4) await read(session, true);
    else if (round % 8 === 0) await read(sessions[round % sessions.length], false);
    else await add(round);
  } catch (error) {
    complain(error);
    await sleep(1);
  }
  if (round % 50 === 0) log("open", now(), descriptors());
}
for (const id of sessions) await read(id, false).catch(complain);
