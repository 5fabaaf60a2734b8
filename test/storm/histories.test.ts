// What 8 processes were told, judged as a whole: there must be an order of all their calls in which
// one process alone would have been told the same.

import { describe, expect, it } from "vitest";
import { tempDir } from "../_dir.ts";
import { Historians, type Noted, type Plan } from "./_history.ts";
import { report } from "./_report.ts";
import { verdicts } from "./_session-model.ts";

const isLong = process.env.STORM === "long";
const size = (histories: number): number => histories * (isLong ? 50 : 1);
const firstSeed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e6));

type Conditions = Omit<Plan, "seed" | "operations">;

const calm: Conditions = { staleAfter: 60, stops: 0, kills: 0, moves: false };
const paused: Conditions = { staleAfter: 0.05, stops: 4, kills: 0, moves: false };
const killed: Conditions = { staleAfter: 0.05, stops: 0, kills: 2, moves: false };

interface Judgement {
  violations: string[];
  figures: Record<string, number>;
  /** Codes of errors that are no answer, and how often they came. */
  errors: Record<string, number>;
}

/** So many histories, or as many as it takes to find something wrong. */
async function judge(
  handler: string,
  most: number,
  conditionsOf: (n: number) => Conditions,
  stopsWhenFound = false,
): Promise<Judgement> {
  const historians = new Historians(handler, tempDir());
  const violations: string[] = [];
  const errors: Record<string, number> = {};
  const figures = { histories: 0, operations: 0, violations: 0, unknown: 0, visited: 0 };
  while (figures.histories < most && !(stopsWhenFound && violations.length > 0)) {
    const seed = firstSeed + figures.histories;
    const conditions = conditionsOf(figures.histories++);
    const history = await historians.history({ ...conditions, seed, operations: 200 });
    figures.operations += history.length;
    for (const { isUnknown, error } of history) {
      if (isUnknown) figures.unknown++;
      if (error !== undefined) errors[error] = (errors[error] ?? 0) + 1;
    }
    for (const { isLinearizable, visited, order, left } of verdicts(history)) {
      figures.visited += visited;
      if (!isLinearizable) violations.push(`seed ${seed}\n${story(order, left)}`);
    }
  }
  const { stopped, killed } = historians;
  figures.violations = violations.length;
  report(6, `histories, ${handler}`, { ...figures, stopped, killed, ...errors });
  return { violations, figures, errors };
}

/** All that was called on the ids of the call that fits nowhere. */
function story(order: readonly Noted[], left: readonly Noted[]): string {
  const idsOf = ({ id, write }: Noted): string[] => [id, write?.id ?? id];
  const [first] = left
    .filter(({ isUnknown }) => !isUnknown)
    .sort((a, b) => a.returned - b.returned);
  const all = [...order, ...left].sort((a, b) => a.called - b.called);
  // The ids that moves have linked with the first that fits nowhere.
  const ids = new Set(first ? idsOf(first) : []);
  for (let size = 0; size < ids.size;) {
    size = ids.size;
    for (const of of all.map(idsOf))
      if (of.some((id) => ids.has(id))) of.forEach((id) => ids.add(id));
  }
  const ms = (moment: number): string => ((moment - all[0]!.called) / 1e6).toFixed(3);
  return all
    .filter((one) => idsOf(one).some((id) => ids.has(id)))
    .map((one) => {
      const { called, returned, ...what } = one;
      const mark = one === first ? "here > " : left.includes(one) ? "left   " : "       ";
      return `${mark}${ms(called)}..${ms(returned)} ${JSON.stringify(what)}`;
    })
    .join("\n");
}

describe(`200 calls by 8 processes (seed ${firstSeed})`, () => {
  const areInOrder = ({ violations, errors }: Judgement): void => {
    expect(violations.slice(0, 1)).toEqual([]);
    expect(Object.keys(errors).filter((code) => code !== "ERR_SESSION_LOCK_LOST")).toEqual([]);
  };

  it("can be put in an order, also when some of them are stopped or killed", async () => {
    const kinds = [paused, calm, calm, killed, calm, calm];
    areInOrder(await judge("filesession", size(120), (n) => kinds[n % kinds.length]!));
  });

  it("can be put in an order when sessions move", async () => {
    areInOrder(await judge("filesession", size(80), () => ({ ...calm, moves: true })));
  });

  it("can be put in an order when sessions move and some of them are stopped or killed", async () => {
    const kinds = [paused, killed];
    const conditionsOf = (n: number): Conditions => ({ ...kinds[n % 2]!, moves: true });
    areInOrder(await judge("filesession", size(40), conditionsOf));
  });

  it.each([
    ["cached reads", calm],
    ["last write wins", calm],
    ["unfenced remove", calm],
    ["move in two", { ...calm, moves: true }],
    ["lock checked, then written", paused],
    ["written in place", killed],
  ])("cannot with %s", async (fault, conditions) => {
    const { violations } = await judge(fault, 40, () => conditions, true);
    expect(violations).not.toEqual([]);
  });
});
