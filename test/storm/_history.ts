// Histories: what 8 processes that work on one directory were told, and when.

import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { start, type Worker } from "../_process.ts";
import type { Operation } from "./_session-model.ts";

export interface Plan {
  seed: number;
  /** Calls by all processes together. */
  operations: number;
  /** Seconds after which a lock is stale; a process that is stopped stays so for longer. */
  staleAfter: number;
  /** How many of the processes are stopped, and how many killed, between two system calls. */
  stops: number;
  kills: number;
  /** Whether sessions move, each time to an id that is new. */
  moves: boolean;
}

interface Order {
  fileDir: string;
  log: string;
  seed: number;
  count: number;
  first: number;
  ids: readonly string[];
  staleAfter: number;
  moves: boolean;
  stopAt?: number;
  killAt?: number;
  readAll?: boolean;
}

/** An operation as it was written down, with the code of an error that is no answer. */
export type Noted = Operation & { error?: string };

const size = 8;
const ids = ["a", "b", "c", "d"];
const script = fileURLToPath(new URL("historian.mjs", import.meta.url));

/** 8 processes with one handler each, which live through many histories. */
export class Historians {
  stopped = 0;
  killed = 0;
  readonly #handler: string;
  readonly #dir: string;
  readonly #workers: Worker[] = [];
  #histories = 0;

  constructor(handler: string, dir: string) {
    this.#handler = handler;
    this.#dir = dir;
  }

  /** One history, in a directory of its own; at its end every session is read once more. */
  async history(plan: Plan): Promise<Noted[]> {
    const { seed, operations, staleAfter, stops, kills, moves } = plan;
    const dir = join(this.#dir, String(this.#histories++));
    const [fileDir, logDir] = [join(dir, "sessions"), join(dir, "logs")];
    mkdirSync(logDir, { recursive: true });
    const order = { fileDir, ids, staleAfter, moves };
    const count = operations / size;
    // A call of the handler makes a dozen system calls.
    const someCall = (n: number): number => 1 + ((seed * 31 + n * 7919) % (count * 8));
    const orders = Array.from({ length: size }, (_, n): Order => ({
      ...order,
      log: join(logDir, `${n}`),
      seed: seed * size + n,
      count,
      first: 1 + n * count,
      ...(n < stops && { stopAt: someCall(n) }),
      ...(n >= size - kills && { killAt: someCall(n) }),
    }));
    await Promise.all(orders.map((order, n) => this.#follow(n, order)));
    const noted = readdirSync(logDir).flatMap((name) => readLog(join(logDir, name)));
    const all = new Set(noted.flatMap(({ id, write }) => [id, write?.id ?? id]));
    const log = join(logDir, "last");
    const last = { ...order, log, seed, count: 0, first: 0, ids: [...all], readAll: true };
    await this.#follow(0, last);
    const history = [...noted, ...readLog(log)];
    rmSync(dir, { recursive: true });
    return history;
  }

  async #follow(n: number, order: Order): Promise<void> {
    const worker = (this.#workers[n] ??= start(process.execPath, [script, this.#handler]));
    worker.child.stdin?.write(`${JSON.stringify(order)}\n`);
    let line = await worker.line();
    if (line === "stopped") {
      this.stopped++;
      const ms = order.staleAfter * 1000 * (1 + 2 * Math.random());
      // Again and again: it says that it stops a moment before it does.
      const alarm = setInterval(() => worker.child.kill("SIGCONT"), ms);
      line = await worker.line();
      clearInterval(alarm);
    }
    if (line === "done") return;
    delete this.#workers[n];
    await worker.done.catch((error: unknown) => {
      if (worker.child.signalCode !== "SIGKILL") throw error;
    });
    this.killed++;
    // Another one does what is left to do.
    const done = readLog(order.log).length;
    const { killAt: _, ...rest } = order;
    await this.#follow(n, {
      ...rest,
      log: `${order.log}+`,
      count: order.count - done,
      first: order.first + done,
    });
  }
}

/** A line for each call, and one for its answer, but for the last one of a process that was killed. */
function readLog(path: string): Noted[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  const words = lines.map((line) => JSON.parse(line) as Partial<Noted>);
  const noted: Noted[] = [];
  for (let n = 0; n < words.length; n += 2) {
    const answer = words[n + 1] ?? { returned: Infinity, isUnknown: true };
    noted.push({ isUnknown: false, ...words[n], ...answer } as Noted);
  }
  return noted;
}
