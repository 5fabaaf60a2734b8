// A process that is killed between two system calls, without a process of its own; and a minute later.

import { readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { vi } from "vitest";
import { intercept, systemError } from "./_calls.mjs";

/**
 * From the `nth` call on none comes through, as if the process had been killed there. Whether it was,
 * also where `work` has let it pass.
 */
export async function killAt(
  dir: string,
  nth: number,
  work: () => Promise<unknown>,
): Promise<boolean> {
  let left = nth;
  const restore = intercept(dir, (call, proceed) => {
    if (call.name === "closeSync") return proceed(); // as the system does when a process dies
    if (left-- <= 0) throw systemError("EIO", call);
    return proceed();
  });
  try {
    await work();
    return left < 0;
  } catch {
    return true;
  } finally {
    restore();
  }
}

/** A minute passes, for us, for the locks and for what is noted beside the sessions. */
export function waitAMinute(fileDir: string): void {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 61_000 });
  for (const name of readdirSync(fileDir))
    if (name.endsWith(".lock")) utimesSync(join(fileDir, name), 1, 1);
}
