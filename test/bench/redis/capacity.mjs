// How far one Redis goes: the memory that a session takes there, and the time that the one thread of
// Redis which does the commands needs for each operation. What it could do in a second at most is one
// second by that time.

import { RedisHandler } from "../../../dist/redis.js";
import { sessionData, sessionId } from "../data.mjs";
import { interleave, median, rate, round } from "../measure.mjs";
import { data, idleTimeout, onOne } from "./on-one.mjs";

const callers = 64;

export async function measureMemory({ redis, quick, log }) {
  const count = quick ? 2000 : 50_000;
  const rows = [];
  for (const bytes of [300, 1000, 4000])
    for (const perUser of [undefined, 1, 5]) {
      log(`redis: memory, ${bytes} B`);
      const some = sessionData(bytes);
      const tagOf = (n) => (perUser ? { tag: `user-${Math.floor(n / perUser)}` } : {});
      const store = (to, n) => to.store(sessionId(n), some, { idleTimeout, ...tagOf(n) });
      await redis.flush();
      const before = await redis.usedMemory();
      await withHandler(redis, (handler) => times(count, (n) => store(handler, n)));
      const used = (await redis.usedMemory()) - before;
      rows.push({
        "bytes of JSON": bytes,
        tag: perUser ? `${perUser} for each user` : "none",
        "bytes in Redis": Math.round(used / count),
        "GB for 10^8": round(used / count / 10),
      });
    }
  await redis.flush();
  return { title: `Redis: memory of a session, of ${count.toLocaleString("en-US")}`, rows };
}

const operations = {
  ...onOne,
  "moved to a new id and back": async (to, id) => {
    await to.store(`${id} new`, data, { idleTimeout, oldId: id });
    await to.store(id, data, { idleTimeout, oldId: `${id} new` });
  },
  "removed, and stored anew": async (to, id) => {
    await to.remove(id);
    await to.store(id, data, { idleTimeout });
  },
};

export async function measureCapacity({ redis, quick, rounds, log }) {
  const ids = Array.from({ length: 1000 }, (_, n) => sessionId(n));
  const results = await withHandler(redis, async (handler) => {
    await Promise.all(ids.map((id) => handler.store(id, data, { idleTimeout })));
    return interleave(Object.keys(operations), rounds, async (name, turn) => {
      if (name === "retrieve") log(`redis: the time of its thread, round ${turn}`);
      let done = 0;
      const before = await redis.cpuMicros();
      const once = (n) => {
        done++;
        return operations[name](handler, ids[n % ids.length], n);
      };
      await rate(once, quick ? 30 : 500, { inFlight: callers });
      return ((await redis.cpuMicros()) - before) / done;
    });
  });
  await redis.flush();
  const rows = Object.keys(operations).map((name) => {
    const micros = median(results.get(name));
    return { operation: name, "µs of Redis": round(micros), "a second": round(1e6 / micros) };
  });
  return {
    title: `Redis: what an operation takes of its one thread, 300 B, ${callers} at a time`,
    rows,
  };
}

async function withHandler({ port }, work) {
  const handler = new RedisHandler({ url: `redis://127.0.0.1:${port}`, prefix: "sess:" });
  try {
    return await work(handler);
  } finally {
    await handler.close();
  }
}

/** Calls `once` with each number below `count`, so many at a time. */
async function times(count, once) {
  let next = 0;
  const caller = async () => {
    while (next < count) await once(next++);
  };
  await Promise.all(Array.from({ length: callers }, caller));
}
