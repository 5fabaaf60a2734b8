// Many processes on one stale lock: one of them may have it.

import { chmodSync, existsSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { tempDir } from "../_dir.ts";
import { start } from "../_process.ts";
import { report } from "./_report.ts";
import { leftovers } from "./_settle.ts";
import { scale } from "./_storm.ts";

// So many stale locks are made at once, and so many of them tried one after the other.
const roundsAtOnce = 300;
const roundsPerLine = 20;

/** Makes the stale locks of these rounds, in turn one of each kind. Gives how many there are of ours. */
async function prepare(fileDir: string, sessions: string[]): Promise<number> {
  const lockOf = (session: string): string => join(fileDir, `sess_${session}.lock`);
  const ours = sessions.filter((_, index) => index % 3 === 0);
  const script = new URL("dier.mjs", import.meta.url).pathname;
  const dier = start(process.execPath, [script, fileDir, ...ours]);
  expect(await dier.line()).toBe("died");
  await dier.done.catch(() => undefined);
  for (const [index, session] of sessions.entries()) {
    if (index % 3 !== 0) writeFileSync(lockOf(session), "", { flag: "wx" });
    if (index % 3 === 2) chmodSync(lockOf(session), 0);
  }
  const left = sessions.filter((session) => existsSync(lockOf(session)));
  const aMinuteAgo = Date.now() / 1000 - 61;
  for (const session of left) utimesSync(lockOf(session), aMinuteAgo, aMinuteAgo);
  return left.length - (sessions.length - ours.length);
}

interface Outcome {
  rounds: number;
  ours: number;
  several: number;
  none: number;
}

/** 32 processes on one stale lock, again and again: how often not exactly one had it. */
async function herd(handler: string, rounds: number): Promise<Outcome> {
  const fileDir = tempDir();
  const script = new URL("taker.mjs", import.meta.url).pathname;
  const orders = JSON.stringify({ handler, fileDir, staleAfter: 60 });
  const takers = Array.from({ length: 32 }, () => start(process.execPath, [script, orders]));
  const outcome = { rounds: 0, ours: 0, several: 0, none: 0 };
  while (outcome.rounds < rounds) {
    const size = Math.min(roundsAtOnce, rounds - outcome.rounds);
    const sessions = Array.from({ length: size }, (_, n) => `r${outcome.rounds + n}`);
    outcome.ours += await prepare(fileDir, sessions);
    for (let first = 0; first < size; first += roundsPerLine) {
      const line = sessions.slice(first, first + roundsPerLine);
      for (const { child } of takers) child.stdin?.write(`${line.join(" ")}\n`);
      const answers = await Promise.all(takers.map(({ line }) => line()));
      for (const index of line.keys()) {
        const owners = answers.filter((answer) => answer.split(" ")[index] === "true").length;
        outcome.rounds++;
        if (owners > 1) outcome.several++;
        if (owners === 0) outcome.none++;
      }
    }
  }
  for (const { child } of takers) child.stdin?.end();
  await Promise.all(takers.map(({ done }) => done));
  if (handler === "filesession") {
    const { found, left } = await leftovers(fileDir);
    report(21, "beside the sessions after herds", { found, violations: left.length });
    expect(left).toEqual([]);
  }
  return outcome;
}

describe("32 processes on one stale lock", () => {
  it("have exactly one owner every time", async () => {
    const { rounds, ours, several, none } = await herd("filesession", 2000 * scale);
    report(5, "herd", { rounds, violations: several + none, ours });
    expect({ several, none }).toEqual({ several: 0, none: 0 });
    expect(ours).toBeGreaterThan(rounds / 4);
  });

  it("have several where whoever finds it stale unlinks it", async () => {
    const { rounds, several, none } = await herd("naive-takeover", 100);
    report(5, "twin: herd, naive-takeover", { rounds, violations: several + none });
    expect(several).toBeGreaterThan(0);
  });
});
