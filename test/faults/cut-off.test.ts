// A write in place that was cut off: as many of its bytes are there as somebody has made.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FileHandler } from "../../src/index.ts";
import { tempDir } from "../_dir.ts";
import { report } from "../storm/_report.ts";

describe("a write in place", () => {
  /** Gives how many of the file's states between two versions were something else. */
  async function cutEverywhere(stored: string[]): Promise<{ cuts: number; wrong: number }> {
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir });
    const file = join(fileDir, "sess_a");
    for (const data of stored) await handler.store("a", data);
    const before = readFileSync(file);
    await handler.store("a", "next");
    const after = readFileSync(file);
    const begin = before.findIndex((byte, index) => byte !== after[index]);
    const known: unknown[] = [stored.at(-1), "next"];
    let wrong = 0;
    for (let cut = begin; cut <= after.length; cut++) {
      writeFileSync(file, Buffer.concat([after.subarray(0, cut), before.subarray(cut)]));
      const { data } = await handler.retrieve("a");
      if (!known.includes(data)) wrong++;
    }
    return { cuts: after.length - begin, wrong };
  }

  it.each([
    { over: "nothing", stored: ["old"] },
    { over: "an older version", stored: ["older", "old"] },
    { over: "a longer version", stored: ["older ".repeat(200), "old"] },
  ])("over $over may be cut off after any byte", async ({ over, stored }) => {
    const { cuts, wrong } = await cutEverywhere(stored);
    report(3, `cut off, over ${over}`, { cuts, wrong });
    expect(wrong).toBe(0);
    expect(cuts).toBeGreaterThan(2000);
  });
});
