// One thread that reads and writes session files, as the event loop sees it: what it is told, what it
// asks, and what comes back. thread.ts is what runs in it.

import { AsyncResource } from "node:async_hooks";
import { existsSync } from "node:fs";
import type { Worker } from "node:worker_threads";
import { clock } from "../core/clock.ts";
import { emit } from "../core/diagnostics.ts";
import { placeFailed } from "../core/error.ts";
import type { CleanResult } from "../core/handler.ts";
import { warnOnce } from "../core/warning.ts";
import type { TextChange } from "./files.ts";
import {
  type Answer,
  errorOf,
  type Order,
  type PlainSession,
  type Reply,
  type Request,
  sessionOf,
} from "./message.ts";
import type { Settings } from "./options.ts";

/** Who hears what is said of a call before it ends. */
export interface Listener {
  change?: TextChange;
  signal?: AbortSignal | undefined;
  onProgress?: ((result: CleanResult) => void) | undefined;
}

/** A call under way. */
interface Call {
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
  listener: Listener;
  /** Where the listener is called: not in the context of whoever happens to be heard of. */
  context: AsyncResource;
  /** What the listener has thrown, or given up for: the call ends with just that. */
  thrown?: { error: unknown };
}

const idleMs = 60_000;

/**
 * What a thread runs: it is published beside this file. `undefined` where it is not, since a bundler
 * has taken this file along and left that one behind.
 */
export function threadFile(): URL | undefined {
  const file = new URL("./thread.js", import.meta.url);
  return existsSync(file) ? file : undefined;
}

/** Started when it is needed, and ended when there was nothing to do for a minute. */
export class Thread {
  /** The ids whose locks it holds. */
  readonly held: Set<string> = new Set();
  readonly #file: URL;
  readonly #settings: Settings;
  readonly #calls = new Map<number, Call>();
  #worker: Worker | undefined;
  #lastCall = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(file: URL, settings: Settings) {
    this.#file = file;
    this.#settings = settings;
  }

  /** Has the thread do it, and gives what comes of it. */
  call(order: Order, listener: Listener = {}): Promise<unknown> {
    clearTimeout(this.#idle);
    const worker = (this.#worker ??= this.#start());
    worker.ref(); // the process is not to end before the call does
    const call = ++this.#lastCall;
    const { signal } = listener;
    const giveUp = (): void => this.#giveUp(call, signal?.reason);
    const done = new Promise((resolve, reject) => {
      worker.postMessage({ ...order, call, shiftMs: clock.shiftMs } satisfies Request);
      const context = new AsyncResource("filesession.thread");
      this.#calls.set(call, { resolve, reject, listener, context });
      signal?.addEventListener("abort", giveUp);
    });
    return signal ? done.finally(() => signal.removeEventListener("abort", giveUp)) : done;
  }

  /** Ends the thread, whatever it is at. */
  async end(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  #start(): Worker {
    const { Worker } = process.getBuiltinModule("node:worker_threads"); // few ever need it
    const worker = new Worker(this.#file, {
      name: "filesession",
      workerData: this.#settings,
      execArgv: [], // those of the application are for its own code
    });
    const ended = new Error("the thread that does so has ended");
    worker.on("message", (reply: Reply) => this.#hear(worker, reply));
    worker.on("error", (error) => this.#fail(worker, error));
    worker.on("exit", () => this.#fail(worker, ended));
    return worker;
  }

  #hear(worker: Worker, reply: Reply): void {
    if ("warning" in reply) return void warnOnce(reply.warning.message, reply.warning.code);
    if ("event" in reply) return emit(reply.event, () => reply.message);
    const call = this.#calls.get(reply.call);
    if (call === undefined) return;
    const { context, listener } = call;
    if ("done" in reply) this.#finish(reply.call, call, reply.done);
    else if ("progress" in reply)
      context.runInAsyncScope(() => {
        try {
          listener.onProgress?.(reply.progress);
        } catch (error) {
          this.#giveUp(reply.call, error);
        }
      });
    // It never rejects: what the change throws, its call ends with.
    else void context.runInAsyncScope(() => this.#answer(worker, reply.call, call, reply.found));
  }

  async #answer(
    worker: Worker,
    number: number,
    call: Call,
    found: PlainSession | undefined,
  ): Promise<void> {
    let answer: Answer;
    try {
      answer = { value: await call.listener.change?.(found && sessionOf(found)) };
    } catch (error) {
      call.thrown = { error };
    }
    worker.postMessage({ call: number, answer } satisfies Request);
  }

  #giveUp(number: number, error: unknown): void {
    const call = this.#calls.get(number);
    if (call === undefined) return;
    call.thrown ??= { error };
    this.#worker?.postMessage({ call: number, abort: true } satisfies Request);
  }

  #finish(number: number, call: Call, done: Extract<Reply, { done: unknown }>["done"]): void {
    this.#calls.delete(number);
    if (this.#calls.size === 0) this.#rest();
    if (call.thrown) call.reject(call.thrown.error);
    else if ("error" in done) call.reject(errorOf(done.error));
    else call.resolve(done.value);
  }

  #rest(): void {
    this.#worker?.unref();
    if (this.held.size > 0) return;
    this.#idle = setTimeout(() => void this.end(), idleMs); // terminate() never rejects
    this.#idle.unref();
  }

  /** Whether what is under way was done nobody knows; the next call starts another thread. */
  #fail(worker: Worker, error: Error): void {
    if (worker !== this.#worker) return;
    this.#worker = undefined;
    this.held.clear();
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const { reject } of calls)
      reject(placeFailed("read or write a", this.#settings.fileDir, error));
  }
}
