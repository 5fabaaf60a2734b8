// The handler without HTTP: one process on one core, Redis on the other, 1,000 sessions of 300 B.

import { start } from "../child.mjs";
import { interleave, median, ratio, round } from "../measure.mjs";

const operations = {
  readNow: "read, not blocking",
  read: "read",
  update: "update",
  write: "store",
};
const peer = "unstorage redis";

/** What each operation is called, of one that knows no other way to read. */
const nameFor = ({ can }, operation) => (can.includes(operation) ? operation : "read");

export async function measureOperations({ redis, quick, rounds, log }) {
  const child = await start(new URL("operate.mjs", import.meta.url), [redis.port], { core: 0 });
  const rows = [];
  const figures = [];
  try {
    const contestants = await child.ask("contestants");
    for (const operation of Object.keys(operations))
      for (const callers of [1, 64]) {
        log(`redis: ${operations[operation]}, ${callers}`);
        const once = async (contestant, round) => {
          const before = await redis.cpuMicros();
          const measured = await child.ask("run", {
            name: contestant.name,
            operation: nameFor(contestant, operation),
            callers,
            ms: quick ? 30 : 300,
            start: round * 7919,
          });
          const spent = (await redis.cpuMicros()) - before;
          return { ...measured, redisMicros: spent / measured.done };
        };
        await interleave(contestants, 1, once); // warms up
        const results = await interleave(contestants, 2 * rounds, once);
        const of = (contestant, what) => results.get(contestant).map((one) => one[what]);
        const beside = contestants.find(({ name }) => name === peer);
        for (const contestant of contestants) {
          const row = {
            operation: operations[operation],
            callers,
            by: contestant.name,
            "per second": round(median(of(contestant, "perSecond"))),
            [`/ ${peer}`]: round(ratio(of(contestant, "perSecond"), of(beside, "perSecond"))),
            "CPU µs": round(median(of(contestant, "micros"))),
            "CPU / its": round(ratio(of(contestant, "micros"), of(beside, "micros"))),
            "Redis CPU µs": round(median(of(contestant, "redisMicros"))),
          };
          rows.push(row);
          // One caller alone waits for the end of a turn of the event loop, since there could be more: 8 µs.
          const isMany = callers > 1;
          if (isMany && operation === "readNow" && contestant.name === "RedisHandler, ioredis")
            figures.push({
              number: 16,
              what: `Redis: read at ${callers} callers / ${peer}`,
              measured: row[`/ ${peer}`],
              atLeast: 0.95,
            });
        }
      }
  } finally {
    await child.stop();
  }
  return { title: "Redis: operations per second, without HTTP", rows, figures };
}
