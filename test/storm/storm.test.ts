// Kills, pauses and herds. Each storm counts only together with its twin: the same one over a
// handler that is broken on purpose goes red.

import { readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FileHandler } from "../../src/index.ts";
import { tempDir } from "../_dir.ts";
import { start } from "../_process.ts";
import { report } from "./_report.ts";
import { rage, type Report, scale } from "./_storm.ts";

const staleAfter = 0.3;

/**
 * Updates by 8 processes. `lost`: sessions that are behind what was acknowledged, or cannot be
 * read.
 */
async function updates(
  handler: string,
  killShare: number,
  seconds: number,
): Promise<Report & { lost: number }> {
  const [fileDir, logDir] = [tempDir(), tempDir()];
  const storm = await rage({
    worker: "updater.mjs",
    handler,
    processes: 8,
    seconds: seconds * scale,
    staleAfter,
    killShare,
    fileDir,
    logDir,
  });
  let lost = 0;
  if (handler === "filesession") {
    const reader = new FileHandler({ fileDir, staleAfter });
    for (const [id, numbers] of storm.acks) {
      const { data } = await reader.retrieve<{ n: number }>(id);
      if ((data?.n ?? 0) < Math.max(...new Set(numbers))) lost++;
    }
    await reader.clean(1e6);
    await reader.clean(1e6); // what the first has taken over, the second finds free
    expect(readdirSync(fileDir).toSorted()).toEqual(["sess_s0", "sess_s1", "sess_s2"]);
  }
  const { acknowledged, twice, kills, pauses } = storm;
  report(2, `updates, ${handler}`, { acknowledged, kills, pauses, violations: twice + lost });
  return { ...storm, lost };
}

describe("updates by 8 processes that are killed and paused", () => {
  it("lose nothing that was acknowledged, and leave nothing behind", async () => {
    const { acknowledged, kills, pauses, twice, lost, errors } = await updates(
      "filesession",
      0.5,
      25,
    );
    expect({ twice, lost }).toEqual({ twice: 0, lost: 0 });
    expect(Object.keys(errors).filter((code) => code !== "ERR_SESSION_LOCK_LOST")).toEqual([]);
    expect(acknowledged).toBeGreaterThan(1000);
    expect(kills * pauses).toBeGreaterThan(0);
  });

  it("are lost by a lock that is unlinked by whoever finds it stale", async () => {
    expect((await updates("naive-takeover", 0.2, 10)).twice).toBeGreaterThan(0);
  });

  it("tear the file where the lock is the new file", async () => {
    const { twice, errors } = await updates("git-publish", 0.2, 10);
    expect(twice + (errors["SyntaxError"] ?? 0)).toBeGreaterThan(0);
  });
});

describe("moves of one session by 6 processes that are killed and paused", () => {
  it("leave one session, and lose nothing", async () => {
    const [fileDir, logDir] = [tempDir(), tempDir()];
    const handler = new FileHandler({ fileDir, staleAfter });
    await handler.store("first", { n: 0 });
    const storm = await rage({
      worker: "mover.mjs",
      handler: "filesession",
      processes: 6,
      seconds: 20 * scale,
      staleAfter,
      killShare: 0.3,
      fileDir,
      logDir,
    });
    const { acknowledged, kills, pauses, twice, errors } = storm;
    report(2, "moves", { acknowledged, kills, pauses, violations: twice });
    const ids: string[] = [];
    for await (const id of handler.keys()) ids.push(id);
    expect(ids).toHaveLength(1);
    const { data } = await handler.retrieve<{ n: number }>(ids[0] ?? "");
    const highest = Math.max(...new Set(storm.acks.get("chain")));
    expect(data?.n).toBeGreaterThanOrEqual(highest);
    expect(twice).toBe(0);
    await handler.clean(1e6);
    await handler.clean(1e6);
    expect(readdirSync(fileDir)).toEqual([`sess_${ids[0]}`]);
    const expected = ["ERR_SESSION_GONE", "ERR_SESSION_LOCK_LOST"];
    expect(Object.keys(errors).filter((code) => !expected.includes(code))).toEqual([]);
  });
});

/** 16 processes on one stale lock, again and again: how often not exactly one had it. */
async function herd(handler: string, rounds: number): Promise<{ several: number; none: number }> {
  const fileDir = tempDir();
  const script = new URL("taker.mjs", import.meta.url).pathname;
  const takers = Array.from({ length: 16 }, () =>
    start(process.execPath, [script, handler, fileDir, "60"]),
  );
  const outcome = { several: 0, none: 0 };
  for (let round = 0; round < rounds; round++) {
    const lock = join(fileDir, `sess_r${round}.lock`);
    writeFileSync(lock, "");
    utimesSync(lock, 1, 1);
    for (const { child } of takers) child.stdin?.write(`r${round} ${Date.now() + 2}\n`);
    const answers = await Promise.all(takers.map(({ line }) => line()));
    const owners = answers.filter((answer) => answer.endsWith(" true")).length;
    if (owners > 1) outcome.several++;
    if (owners === 0) outcome.none++;
  }
  report(5, `herd, ${handler}`, { rounds, violations: outcome.several + outcome.none });
  return outcome;
}

describe("16 processes on one stale lock", () => {
  it("have exactly one owner every time", async () => {
    expect(await herd("filesession", 2000 * scale)).toEqual({ several: 0, none: 0 });
  });

  it("have several where whoever finds it stale unlinks it", async () => {
    expect((await herd("naive-takeover", 200)).several).toBeGreaterThan(0);
  });
});
