// A storm: processes that work on one directory, are killed and paused at random, also between any
// two of their own system calls, and log what was acknowledged to them.
//
// When they run is the system's choice, so a seed would not bring a storm back: what it leaves is
// its log, and the report.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, closeSync, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { tempDir } from "../_dir.ts";
import { type Event, judge, parseLines, type Verdict } from "./_log.ts";

/** Everything is this many times as long with `STORM=long`. */
export const scale: number = process.env.STORM === "long" ? 50 : 1;

/** Seconds after which a lock is stale in a storm; pauses are up to three times as long. */
export const staleAfter = 0.3;

/** What befalls a process by itself. */
export interface Fate {
  /** How likely it kills itself before a system call, pauses there, and writes less than asked. */
  killEach?: number;
  stopEach?: number;
  shortEach?: number;
  /** Who does nothing but look at a lock, because it waits for it, is spared. */
  sparesWaiting?: boolean;
  /** What it believes its process id to be. */
  pid?: number;
}

/** What a process of a storm is told. */
interface Orders extends Fate {
  /** `filesession`, or a fault of handlers.mjs. */
  handler: string;
  fileDir: string;
  staleAfter: number;
  log: string;
  worker: string;
  /** The one it works on, where a worker has one. */
  session: string;
  sessions: readonly string[];
}

export interface Storm {
  worker: "updater.mjs" | "mover.mjs" | "remover.mjs";
  handler: string;
  fate: Fate;
  processes: number;
  sessions?: readonly string[];
  fileDir?: string;
  /** Whether each process is alone in a namespace, as in a container: all of them have the pid 1. */
  isContained?: boolean;
  /** Whether some are also killed and paused from outside, at any moment. Default `true`. */
  isStruck?: boolean;
  /** It is over when so much has been acknowledged, and so many have been killed. */
  acknowledged: number;
  kills: number;
  /** It is over after so many seconds in any case. Default 200, times `scale`. */
  seconds?: number;
  /** It is over as soon as this says so: the fault has been found. */
  until?: (events: Event[]) => boolean;
}

const container = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];

/** Why processes cannot be contained here; `undefined` when they can. */
export function whyNotContained(): string | undefined {
  const [command = "", ...args] = [...container, "true"];
  if (spawnSync(command, args).status === 0) return undefined;
  return "needs `unshare` of util-linux, and root";
}

/** What `unshare` has started: the process that works. None when it is gone. */
function childrenOf({ pid, exitCode, signalCode }: ChildProcess): number[] {
  if (pid === undefined || exitCode !== null || signalCode !== null) return [];
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return children.split(" ").filter(Boolean).map(Number);
}

/** Goes through a storm. Gives the log of it. */
export async function rage(storm: Storm): Promise<Event[]> {
  const { handler, fate, processes, sessions = ["chain"], until } = storm;
  const fileDir = storm.fileDir ?? tempDir();
  const log = join(tempDir(), "log");
  const write = (kind: string, worker: string, session: string): void =>
    appendFileSync(log, `\n${kind} ${worker} ${session} ${now()};`);
  write("begin", "-", "-");

  const running = new Map<string, { child: ChildProcess; session: string }>();
  onTestFinished(() => {
    for (const { child } of running.values()) child.kill("SIGKILL"); // none, unless it went wrong
  });
  const free = Array.from({ length: processes }, (_, n) => sessions[n % sessions.length]!);
  let started = 0;
  const begin = (session: string): void => {
    const worker = String(started++);
    const place = { fileDir, staleAfter, log };
    const orders: Orders = { ...fate, ...place, handler, worker, session, sessions };
    const script = fileURLToPath(new URL(storm.worker, import.meta.url));
    const command = [process.execPath, script, JSON.stringify(orders)];
    if (storm.isContained) command.unshift(...container);
    const child = spawn(command[0]!, command.slice(1), { stdio: "inherit" });
    running.set(worker, { child, session });
    child.once("exit", () => {
      running.delete(worker);
      free.push(session);
    });
  };
  const send = (child: ChildProcess, signal: NodeJS.Signals): void => {
    if (!storm.isContained) child.kill(signal);
    else for (const pid of childrenOf(child)) process.kill(pid, signal);
  };
  const wake = (worker: string): void => {
    const found = running.get(worker);
    if (found === undefined) return;
    send(found.child, "SIGCONT");
    write("cont", worker, found.session);
  };
  const strike = (kind: "kill" | "stop"): void => {
    const victims = [...running].filter(([worker]) => up.has(worker));
    const [worker, victim] = victims[Math.floor(Math.random() * victims.length)] ?? [];
    if (worker === undefined || victim === undefined) return;
    write(kind, worker, victim.session); // before the blow: what it did before, it did before
    send(victim.child, kind === "kill" ? "SIGKILL" : "SIGSTOP");
  };

  const reader = new LogReader(log);
  const count = { ack: 0, kill: 0 };
  const up = new Set<string>();
  const take = (): void => {
    for (const { kind, worker } of reader.read()) {
      if (kind === "ack" || kind === "seen") count.ack++;
      if (kind === "kill") count.kill++;
      if (kind === "up") up.add(worker);
      // Neither so soon that it has not stopped itself yet, nor later than three times the limit.
      if (kind === "stop") setTimeout(wake, 20 + Math.random() * 3000 * staleAfter, worker);
    }
  };
  const isDone = (): boolean => count.ack >= storm.acknowledged && count.kill >= storm.kills;
  const end = now() + 1000 * (storm.seconds ?? 200 * scale);
  let looked = now();
  while (now() < end && !isDone()) {
    for (const session of free.splice(0)) begin(session);
    await sleep(20 + Math.random() * 60);
    take();
    if (until !== undefined && now() > looked + 250) {
      looked = now();
      if (until(reader.events)) break;
    }
    if (storm.isStruck === false) continue;
    // As many kills as are due by now, and pauses in between.
    if (count.kill < storm.kills * Math.min(1, count.ack / storm.acknowledged)) strike("kill");
    else if (Math.random() < 0.2) strike("stop");
  }
  write("over", "-", "-");

  // They finish what they are at. Again and again: some may be asleep, and what is only just starting
  // in a container does not hear it.
  const dismiss = (): void => {
    for (const [worker, { child }] of running) {
      wake(worker);
      send(child, "SIGTERM");
    }
  };
  dismiss();
  const again = setInterval(dismiss, 1000 * staleAfter);
  await Promise.all([...running.values()].map(({ child }) => once(child, "exit")));
  clearInterval(again);
  reader.read();
  reader.close();
  return reader.events;
}

/**
 * A storm over something broken on purpose, until it has been found out, or for a minute. How many
 * violations there are by then, and after how many seconds.
 */
export async function hunt(
  storm: Omit<Storm, "acknowledged" | "kills" | "seconds" | "until">,
  violations: (verdict: Verdict) => number,
): Promise<{ found: number; seconds: number }> {
  const begun = now();
  const events = await rage({
    ...storm,
    acknowledged: 20_000,
    kills: 200,
    seconds: 60,
    until: (events) => violations(judge(events)) > 0,
  });
  const over = events.find(({ kind }) => kind === "over")?.at ?? now();
  return { found: violations(judge(events)), seconds: Math.round((over - begun) / 100) / 10 };
}

/** Milliseconds of the clock that all processes of this machine share. */
function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Reads a log while it is being written. */
class LogReader {
  readonly events: Event[] = [];
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(1024 * 1024);
  #rest = "";

  constructor(path: string) {
    this.#fd = openSync(path, "r");
  }

  /** What has been written since the last time. */
  read(): Event[] {
    const before = this.events.length;
    for (let size = this.#next(); size > 0; size = this.#next()) {
      const text = this.#rest + this.#buffer.toString("latin1", 0, size);
      const end = text.lastIndexOf("\n");
      this.#rest = text.slice(end);
      for (const event of parseLines(text.slice(0, end))) this.events.push(event);
      // The last line has no newline behind it yet.
      if (!this.#rest.endsWith(";")) continue;
      for (const event of parseLines(this.#rest)) this.events.push(event);
      this.#rest = "";
    }
    return this.events.slice(before);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #next(): number {
    return readSync(this.#fd, this.#buffer, 0, this.#buffer.length, null);
  }
}
