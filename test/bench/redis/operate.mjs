// operate.mjs <port>: the operations of all who keep sessions in Redis, in a process of its own.

import assert from "node:assert/strict";
import { answer } from "../child.mjs";
import { sessionData, sessionId } from "../data.mjs";
import { rate, shuffled } from "../measure.mjs";
import { openRedisSessions } from "../peers/redis-sessions.mjs";

const count = 1000;
const ids = Array.from({ length: count }, (_, n) => sessionId(n));
const order = shuffled(count, 1 << 16);
const data = sessionData(300);
const contestants = await openRedisSessions(process.argv[2]);
for (const { name, write, read, dataOf } of contestants) {
  for (const id of ids) await write(id, data);
  const { visits, cart } = dataOf(await read(ids[0]));
  assert.deepEqual({ visits, cart }, { visits: data.visits, cart: data.cart }, name);
}

answer({
  /** The names of all, and what each can do. */
  contestants: () => contestants.map((one) => ({ name: one.name, can: Object.keys(one) })),
  /** Operations a second, and how many microseconds of CPU each took here. */
  run: async ({ name, operation, callers, ms, start }) => {
    const contestant = contestants.find((one) => one.name === name);
    const use = operation.startsWith("read") ? contestant.dataOf : undefined;
    let done = 0;
    const once = (n) => {
      done++;
      return contestant[operation](ids[order[(start + n) & 0xffff]], data);
    };
    const before = process.cpuUsage();
    const perSecond = await rate(once, ms, { inFlight: callers, use });
    const { user, system } = process.cpuUsage(before);
    return { perSecond, done, micros: (user + system) / done };
  },
});
