// Pauses: a worker is stopped with SIGSTOP at one of its system calls, for longer than its lock
// lasts. Meanwhile we take the lock over and write; then it goes on.
//
// What may be there afterwards is said by a model: both operations one after the other. `P` is ours,
// `W` the worker's, who is paused.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { isSessionError } from "../../src/core/error.ts";
import { FileHandler } from "../../src/index.ts";
import type { Point } from "../_interrupt.mjs";
import { CarelessHandler, type Carelessness, type Updater } from "./_careless.mjs";

/** Who has written into each of three sessions, in order. */
type State = Partial<Record<"a" | "b" | "c", string[]>>;
type Names = Record<keyof State, string>;
interface Marks {
  marks: string[];
}

const add = (state: State, id: keyof State, mark: string): State => ({
  ...state,
  [id]: [...(state[id] ?? []), mark],
});
const addIfThere = (state: State, id: keyof State, mark: string): State =>
  state[id] ? add(state, id, mark) : state;

const without = (state: State, id: keyof State): State =>
  Object.fromEntries(Object.entries(state).filter(([other]) => other !== id));

interface Paused {
  before: State;
  /** Other states that it may leave behind when it loses its lock. */
  between?: State;
  /** What it makes of a state; `undefined` when that ends in ERR_SESSION_GONE. */
  effect: (state: State) => State | undefined;
}

const one: State = { a: ["base"] };
const store = { before: one, effect: (state: State): State => ({ ...state, a: ["w"] }) };
const update = { before: one, effect: (state: State): State => add(state, "a", "w") };
const move = {
  before: one,
  effect: ({ a, ...others }: State): State | undefined =>
    a ? add({ ...others, b: a }, "b", "w") : undefined,
};

/** What the worker can be paused in, by the names that paused.mjs has for it. */
export const paused: Record<string, Paused> = {
  "store a new one": { ...store, before: {} },
  store,
  "store, outgrowing its file": store,
  update,
  "update, async": update,
  "update, outgrowing its file": update,
  remove: { before: one, effect: (state) => without(state, "a") },
  move,
  "move, async": move,
  // What it is about to replace gives way first.
  "move onto another": { ...move, before: { ...one, b: ["other"] }, between: one },
};

interface Act {
  /** The sessions whose locks it takes. */
  locks: (keyof State)[];
  effect: (state: State) => State;
  /** With `held`, resolves when we have held the lock for long enough. */
  run: (
    handler: Updater & Partial<FileHandler>,
    ids: Names,
    held: () => Promise<void>,
  ) => Promise<unknown>;
}

const addTo = (handler: Updater, id: string, pad = ""): Promise<unknown> =>
  handler.update<Marks>(id, ({ data }) => data && { marks: [...data.marks, "p"], pad });

/** What we do while the worker is stopped. */
export const acts: Record<string, Act> = {
  update: {
    locks: ["a"],
    effect: (state) => addIfThere(state, "a", "p"),
    run: (handler, { a }) => addTo(handler, a),
  },
  "outgrow its file": {
    locks: ["a"],
    effect: (state) => addIfThere(state, "a", "p"),
    run: (handler, { a }) => addTo(handler, a, "x".repeat(9000)),
  },
  store: {
    locks: ["a"],
    effect: (state) => ({ ...state, a: ["p"] }),
    run: (handler, { a }) => handler.store(a, { marks: ["p"] }),
  },
  remove: {
    locks: ["a"],
    effect: (state) => without(state, "a"),
    run: async (handler, { a }) => handler.remove?.(a),
  },
  /** We are still at it when the worker goes on. */
  "update slowly": {
    locks: ["a"],
    effect: (state) => add(state, "a", "p"),
    run: (handler, { a }, held) =>
      handler.update<Marks>(a, async ({ data }) => {
        await held();
        return { marks: [...(data?.marks ?? []), "p"] };
      }),
  },
  "move away": {
    locks: ["a", "c"],
    effect: ({ a, ...others }) => (a ? add({ ...others, c: a }, "c", "p") : others),
    run: (handler, { a, c }) =>
      handler.update<Marks>(c, ({ data }) => data && { marks: [...data.marks, "p"] }, { oldId: a }),
  },
  clean: {
    locks: ["a", "b"],
    effect: (state) => state,
    run: async (handler, ids) => {
      await sleep(200); // it does not wait for a lock to be stale
      try {
        await handler.clean?.(1e6);
      } catch (error) {
        // It cleans what the other pauses have there too. Stalled for longer than the 0.15 s that locks
        // last here, we lose one of theirs, and all the rest is cleaned.
        const isLost = isSessionError(error, "ERR_SESSION_LOCK_LOST");
        const isOurs = Object.values(ids).some((id) =>
          String(error).includes(handler._lockFile(id)),
        );
        if (!isLost || isOurs) throw error;
      }
    },
  },
  "update both": {
    locks: ["a", "b"],
    effect: (state) => addIfThere(addIfThere(state, "a", "p"), "b", "p"),
    run: async (handler, { a, b }) => {
      await addTo(handler, a);
      await addTo(handler, b);
    },
  },
  "update both, the new one first": {
    locks: ["a", "b"],
    effect: (state) => addIfThere(addIfThere(state, "a", "p"), "b", "p"),
    run: async (handler, { a, b }) => {
      await addTo(handler, b);
      await addTo(handler, a);
    },
  },
  "store where it moves to": {
    locks: ["b"],
    effect: (state) => ({ ...state, b: ["p"] }),
    run: (handler, { b }) => handler.store(b, { marks: ["p"] }),
  },
};

interface Answer {
  code?: string;
  calls: string[];
}

/** A process that can be stopped and told to go on, many times. */
export class Worker {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(fault: Carelessness | "", fileDir: string, staleAfter: number) {
    const script = fileURLToPath(new URL("paused.mjs", import.meta.url));
    const args = [script, fault, fileDir, String(staleAfter)];
    this.#child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  async begin(operation: string, { a, b }: Names, point: Point): Promise<Answer> {
    this.#child.stdin!.write(`${JSON.stringify({ operation, a, b, ...point })}\n`);
    const line = await this.#lines.next();
    if (line.done) throw new Error("the worker has ended");
    return JSON.parse(line.value) as Answer;
  }

  get isStopped(): boolean {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T");
  }

  goOn(): void {
    this.#child.kill("SIGCONT");
  }

  async end(): Promise<void> {
    this.#child.kill("SIGKILL");
    if (this.#child.exitCode === null && this.#child.signalCode === null)
      await once(this.#child, "exit");
  }
}

export interface Pause {
  operation: string;
  point: Point;
  act: string;
}

/** How a pause has ended for the worker. */
export type Outcome =
  /** With ERR_SESSION_LOCK_LOST. */
  | "lost"
  /** Well, after us: it had not had the lock yet. */
  | "after us"
  /** Well, before us: we have built on what it has written. */
  | "before us"
  /** Well or not, and which of the two came first cannot be told. */
  | "either"
  /** With ERR_SESSION_GONE: we had removed the session before it had the lock. */
  | "gone"
  /** Whatever it was, we have been so slow ourselves that our own lock was lost to it. */
  | "disturbed";

/** Pauses the worker there; rejects when the outcome is not one of those that may be. */
export async function pause(
  worker: Worker,
  handler: Updater & Partial<FileHandler>,
  { operation, point, act }: Pause,
  name: string,
): Promise<Outcome> {
  const { before, between, effect } = paused[operation]!;
  const { locks, effect: ours, run } = acts[act]!;
  const ids: Names = { a: `${name}a`, b: `${name}b`, c: `${name}c` };
  const read = async (): Promise<State> => {
    const state: State = {};
    for (const id of ["a", "b", "c"] as const) {
      const { data } = await handler.retrieve<Marks>(ids[id], { blocking: false });
      if (data) state[id] = data.marks;
    }
    return state;
  };
  for (const [id, marks] of Object.entries(before))
    await handler.store(ids[id as keyof State], { marks });

  const [p, wp] = [ours(before), ours(effect(before)!)];
  const pw = effect(p);
  const isOneOf = (state: State, ...states: (State | undefined)[]): boolean =>
    states.some((other) => other && text(other) === text(state));

  let isOver = false;
  const answer = worker.begin(operation, ids, point).finally(() => (isOver = true));
  answer.catch(() => undefined); // it is awaited, unless something else is wrong before
  while (!isOver && !worker.isStopped) await sleep(2);
  if (isOver) throw new Error(`was not stopped: ${JSON.stringify(await answer)}`);
  const held = locks.some((id) => existsSync(handler._lockFile(ids[id])));

  const isSlow = act === "update slowly";
  let hasLock = !isSlow;
  let finish = (): void => undefined;
  const longEnough = new Promise<void>((resolve) => (finish = resolve));
  const written = run(handler, ids, () => {
    hasLock = true;
    return longEnough;
  });
  while (!hasLock) await sleep(2);
  if (!isSlow) await written;
  const seen = isSlow ? undefined : await read();
  if (seen && !isOneOf(seen, p, wp, between && ours(between)))
    throw new Error(`we find ${text(seen)} when it is stopped`);

  worker.goOn();
  if (isSlow) {
    // If it waits for our lock, we must not wait for it.
    await Promise.race([answer, sleep(20)]);
    finish();
  }
  const isOurs = await written.then(
    () => true,
    (error: unknown) => {
      if (isSlow && isSessionError(error, "ERR_SESSION_LOCK_LOST")) return false;
      throw error;
    },
  );
  const { code } = await answer;
  const found = await read();
  const told = `${code ?? "acknowledged"}, ${text(found)} where we left ${seen ? text(seen) : "?"}`;
  if (!isOurs) return "disturbed";
  const must = (isRight: boolean): void => {
    if (!isRight) throw new Error(`it ends with ${told}`);
  };

  if (code !== undefined) {
    must(code === "ERR_SESSION_LOCK_LOST" || (code === "ERR_SESSION_GONE" && pw === undefined));
    must(code === "ERR_SESSION_LOCK_LOST" || !held);
    // What a move was about to replace may be there again.
    const isBack = between !== undefined && isOneOf(found, p);
    must(seen ? isBack || isOneOf(found, seen) : isOneOf(found, p, wp));
    return code === "ERR_SESSION_GONE" ? "gone" : "lost";
  }
  // Acknowledged: it is in what we have built upon, or it came after us, with a lock that it did not
  // have when it was stopped.
  const isBefore = isOneOf(found, wp) && (seen === undefined || isOneOf(seen, wp));
  const isAfter = !held && isOneOf(found, pw);
  must(isBefore || isAfter);
  if (isBefore && (isAfter || isOneOf(p, wp))) return "either";
  return isBefore ? "before us" : "after us";
}

function text(state: State): string {
  const entries = Object.entries(state).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(Object.fromEntries(entries));
}

/** The handler that is ours, of the same kind as the worker's. */
export function opened(
  fault: Carelessness | "",
  options: { fileDir: string; staleAfter: number },
): Updater & Partial<FileHandler> {
  return fault === "" ? new FileHandler(options) : new CarelessHandler(fault, options);
}
