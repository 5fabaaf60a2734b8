// Cleaning by itself: ended sessions leave the disk without anybody asking for it.

import type { Handler } from "../core/handler.ts";
import { FileHandler } from "../file/handler.ts";
import { warnOf } from "../core/warning.ts";
import { unsealed } from "./sealed.ts";

interface Schedule {
  /**
   * Seconds after its last use a session counts as ended. The longest that was asked for: nobody's
   * session goes early. Absent while nobody has asked for one.
   */
  timeout: number | undefined;
  timer: NodeJS.Timeout;
}

const schedules = new WeakMap<Handler, Schedule>();

// setInterval takes anything longer for 1 ms.
const longestTimerMs = 2 ** 31 - 1;

const never = Number.MAX_SAFE_INTEGER;

/**
 * Has the handler cleaned every `intervalMs` milliseconds from now on, of what has not been used
 * for `timeout` seconds; without one, of what has a `ttl` that has run out. Asked for again, it
 * only raises the timeout. Nothing happens to one that is `selfCleaning`. The timer keeps neither the process nor the handler alive. Busy sessions
 * are skipped, and so is the run while another process is at it; one that fails is a warning, and
 * the next one tries again.
 */
export function keepClean(handler: Handler, intervalMs: number, timeout?: number): void {
  // Nobody looks into the data: one cleaning does for all secrets.
  const place = unsealed(handler);
  if (place.selfCleaning) return;
  const known = schedules.get(place);
  if (known) {
    if (timeout !== undefined) known.timeout = Math.max(known.timeout ?? 0, timeout);
    return;
  }
  const weak = new WeakRef(place);
  let isRunning = false;
  const timer = setInterval(
    () => {
      const alive = weak.deref();
      if (!alive) return clearInterval(timer);
      if (isRunning) return;
      isRunning = true;
      cleanAlone(alive, schedule.timeout ?? never)
        .catch((error: unknown) => warnOf("clean up ended sessions", error))
        .finally(() => (isRunning = false));
    },
    Math.min(intervalMs, longestTimerMs),
  );
  timer.unref();
  const schedule: Schedule = { timeout, timer };
  schedules.set(place, schedule);
}

/**
 * Ends what `keepClean` has begun, for all that have asked: it is for who closes the handler. A cleaning
 * under way comes to its end.
 */
export function stopCleaning(handler: Handler): void {
  const place = unsealed(handler);
  clearInterval(schedules.get(place)?.timer);
  schedules.delete(place);
}

// No session's id: those are hashes.
const cleanersLock = ".clean";

/** One process at a time: whoever finds another one at it leaves it to that one. */
async function cleanAlone(handler: Handler, timeout: number): Promise<void> {
  if (!(handler instanceof FileHandler))
    return void (await handler.clean(timeout, { blocking: false }));
  if (!(await handler._acquireLock(cleanersLock, false))) return;
  try {
    await handler.clean(timeout, { blocking: false });
  } finally {
    await handler._releaseLock(cleanersLock);
  }
}
