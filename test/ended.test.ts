// Sessions whose end was cut off: whoever ended them was killed in the middle of it.

import { readdirSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { FileHandler } from "../src/index.ts";
import { tempDir } from "./_dir.ts";
import { killAt, waitAMinute } from "./_killed.ts";

afterEach(() => vi.useRealTimers());

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
