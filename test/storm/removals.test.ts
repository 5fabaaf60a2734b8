// Sessions that are removed while others add to them, by processes that are killed and paused.

import { describe, expect, it } from "vitest";
import { tempDir } from "../_dir.ts";
import { judge, violationsIn } from "./_log.ts";
import { report } from "./_report.ts";
import { leftovers } from "./_settle.ts";
import { hunt, rage, scale } from "./_storm.ts";

const removals = {
  worker: "remover.mjs",
  fate: { killEach: 1 / 4000, stopEach: 1 / 2000 },
  processes: 8,
} as const;

describe("sessions removed by 8 processes that are killed and paused", () => {
  it("are never seen again, and leave nothing behind", async () => {
    const fileDir = tempDir();
    const verdict = judge(
      await rage({
        ...removals,
        handler: "filesession",
        fileDir,
        acknowledged: 2000 * scale,
        kills: 20 * scale,
      }),
    );
    const { acknowledged, removed, kills, pauses, errors } = verdict;
    const violations = violationsIn(verdict);
    report(2, "removals", { acknowledged, kills, pauses, violations, removed });
    const { found, left } = await leftovers(fileDir);
    report(21, "beside the sessions after removals", { found, violations: left.length });
    expect(violations, JSON.stringify(verdict)).toBe(0);
    expect(removed).toBeGreaterThan(50 * scale);
    const expected = ["ERR_SESSION_GONE", "ERR_SESSION_LOCK_LOST"];
    expect(Object.keys(errors).filter((code) => !expected.includes(code))).toEqual([]);
    expect(left).toEqual([]);
  });

  it("come back by `unfenced-remove`", async () => {
    const { found, seconds } = await hunt(
      { ...removals, handler: "unfenced-remove" },
      ({ risen }) => risen,
    );
    report(2, "twin: removals, unfenced-remove", { violations: found, seconds });
    expect(found).toBeGreaterThan(0);
  });
});
