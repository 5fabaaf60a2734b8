// Callers in several processes that count one session up at the same time: what each process does, and
// what all of them have done.

import { setTimeout as sleep } from "node:timers/promises";

/**
 * Has the processes, each of which answers to what `answersOf` gives, count the session `id` up for so
 * long: increments a second, the longest wait, and how many are lost.
 */
export async function contend(processes, { way, id, callers, ms }) {
  const [first] = processes;
  await first.ask("begin", { way, id });
  const from = Date.now() + 20;
  const task = { way, id, callers, from, to: from + ms };
  const results = await Promise.all(processes.map((one) => one.ask("run", task)));
  const done = results.reduce((sum, result) => sum + result.done, 0);
  return {
    rate: (1000 * done) / (Math.max(...results.map(({ end }) => end)) - from),
    worstMs: Math.max(...results.map(({ worstMs }) => worstMs)),
    done,
    lost: done - (await first.ask("count", { way, id })),
  };
}

/** What a process answers with. Of each way: `begin(id)`, `increment(id)`, `count(id)`. */
export function answersOf(ways) {
  return {
    begin: async ({ way, id }) => void (await ways[way].begin(id)),
    count: ({ way, id }) => ways[way].count(id),
    /** What was done from `from` to `to`, and how long the longest call took. */
    run: async ({ way, id, callers, from, to }) => {
      const { increment } = ways[way];
      let done = 0;
      let worstMs = 0;
      await sleep(from - Date.now());
      const caller = async () => {
        while (Date.now() < to) {
          const asked = performance.now();
          await increment(id);
          worstMs = Math.max(worstMs, performance.now() - asked);
          done++;
        }
      };
      await Promise.all(Array.from({ length: callers }, caller));
      return { done, worstMs, end: Date.now() };
    },
  };
}
