// Cleaning by itself: ended sessions leave the disk without anybody asking for it.

import type { Handler } from "../core/handler.ts";
import { warn } from "./warning.ts";

interface Schedule {
  /** Seconds after its last use a session counts as ended. The longest that was asked for: nobody's session goes early. */
  timeout: number;
}

const schedules = new WeakMap<Handler, Schedule>();

// setInterval takes anything longer for 1 ms.
const longestTimerMs = 2 ** 31 - 1;

/**
 * Has the handler cleaned every `intervalMs` milliseconds from now on, of what has not been used for `timeout` seconds.
 * Asked for again, it only raises the timeout. The timer keeps neither the process nor the handler alive. Busy sessions are
 * skipped; a run that fails is a warning, and the next one tries again.
 */
export function keepClean(handler: Handler, intervalMs: number, timeout: number): void {
  const known = schedules.get(handler);
  if (known) {
    known.timeout = Math.max(known.timeout, timeout);
    return;
  }
  const schedule: Schedule = { timeout };
  schedules.set(handler, schedule);
  const weak = new WeakRef(handler);
  let isRunning = false;
  const timer = setInterval(
    () => {
      const alive = weak.deref();
      if (!alive) return clearInterval(timer);
      if (isRunning) return;
      isRunning = true;
      alive
        .clean(schedule.timeout, { blocking: false })
        .catch((error: unknown) => warn("clean up ended sessions", error))
        .finally(() => (isRunning = false));
    },
    Math.min(intervalMs, longestTimerMs),
  );
  timer.unref();
}
