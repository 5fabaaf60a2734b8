// One session that everybody wants: 1 and 4 processes, 25 callers in each, all of which count it up.
// Whatever is missing from the number at the end is lost.

import { start } from "../child.mjs";
import { contend } from "../contention/contend.mjs";
import { interleave, median, round } from "../measure.mjs";

const callers = 25;
const ways = ["RedisHandler, sync change", "RedisHandler, async change", "unstorage redis"];

export async function measureContention({ redis, quick, rounds, log }) {
  const ms = quick ? 200 : 1000;
  const processes = [];
  let ids = 0;
  const once = ({ way, count }) =>
    contend(processes.slice(0, count), { way, id: `contended-${ids++}`, callers, ms });
  try {
    for (let i = 0; i < 4; i++)
      processes.push(await start(new URL("increment.mjs", import.meta.url), [redis.port]));
    const contestants = ways.flatMap((way) => [1, 4].map((count) => ({ way, count })));
    log("redis: contention");
    for (const way of ways) await once({ way, count: 4 }); // warms up
    const results = await interleave(contestants, rounds, once);
    const rows = contestants.map((contestant) => {
      const all = results.get(contestant);
      return {
        way: contestant.way,
        processes: contestant.count,
        "increments/s": round(median(all.map(({ rate }) => rate))),
        "worst wait ms": round(median(all.map(({ worstMs }) => worstMs))),
        "of all rounds ms": round(Math.max(...all.map(({ worstMs }) => worstMs))),
        lost: all.reduce((sum, { lost }) => sum + lost, 0),
        of: all.reduce((sum, { done }) => sum + done, 0),
      };
    });
    const figures = rows
      .filter(({ way, processes }) => way !== "unstorage redis" && processes === 4)
      .map(({ way, lost }) => ({
        number: 18,
        what: `Redis: ${way}, 4 × ${callers} callers: lost`,
        measured: lost,
        atMost: 0,
      }));
    return {
      title: `Redis: increments of one session, ${callers} callers in each process`,
      rows,
      figures,
    };
  } finally {
    for (const one of processes) await one.stop();
  }
}
