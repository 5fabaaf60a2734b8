import { setTimeout } from "node:timers/promises";
import { httpError, useStorage } from "#framework";

/** How many requests the page sends at once to each counter. */
export const raceSize = 50;

/** The naive counter: an item of its own, in the mount that keeps the sessions. */
export const naiveCounter = {
  async get(name: string): Promise<number> {
    return (await useStorage<number>("sessions").getItem(`naive:${name}`)) ?? 0;
  },
  async set(name: string, count: number): Promise<void> {
    await useStorage<number>("sessions").setItem(`naive:${name}`, count);
  },
  async remove(name: string): Promise<void> {
    await useStorage("sessions").removeItem(`naive:${name}`);
  },
};

export function noRace(): Error {
  return httpError(409, "No race has started: POST /race/start first.");
}

/** What a request does besides counting: 5 ms, as a query to a database would take. */
export function work(): Promise<void> {
  return setTimeout(5);
}
