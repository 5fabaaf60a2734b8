// A process that dies between any two system calls, or in the middle of a write. Here it dies
// without a process of its own: from one call on none is made any more, and what is left of the
// operation has no effect. test/storm/kills.test.ts does it with processes and SIGKILL.

import { mkdtempSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { FileHandler } from "../../src/index.ts";
import { type Aftermath, type Crash, dataOf, goOn, sessionsIn } from "../_aftermath.ts";
import { type Call, intercept } from "../_calls.mjs";
import { tempDir } from "../_dir.ts";
import { faults, type Fault } from "../_faulty.mjs";
import { interruptAt, type Point, pointsOf, shares } from "../_interrupt.mjs";
import { type Operation, operations, prepare, timeout } from "../_operations.mjs";
import { report } from "../storm/_report.ts";
import { scale } from "../storm/_storm.ts";

const staleAfter = 0.04;
const durabilities = ["process", "file", "full"] as const;
type Durability = (typeof durabilities)[number];

const named = (name: string): Operation => operations.find((one) => one.name === name)!;

beforeEach(() => {
  vi.spyOn(process, "emitWarning").mockReturnValue(undefined); // damage is reported each time
  return () => vi.restoreAllMocks();
});

/** Operations in `root` die at a point; what the others there do is done. */
function mortal(root: string): (run: () => Promise<unknown>, point: Point) => Promise<string[]> {
  let between: ReturnType<typeof interruptAt> | undefined;
  onTestFinished(
    intercept(root, (call: Call, proceed) => (between ? between(call, proceed) : proceed())),
  );
  return async (run, point) => {
    const calls: string[] = [];
    let isDead = false;
    const die = (): never => {
      isDead = true;
      throw new Error("dead");
    };
    const alive = interruptAt(point, die, calls);
    between = (call, proceed) => {
      // A kill takes nothing from the disk, so no sync gives anything; it costs most of the time.
      const make = call.name === "fsyncSync" ? () => undefined : proceed;
      if (!isDead) return alive(call, make);
      if (call.name === "closeSync") return proceed(); // the system closes what a process leaves open
      throw new Error("dead");
    };
    try {
      await run();
    } catch (error) {
      if (!isDead) throw error;
    } finally {
      between = undefined;
    }
    return calls;
  };
}

interface Killing {
  Handler?: typeof FileHandler;
  durabilities?: readonly Durability[];
  /** Makes a directory as it is before the operation. */
  lay?: (handler: FileHandler) => Promise<unknown>;
}

/** Kills `operation` at each of its points, and goes on after each. */
async function killEverywhere(
  operation: Operation,
  {
    Handler = FileHandler,
    durabilities = durabilitiesFor(operation),
    lay = (handler) => prepare(operation, handler),
  }: Killing = {},
  root = tempDir(),
  until = mortal(root),
): Promise<Aftermath & { points: number }> {
  const crashes: Crash[] = [];
  const live = async (durability: Durability, point: Point): Promise<string[]> => {
    const fileDir = mkdtempSync(join(root, "x"));
    await lay(new FileHandler({ fileDir, durability }));
    const { staleAfter = 60 } = operation;
    const handler = new Handler({ fileDir, durability, staleAfter });
    const before = await sessionsIn(handler);
    const begun = Date.now();
    const calls = await until(() => operation.run(handler), point);
    const where = `${durability}, call ${point.call} (${calls[point.call - 1]}) ${point.share ?? ""}`;
    crashes.push({ fileDir, operation, before, begun, where });
    return calls;
  };
  for (const durability of durabilities)
    for (let call = 1, isOver = false; !isOver; call++) {
      const calls = await live(durability, { call });
      isOver = calls.length < call;
      if (calls[call - 1] === "writeSync")
        for (const share of shares) await live(durability, { call, share });
    }
  const open = (fileDir: string): FileHandler =>
    new Handler({ fileDir, staleAfter, lockTimeout: 5 });
  return { ...(await goOn(crashes, open, staleAfter)), points: crashes.length };
}

// What follows a takeover is one of the other operations; that makes a third of all points.
function durabilitiesFor({ name }: Operation): readonly Durability[] {
  return scale === 1 && name.startsWith("take over") ? ["process"] : durabilities;
}

// Several times what they take on a machine that has nothing else to do.
vi.setConfig({ testTimeout: scale === 1 ? 60_000 : 600_000 });

describe("a process that is killed", () => {
  it.each(operations)("in $name: old or new, nothing stuck, nothing left", async (operation) => {
    const { points, wrong, ended } = await killEverywhere(operation);
    report(3, operation.name, { points, wrong: wrong.length, ended });
    expect(wrong).toEqual([]);
    expect(points).toBeGreaterThan(15);
  });
});

describe("a cleaner that is killed", () => {
  it("while it ends a move that was killed itself: one session, nothing stuck, nothing left", async () => {
    const move = named("move");
    const root = tempDir();
    const until = mortal(root);
    const begin = async (handler: FileHandler, point: Point): Promise<string[]> => {
      await prepare(move, handler);
      return until(() => move.run(handler), point);
    };
    const fresh = (): FileHandler => new FileHandler({ fileDir: mkdtempSync(join(root, "x")) });
    const calls = await begin(fresh(), { call: Infinity });
    const different = new Set<string>();
    const sum = { moves: 0, points: 0, wrong: 0 };
    for (const point of pointsOf(calls)) {
      if (scale === 1 && point.share !== undefined) continue;
      const handler = fresh();
      await begin(handler, point);
      const state = picture(handler.fileDir);
      if (different.has(state)) continue;
      different.add(state);
      const left = dataOf(await sessionsIn(handler));
      const clean: Operation = {
        name: `clean after a move, killed at call ${point.call}`,
        before: left,
        staleAfter: 0,
        run: (handler) => handler.clean(timeout),
        after: left,
      };
      const lay = (handler: FileHandler): Promise<unknown> => begin(handler, point);
      const killing: Killing = { lay, durabilities: ["process"] };
      const { points, wrong } = await killEverywhere(clean, killing, root, until);
      expect(wrong).toEqual([]);
      sum.moves++;
      sum.points += points;
      sum.wrong += wrong.length;
    }
    report(3, "clean a move", sum);
    expect(sum.moves).toBeGreaterThan(5);
  });
});

/** What is in the directory, tokens and moments apart. */
function picture(fileDir: string): string {
  const files = readdirSync(fileDir).map((name) => {
    const path = join(fileDir, name);
    return [name, readFileSync(path, "latin1"), statSync(path).mtimeMs === 0];
  });
  return JSON.stringify(files).replace(/[0-9a-f]{6,}/g, "#");
}

describe("a handler that is found out:", () => {
  it.each<[Fault, string]>([
    ["moves by removing first", "move"],
    ["moves by copying first", "move"],
    ["truncates and rewrites", "store"],
    ["forgets a temporary file", "store"],
    ["never takes over", "update"],
  ])("one that %s", async (fault, name) => {
    const { points, wrong } = await killEverywhere(named(name), {
      Handler: faults[fault](FileHandler),
    });
    report(3, `${name}, ${fault}`, { points, wrong: wrong.length });
    expect(wrong).not.toEqual([]);
  });
});
