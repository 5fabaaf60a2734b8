// One session that everybody wants: 1, 2 and 4 processes, 25 callers in each, all of which count the
// same number up under the session's lock. Whatever is missing from the number at the end is lost.

import { setTimeout as sleep } from "node:timers/promises";
import { start } from "../child.mjs";
import { contend } from "../contention/contend.mjs";
import { interleave, median, round } from "../measure.mjs";

export const title = "Contention: locked increments of one session, 25 callers in each process";

const callers = 25;
const ways = ["filesession, sync change", "filesession, async change", "proper-lockfile"];

export async function measure({ dir, quick, rounds, log }) {
  const ms = quick ? 100 : 500;
  const notes = [];
  const processes = [];
  const measuredOf = new Map();
  let ids = 0;

  const once = ({ way, count }) =>
    contend(processes.slice(0, count), { way, id: `contended-${ids++}`, callers, ms });

  try {
    for (let i = 0; i < 4; i++)
      processes.push(await start(new URL("../contention/increment.mjs", import.meta.url), [dir]));
    const contestants = [];
    for (const way of ways) {
      log(`contention: warming up ${way}`);
      try {
        await once({ way, count: 4 });
        for (const count of [1, 2, 4]) contestants.push({ way, count });
      } catch (error) {
        if (way !== "proper-lockfile") throw error;
        notes.push(`${way}: ${error.message}`);
      }
    }
    for (const contestant of contestants) measuredOf.set(contestant, []);
    let announced;
    await interleave(contestants, rounds, async (contestant, round) => {
      if (round !== announced) log(`contention: round ${(announced = round)}`);
      const measured = await once(contestant);
      measuredOf.get(contestant).push(measured);
      await sleep(20);
      return measured.rate;
    });
  } finally {
    for (const one of processes) await one.stop();
  }

  const rows = [...measuredOf].map(([{ way, count }, all]) => ({
    way,
    processes: count,
    "increments/s": round(median(all.map(({ rate }) => rate))),
    "worst wait ms": round(median(all.map(({ worstMs }) => worstMs))),
    "of all rounds ms": round(Math.max(...all.map(({ worstMs }) => worstMs))),
    lost: all.reduce((sum, { lost }) => sum + lost, 0),
    of: all.reduce((sum, { done }) => sum + done, 0),
  }));
  const rowOf = (way) => rows.find((row) => row.way === way && row.processes === 4);
  const figures = [
    ...figuresOf("sync change", rowOf(ways[0]), 50_000, 50),
    ...figuresOf("async change", rowOf(ways[1]), 1500, 200),
  ];
  return { rows, figures, notes };
}

function figuresOf(name, row, rate, waitMs) {
  const what = `${name}, 4 × ${callers} callers`;
  return [
    { number: 6, what: `${what}: increments/s`, measured: row["increments/s"], atLeast: rate },
    { number: 6, what: `${what}: worst wait ms`, measured: row["worst wait ms"], atMost: waitMs },
    { number: 6, what: `${what}: lost`, measured: row.lost, atMost: 0 },
  ];
}
