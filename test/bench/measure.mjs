// How anything is measured here: the contestants take turns within a round, every other round runs
// backwards, and what counts are ratios between results of the same round.

import { setImmediate as turn } from "node:timers/promises";

/** Calls `await once(contestant, round)` for each in turn. What it gave, by contestant. */
export async function interleave(contestants, rounds, once) {
  const results = new Map(contestants.map((contestant) => [contestant, []]));
  for (let round = 0; round < rounds; round++)
    for (const contestant of round % 2 === 0 ? contestants : [...contestants].reverse()) {
      await turn(); // so that a signal is heard
      results.get(contestant).push(await once(contestant, round));
    }
  return results;
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The median over the rounds of `a / b` of the same round. */
export function ratio(numbersA, numbersB) {
  return median(numbersA.map((a, round) => a / numbersB[round]));
}

/** To 3 significant digits. */
export function round(number) {
  return Number(number.toPrecision(3));
}

/** Numbers from 0 to 1 that are the same in every run: mulberry32. */
export function randomFrom(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Whole numbers below `limit`, in an order that is the same in every run. */
export function shuffled(limit, count, seed = 1) {
  const random = randomFrom(seed);
  return Array.from({ length: count }, () => Math.floor(random() * limit));
}

/**
 * Calls of `operation(n)` per second, `inFlight` of them under way at a time, for `ms`. What is
 * answered at once is not awaited; `use` is called with each answer.
 */
export async function rate(operation, ms, { inFlight = 1, use } = {}) {
  let done = 0;
  const begun = performance.now();
  const end = begun + ms;
  const caller = async () => {
    while (performance.now() < end) {
      const answer = operation(done++);
      const value = typeof answer?.then === "function" ? await answer : answer;
      use?.(value);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  return (done * 1000) / (performance.now() - begun);
}
