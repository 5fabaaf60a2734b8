// Every kill point of test/faults/kills.test.ts with a process of its own, and SIGKILL.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { FileHandler } from "../../src/index.ts";
import { type Aftermath, type Crash, goOn, sessionsIn } from "../_aftermath.ts";
import { intercept } from "../_calls.mjs";
import { tempDir } from "../_dir.ts";
import { faults, type Fault } from "../_faulty.mjs";
import { interruptAt, type Point, pointsOf } from "../_interrupt.mjs";
import { type Operation, operations, prepare } from "../_operations.mjs";
import { report } from "./_report.ts";
import { scale } from "./_storm.ts";

const script = fileURLToPath(new URL("killed.mjs", import.meta.url));

// As many processes at once as keep a small machine busy.
const atOnce = 4;

const staleAfter = 0.3;

const chosen = [
  "store a new one",
  "store",
  "store, outgrowing its file",
  "update",
  "update, async",
  "move",
  "remove",
];

const named = (name: string): Operation => operations.find((one) => one.name === name)!;

/** The names of the calls that the operation makes when nobody kills it. */
async function callsOf(operation: Operation, fault: Fault | ""): Promise<string[]> {
  const Handler = fault === "" ? FileHandler : faults[fault](FileHandler);
  const handler = new Handler({ fileDir: tempDir() });
  await prepare(operation, handler);
  const calls: string[] = [];
  const end = intercept(
    handler.fileDir,
    interruptAt({ call: Infinity }, () => undefined, calls),
  );
  await operation.run(handler);
  end();
  return calls;
}

/** Runs the operation in a process that is killed there. */
async function kill(
  operation: Operation,
  { call, share }: Point,
  fileDir: string,
  fault: Fault | "",
): Promise<Crash> {
  mkdirSync(fileDir);
  const handler = new FileHandler({ fileDir });
  await prepare(operation, handler);
  const before = await sessionsIn(handler);
  const begun = Date.now();
  const args = [script, fault, fileDir, operation.name, String(call), String(share ?? "")];
  const child = spawn(process.execPath, args, { stdio: "inherit" });
  const [code, signal]: unknown[] = await once(child, "exit");
  const where = `call ${call} ${share ?? ""}`;
  if (signal !== "SIGKILL") throw new Error(`${operation.name} ended with ${code} at ${where}`);
  return { fileDir, operation, before, begun, where };
}

async function killEverywhere(
  names: string[],
  fault: Fault | "" = "",
): Promise<Aftermath & { kills: number }> {
  const root = tempDir();
  const left: { operation: Operation; point: Point; fileDir: string }[] = [];
  for (const operation of names.map(named))
    for (const point of pointsOf(await callsOf(operation, fault)))
      left.push({ operation, point, fileDir: join(root, String(left.length)) });
  const crashes: Crash[] = [];
  const work = async (): Promise<void> => {
    for (let next = left.pop(); next; next = left.pop())
      crashes.push(await kill(next.operation, next.point, next.fileDir, fault));
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  const open = (fileDir: string): FileHandler =>
    new FileHandler({ fileDir, staleAfter, lockTimeout: 5 });
  // A few at a time, so that waiting is for a lock and not for us.
  const all: Aftermath = { wrong: [], longestWait: 0, ended: 0 };
  for (let first = 0, turn = 0; first < crashes.length; first += 25, turn++) {
    const { wrong, longestWait, ended } = await goOn(
      crashes.slice(first, first + 25),
      open,
      staleAfter,
      turn,
    );
    all.wrong.push(...wrong);
    all.longestWait = Math.max(all.longestWait, longestWait);
    all.ended += ended;
  }
  return { ...all, kills: crashes.length };
}

describe("a process that is killed with SIGKILL at each of its system calls", () => {
  it("leaves the old or the new session, no lock for longer than its limit, and nothing else", async () => {
    const names = scale === 1 ? chosen : operations.map(({ name }) => name);
    const { kills, wrong, longestWait, ended } = await killEverywhere(names);
    report(3, "SIGKILL", { kills, wrong: wrong.length, longestWait, ended });
    expect(wrong).toEqual([]);
    expect(longestWait).toBeLessThan(staleAfter + 1);
    expect(kills).toBeGreaterThan(150);
  });

  it("is found out when it truncates and rewrites, or removes before it stores", async () => {
    const rewriter = await killEverywhere(["store"], "truncates and rewrites");
    const remover = await killEverywhere(["move"], "moves by removing first");
    report(3, "SIGKILL, broken", {
      kills: rewriter.kills + remover.kills,
      rewriter: rewriter.wrong.length,
      remover: remover.wrong.length,
    });
    expect(rewriter.wrong).not.toEqual([]);
    expect(remover.wrong).not.toEqual([]);
  });
});
