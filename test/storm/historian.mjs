// historian.mjs <handler>: for each order, a line of JSON, makes random calls of a handler and writes
// down when each began, when it returned and what it said. Says `done`.

import { openSync, readdirSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { intercept } from "../_calls.mjs";
import { openHandler } from "./history-handlers.mjs";

const [handlerName] = process.argv.slice(2);
const none = 0;
const nothing = new Int32Array(new SharedArrayBuffer(4));

for await (const line of createInterface({ input: process.stdin })) {
  await follow(JSON.parse(line));
  console.log("done");
}

/**
 * Makes `count` calls on `ids` that store the numbers from `first` on; or, to `readAll`, one
 * retrieve of each id. The system call number `stopAt` is not made before somebody continues this
 * process, the one number `killAt` never.
 */
async function follow(order) {
  const { fileDir, log, seed, count, first, ids, staleAfter } = order;
  const { moves, stopAt, killAt, readAll } = order;
  const handler = openHandler(handlerName, fileDir, staleAfter);
  const out = openSync(log, "a");
  const note = (words) => writeSync(out, `${JSON.stringify(words)}\n`);
  const random = generator(seed);
  const doze = generator(seed + 1);
  let made = 0;
  const end = intercept(fileDir, (_, proceed) => {
    made++;
    if (made === killAt) process.kill(process.pid, "SIGKILL");
    if (made === stopAt) {
      writeSync(1, "stopped\n");
      process.kill(process.pid, "SIGSTOP");
    }
    // Whoever sleeps between two calls lets all the others in, however few cores there are.
    if (doze() < 0.1) Atomics.wait(nothing, 0, 0, doze() / 2);
    return proceed();
  });

  for (let n = 0; n < (readAll ? ids.length : count); n++) {
    const { perform, ...call } = readAll
      ? retrieve(handler, ids[n], {})
      : anyCall(handler, random, idsNow(fileDir, ids), first + n, moves);
    const seen = {};
    note({ called: now(), ...call });
    try {
      const answer = await perform(seen);
      note({ ...seen, ...answer, returned: now() });
    } catch (error) {
      const isGone = error.code === "ERR_SESSION_GONE";
      const words = isGone
        ? { isGone }
        : { ...seen, isUnknown: true, error: error.code ?? `${error}` };
      note({ ...words, returned: now() });
    }
  }
  end();
}

function now() {
  return Number(process.hrtime.bigint()); // CLOCK_MONOTONIC: one clock for all processes
}

/** These ids, and those that sessions have moved to. */
function idsNow(fileDir, ids) {
  const files = readdirSync(fileDir).filter((file) => /^sess_m\d+$/.test(file));
  return [...ids, ...files.map((file) => file.slice("sess_".length))];
}

function anyCall(handler, random, ids, value, moves) {
  const any = (list) => list[Math.floor(random() * list.length)];
  const id = any(ids);
  // A session moves to an id that is new, as `regenerate` has it.
  const to = !moves || random() < 0.8 ? id : `m${value}`;
  const mustExist = random() < 0.5;
  const options = { mustExist, ...(to !== id && { oldId: id }) };
  // One in five outgrows its file.
  const data = { v: value, pad: "x".repeat(random() < 0.2 ? 3000 + random() * 3000 : 10) };
  const write = { id: to, value };
  const isSlow = random() < 0.2;
  const slowness = random() * 3;

  const kinds = {
    retrieve: () => retrieve(handler, id, { blocking: random() < 0.5 }),
    touch: () => ({
      name: "touch",
      id,
      perform: async () => ({ saw: (await handler.touch(id)) ? "a session" : none }),
    }),
    remove: () => ({
      name: "remove",
      id,
      write: { id, value: none },
      perform: async () => ({ saw: (await handler.remove(id)) ? "a session" : none }),
    }),
    store: () => ({
      name: "store",
      id,
      write,
      mustExist,
      perform: async () => void (await handler.store(to, data, options)),
    }),
    update: () => ({
      name: isSlow ? "slow update" : "update",
      id,
      write,
      mustExist,
      async perform(seen) {
        const change = (record) => {
          seen.saw = record.data?.v ?? none;
          return data;
        };
        const changeSlowly = async (record) => {
          await sleep(slowness);
          return change(record);
        };
        const record = await handler.update(to, isSlow ? changeSlowly : change, options);
        if (record.id !== to || record.data.v !== value) throw new Error("another record");
      },
    }),
    updateNothing: () => ({
      name: "update nothing",
      id,
      perform: async (seen) => {
        await handler.update(id, (record) => void (seen.saw = record.data?.v ?? none));
      },
    }),
  };
  const weighted = { retrieve: 25, touch: 5, remove: 10, store: 20, update: 37, updateNothing: 3 };
  return kinds[any(Object.entries(weighted).flatMap(([kind, n]) => Array(n).fill(kind)))]();
}

function retrieve(handler, id, options) {
  return {
    name: options.blocking === false ? "peek" : "retrieve",
    id,
    perform: async () => ({ saw: (await handler.retrieve(id, options)).data?.v ?? none }),
  };
}

// mulberry32
function generator(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
