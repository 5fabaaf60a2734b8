// Every order of system calls, see interleavings/explore.mjs. The long size goes through each
// scenario to its end.

import { execFile } from "node:child_process";
import { availableParallelism } from "node:os";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { report } from "./_report.ts";
import { scale } from "./_storm.ts";
import { broken } from "./interleavings/broken.mjs";
import { scenarios } from "./interleavings/scenarios.mjs";

interface Found {
  states: number;
  ends: number;
  complete: boolean;
  /** What went wrong, how often, and the first order of calls in which it did. */
  violations: Record<string, { count: number; schedule: string[] }>;
}

const script = new URL("interleavings/run.mjs", import.meta.url).pathname;
const states = scale > 1 ? 10_000_000 : 16_000;

async function exploreAlone(scenario: string, guard?: string): Promise<Found> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--max-old-space-size=8000", script, scenario, String(guard ? 300_000 : states)],
    { env: { ...process.env, ...(guard && { BROKEN: guard }) }, maxBuffer: 2 ** 28 },
  );
  return JSON.parse(stdout) as Found;
}

/** As many at once as there are processors. */
async function each<T>(all: readonly T[], action: (one: T) => Promise<void>): Promise<void> {
  const left = [...all];
  const work = async (): Promise<void> => {
    for (let one = left.shift(); one !== undefined; one = left.shift()) await action(one);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
}

describe("every order of the calls of 2 and 3 processes", () => {
  it("loses, tears, resurrects, forks and blocks nothing", async () => {
    const wrong: Record<string, unknown> = {};
    const sum = { states: 0, scenarios: 0, complete: 0, violations: 0 };
    await each(Object.keys(scenarios), async (name) => {
      const found = await exploreAlone(name);
      sum.states += found.states;
      sum.scenarios++;
      if (found.complete) sum.complete++;
      for (const { count } of Object.values(found.violations)) sum.violations += count;
      if (Object.keys(found.violations).length > 0) wrong[name] = found.violations;
    });
    report(1, "every order of system calls", sum);
    expect(wrong).toEqual({});
    expect(sum.states).toBeGreaterThan(250_000);
  });

  it("loses something as soon as one guard is missing", async () => {
    const unnoticed: string[] = [];
    await each(Object.entries(broken), async ([guard, { scenario }]) => {
      const { states, violations } = await exploreAlone(scenario, guard);
      const count = Object.values(violations).reduce((sum, { count }) => sum + count, 0);
      report(1, `twin: ${guard}`, { states, violations: count });
      if (count === 0) unnoticed.push(guard);
    });
    expect(unnoticed).toEqual([]);
  });
});
