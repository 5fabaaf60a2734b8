// Ended sessions, cleaned away by a task of Nitro's.

import type { NitroOptionsLike } from "./instance.ts";

export const cleanTask = "filesession:clean";

// Those whose server looks at the clock by itself. A preset for another kind of place may call tasks in
// a way of its own, or never.
const schedulers =
  /(?:^|[\\/])(?:node-server|node-cluster|node-listener|node-middleware|bun|deno-server|nitro-dev|dev-entry)(?:\.mjs)?$/;

/**
 * Has nitropack 2 run the task, if the app does not schedule it itself. Whether it will be run, so that
 * no timer has to.
 *
 * Where it `isLeft` it is left to the app, and to the timer. With nitro 3: the clock of its scheduled tasks
 * is never stopped, so a server that has one does not end at a SIGTERM. (nitropack 2 ends the process.)
 *
 * `cleanInterval` in seconds, as in the config: the schedule is part of the built server.
 */
export function schedule(
  options: NitroOptionsLike,
  isLeft: boolean,
  cleanInterval: unknown,
): boolean {
  const tasks = (options.scheduledTasks ??= {});
  const isNever = cleanInterval === false || cleanInterval === 0;
  if (!Object.values(tasks).flat().includes(cleanTask)) {
    if (isLeft || isNever) return false;
    const cron = cronOf(typeof cleanInterval === "number" ? cleanInterval : 600);
    tasks[cron] = [...[tasks[cron] ?? []].flat(), cleanTask];
  }
  return schedulers.test(options.entry ?? "");
}

/** Every so many minutes, hours or, at most, a day. */
function cronOf(seconds: number): string {
  const minutes = Math.max(1, Math.round(seconds / 60));
  if (minutes < 60) return minutes === 1 ? "* * * * *" : `*/${minutes} * * * *`;
  const hours = Math.round(minutes / 60);
  return hours < 24 ? `0 */${hours} * * *` : "0 0 * * *";
}
