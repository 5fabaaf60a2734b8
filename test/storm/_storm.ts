// A storm: processes that work on one directory, are killed and paused at random, and log what was
// acknowledged to them.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** Everything is this many times as long with `STORM=long`. */
export const scale: number = process.env.STORM === "long" ? 50 : 1;

export interface Storm {
  worker: "updater.mjs" | "mover.mjs";
  handler: string;
  processes: number;
  seconds: number;
  /** Seconds after which a lock is stale; pauses are up to three times as long. */
  staleAfter: number;
  /** Which part of the blows kills; the others pause. */
  killShare: number;
  fileDir: string;
  logDir: string;
}

export interface Report {
  /** For each session, every number that was acknowledged. */
  acks: Map<string, number[]>;
  acknowledged: number;
  /** Numbers that were acknowledged twice: each of them is an update that was lost. */
  twice: number;
  errors: Record<string, number>;
  kills: number;
  pauses: number;
}

export async function rage(storm: Storm): Promise<Report> {
  const { worker, handler, fileDir, logDir, staleAfter } = storm;
  const script = fileURLToPath(new URL(worker, import.meta.url));
  const running = new Set<ChildProcess>();
  let started = 0;
  const begin = (): void => {
    const log = join(logDir, String(started++));
    const args = [script, handler, fileDir, String(staleAfter), log];
    const child = spawn(process.execPath, args, { stdio: "inherit" });
    running.add(child);
    child.once("exit", () => running.delete(child));
  };

  let kills = 0;
  let pauses = 0;
  const end = performance.now() + storm.seconds * 1000;
  while (performance.now() < end) {
    while (running.size < storm.processes) begin();
    await sleep(20 + Math.random() * 80);
    const victims = [...running];
    const victim = victims[Math.floor(Math.random() * victims.length)];
    if (Math.random() < storm.killShare) {
      victim?.kill("SIGKILL");
      kills++;
    } else {
      victim?.kill("SIGSTOP");
      pauses++;
      setTimeout(() => victim?.kill("SIGCONT"), Math.random() * 3000 * staleAfter);
    }
  }
  await sleep(3000 * staleAfter); // whoever is paused wakes up and does what it was about to do
  await Promise.all(
    [...running].map((child) => {
      child.kill("SIGTERM"); // they finish what they are at
      return once(child, "exit");
    }),
  );
  await sleep(1000 * staleAfter);
  return { ...readLogs(logDir), kills, pauses };
}

function readLogs(logDir: string): Omit<Report, "kills" | "pauses"> {
  const acks = new Map<string, number[]>();
  const errors: Record<string, number> = {};
  for (const log of readdirSync(logDir))
    for (const line of readFileSync(join(logDir, log), "utf8").split("\n")) {
      const [kind, what = "", n] = line.split(" ");
      if (kind === "ack") {
        const numbers = acks.get(what);
        if (numbers) numbers.push(Number(n));
        else acks.set(what, [Number(n)]);
      }
      if (kind === "error") errors[what] = (errors[what] ?? 0) + 1;
    }
  const all = [...acks.values()];
  const acknowledged = all.reduce((sum, numbers) => sum + numbers.length, 0);
  const distinct = all.reduce((sum, numbers) => sum + new Set(numbers).size, 0);
  return { acks, acknowledged, twice: acknowledged - distinct, errors };
}
