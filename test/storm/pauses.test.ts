// A process that is stopped at any of its system calls, for longer than its lock lasts, and goes on
// when another one has taken it over. It never undoes what the other one has done, and it is never
// told that it has written what is not there.

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FileHandler } from "../../src/index.ts";
import { tempDir } from "../_dir.ts";
import { type Point, pointsOf } from "../_interrupt.mjs";
import type { Carelessness } from "./_careless.mjs";
import { acts, opened, type Outcome, pause, type Pause, paused, Worker } from "./_pause.ts";
import { report } from "./_report.ts";
import { scale } from "./_storm.ts";

// Which process is stopped can only be seen in /proc.
const isMissing = process.platform !== "linux" && !process.env.CI;
if (isMissing) console.warn("Pauses are not tested: they want Linux. Use a container.");

const staleAfter = 0.15;
const atOnce = 8;
const wanted = scale === 1 ? 300 : 5000;

type Figures = Record<Outcome | "wrong", number>;

/** Every point of the operation, found by doing it once. */
async function pointsIn(operation: string, fault: Carelessness | "" = ""): Promise<Point[]> {
  const fileDir = tempDir();
  const worker = new Worker(fault, fileDir, 60);
  const ids = { a: "a", b: "b", c: "c" };
  const handler = opened(fault, { fileDir, staleAfter: 60 });
  for (const [id, marks] of Object.entries(paused[operation]!.before))
    await handler.store(id, { marks });
  const { calls } = await worker.begin(operation, ids, { call: 0 });
  await worker.end();
  return pointsOf(calls);
}

/** Makes all pauses, a few at a time, and tells how they ended. */
async function makeAll(
  pauses: Pause[],
  fileDir: string,
  fault: Carelessness | "" = "",
): Promise<{ figures: Figures; wrong: string[] }> {
  const figures: Figures = {
    lost: 0,
    "before us": 0,
    "after us": 0,
    either: 0,
    gone: 0,
    disturbed: 0,
    wrong: 0,
  };
  const wrong: string[] = [];
  const handler = opened(fault, { fileDir, staleAfter });
  const left = [...pauses.entries()];
  const work = async (): Promise<void> => {
    let worker = new Worker(fault, fileDir, staleAfter);
    for (let next = left.pop(); next; next = left.pop()) {
      const [index, one] = next;
      try {
        figures[await pause(worker, handler, one, `s${index}`)]++;
      } catch (error) {
        figures.wrong++;
        await worker.end(); // it may still be stopped
        worker = new Worker(fault, fileDir, staleAfter);
        wrong.push(`${one.operation}, ${JSON.stringify(one.point)}, ${one.act}: ${String(error)}`);
      }
    }
    await worker.end();
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return { figures, wrong };
}

// Found by these pauses, and tested apart from the others.
const replaced = "move onto another";
const storedOver = "store where it moves to";

function actsFor(operation: string): string[] {
  const names = Object.keys(acts).filter((act) => act !== storedOver);
  if (operation.startsWith("move")) return names;
  return names.filter((act) => act === "clean" || !acts[act]!.locks.includes("b"));
}

/** As many as wanted: every call of every operation, and what we do meanwhile in turn. */
async function plan(): Promise<Pause[]> {
  const places: Omit<Pause, "act">[] = [];
  for (const operation of Object.keys(paused).filter((name) => name !== replaced))
    for (const point of await pointsIn(operation)) places.push({ operation, point });
  const isInWrite = ({ point }: Omit<Pause, "act">): boolean => point.share !== undefined;
  const ordered = [...places.filter((place) => !isInWrite(place)), ...places.filter(isInWrite)];
  const rotated = Array.from({ length: wanted }, (_, index) => {
    const { operation, point } = ordered[index % ordered.length]!;
    const choice = actsFor(operation);
    const turn = index + Math.floor(index / ordered.length);
    return { operation, point, act: choice[turn % choice.length]! };
  });
  // What has been found once stays in.
  const found: Pause[] = places
    .filter(({ operation }) => operation === "move")
    .map(({ operation, point }) => ({ operation, point, act: "store" }));
  for (const { operation, point } of places)
    if (operation === "remove") found.push({ operation, point, act: "clean" });
  return [...found, ...rotated].slice(0, wanted);
}

describe.skipIf(isMissing)("a process that is stopped at a system call", () => {
  // The longest of all: they begin first, and the others go on beside them.
  const realDir = mkdtempSync(join(tmpdir(), "filesession-"));
  const workers: Worker[] = [];
  let real: Promise<Outcome[]>;

  beforeAll(() => {
    const begun = Object.keys(paused).map(async (operation, index) => {
      const worker = new Worker("", realDir, 60);
      workers.push(worker);
      const handler = new FileHandler({ fileDir: realDir });
      const act = operation.startsWith("move") ? "update both" : "update";
      // Each holds its lock, or locks, by then.
      const point = { call: operation.startsWith("move") ? 12 : 5 };
      return pause(worker, handler, { operation, point, act }, `r${index}`);
    });
    real = Promise.all(begun);
    real.catch(() => undefined); // whoever waits for it hears of it
  });

  afterAll(async () => {
    await Promise.all(workers.map((worker) => worker.end()));
    rmSync(realDir, { recursive: true });
  });

  it("for longer than its lock lasts: nothing that was acknowledged is lost, whoever it was to", async () => {
    const fileDir = tempDir();
    const pauses = await plan();
    const { figures, wrong } = await makeAll(pauses, fileDir);
    const { wrong: afterLoss, ...outcomes } = figures;
    report(4, "pauses", {
      pauses: pauses.length,
      "published after loss": afterLoss,
      ...outcomes,
    });
    expect(wrong).toEqual([]);
    expect(figures.lost).toBeGreaterThan(wanted / 4);
    expect(figures["before us"]).toBeGreaterThan(0);
    expect(figures["after us"]).toBeGreaterThan(0);

    const handler = new FileHandler({ fileDir, staleAfter });
    await sleep(1000 * staleAfter + 10);
    for (let time = 0; time < 2; time++) await handler.clean(1e6);
    expect(readdirSync(fileDir).filter((name) => !/^sess_s\d+[abc]$/.test(name))).toEqual([]);
  });

  it("in a move onto another session: that one is as we left it", async () => {
    const pauses = (await pointsIn(replaced)).flatMap((point) =>
      ["update", "remove"].map((act) => ({ operation: replaced, point, act })),
    );
    const { figures, wrong } = await makeAll(pauses, tempDir());
    report(4, "pauses in a move onto another", { pauses: pauses.length, ...figures });
    expect(wrong).toEqual([]);
  });

  it("in a move, while we store at its new id: its session is there, or ours after it", async () => {
    const pauses = (await pointsIn("move")).map((point) => ({
      operation: "move",
      point,
      act: storedOver,
    }));
    const { figures, wrong } = await makeAll(pauses, tempDir());
    report(4, "pauses in a move, and a store", { pauses: pauses.length, ...figures });
    expect(wrong).toEqual([]);
  });

  it.each<Carelessness>(["naive", "verify-only", "git-publish"])(
    "is found to lose or tear what others write, where the lock is %s",
    async (fault) => {
      const points = await pointsIn("update", fault);
      const pauses = points.flatMap((point) =>
        ["update", "update slowly"].map((act) => ({ operation: "update", point, act })),
      );
      const { figures, wrong } = await makeAll(pauses, tempDir(), fault);
      report(4, `pauses, ${fault}`, { pauses: pauses.length, ...figures });
      expect(wrong).not.toEqual([]);
    },
  );

  it("for the real 60 s hears that it has lost its lock", async () => {
    const outcomes = await real;
    report(4, "pauses of 60 s", {
      pauses: outcomes.length,
      lost: outcomes.filter((outcome) => outcome === "lost").length,
    });
    expect(outcomes).toEqual(outcomes.map(() => "lost"));
  });
});
