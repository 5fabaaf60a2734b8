// One session on its way through thousands of ids, by processes that are killed and paused.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FileHandler } from "../../src/index.ts";
import { tempDir } from "../_dir.ts";
import { judge, violationsIn } from "./_log.ts";
import { report } from "./_report.ts";
import { leftovers } from "./_settle.ts";
import { hunt, rage, scale, staleAfter } from "./_storm.ts";

const moves = {
  worker: "mover.mjs",
  fate: { killEach: 1 / 6000, stopEach: 1 / 3000 },
  processes: 6,
} as const;

describe("moves of one session by 6 processes that are killed and paused", () => {
  it("leave one session and nothing else, and lose nothing", async () => {
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir, staleAfter });
    await handler.store("first", { n: 0, pad: "", length: 0, again: 0 });
    const events = await rage({
      ...moves,
      handler: "filesession",
      fileDir,
      acknowledged: 2000 * scale,
      kills: 60 * scale,
    });
    const verdict = judge(events);
    const { acknowledged, kills, pauses, errors } = verdict;
    const ids: string[] = [];
    for await (const id of handler.keys()) ids.push(id);
    const { data } = await handler.retrieve<{ n: number }>(ids[0] ?? "");
    const highest = events.reduce(
      (n, event) => (event.kind === "ack" ? Math.max(n, event.n) : n),
      0,
    );
    const lost = Math.max(0, highest - (data?.n ?? 0));
    const violations = violationsIn(verdict) + lost + Math.abs(ids.length - 1);
    report(2, "moves", { acknowledged, kills, pauses, violations });
    const { found, left } = await leftovers(fileDir);
    report(21, "beside the session after moves", { found, violations: left.length });
    expect({ violations, lost, sessions: ids.length }).toEqual({
      violations: 0,
      lost: 0,
      sessions: 1,
    });
    const expected = ["ERR_SESSION_GONE", "ERR_SESSION_LOCK_LOST"];
    expect(Object.keys(errors).filter((code) => !expected.includes(code))).toEqual([]);
    expect(left).toEqual([]);
  });

  it("leave two by `unfenced-move`, which both count on", async () => {
    const fileDir = tempDir();
    const first = { n: 0, pad: "", length: 0, again: 0 };
    writeFileSync(join(fileDir, "sess_first"), JSON.stringify(first));
    const { found, seconds } = await hunt(
      { ...moves, handler: "unfenced-move", fileDir },
      ({ twice }) => twice,
    );
    report(2, "twin: moves, unfenced-move", { violations: found, seconds });
    expect(found).toBeGreaterThan(0);
  });
});
