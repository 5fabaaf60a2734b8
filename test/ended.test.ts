// Sessions whose end was cut off: whoever ended them was killed in the middle of it.

import { readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { FileHandler } from "../src/index.ts";
import { intercept, systemError } from "./_calls.mjs";
import { tempDir } from "./_dir.ts";

/** From the `nth` call on none comes through, as if the process had been killed there. Whether it was. */
async function killAt(dir: string, nth: number, work: () => Promise<unknown>): Promise<boolean> {
  let left = nth;
  const restore = intercept(dir, (call, proceed) => {
    if (call.name === "closeSync") return proceed(); // as the system does when a process dies
    if (left-- <= 0) throw systemError("EIO", call);
    return proceed();
  });
  try {
    await work();
    return false;
  } catch {
    return true;
  } finally {
    restore();
  }
}

afterEach(() => vi.useRealTimers());

/** A minute passes, for us and for the locks. */
function waitAMinute(dir: string): void {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 61_000 });
  for (const name of readdirSync(dir))
    if (name.endsWith(".lock")) utimesSync(join(dir, name), 1, 1);
}

const idsOf = async (handler: FileHandler): Promise<string[]> => {
  const ids: string[] = [];
  for await (const id of handler.keys()) ids.push(id);
  return ids;
};

const remove = (handler: FileHandler): Promise<unknown> => handler.remove("a");
const move = (handler: FileHandler): Promise<unknown> => handler.store("b", 1, { oldId: "a" });
const useAll = async (handler: FileHandler): Promise<void> => {
  for (const id of await idsOf(handler)) {
    await handler._acquireLock(id, false); // a stale lock is taken at once by who does not wait
    await handler._releaseLock(id);
    await handler.update(id, () => 2);
  }
};

describe("a session that was being ended by a process that was killed, at any call", () => {
  it.each([
    ["removed", remove, async () => {}],
    ["moved", move, async () => {}],
    ["moved, and has been used since,", move, useAll],
  ])("%s is there as before or as after, and clean leaves nothing else", async (_, end, use) => {
    const outcomes = new Set<string>();
    let kills = 0;
    for (let wasKilled = true; wasKilled; kills++) {
      const dir = tempDir();
      const handler = new FileHandler({ fileDir: dir });
      await handler.store("a", 1);
      wasKilled = await killAt(dir, kills, () => end(handler));
      waitAMinute(dir);
      await use(handler);
      await handler.clean(1e6);
      await handler.clean(1e6); // what the first has taken over, the second finds free
      vi.useRealTimers();
      const ids = await idsOf(handler);
      outcomes.add(ids.join());
      expect(readdirSync(dir), `killed at call ${kills}`).toEqual(ids.map((id) => `sess_${id}`));
    }
    expect([...outcomes]).toEqual(["a", end === remove ? "" : "b"]);
    expect(kills).toBeGreaterThan(10);
  });
});
