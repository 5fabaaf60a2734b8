// What runs in a thread: it reads and writes session files, as it is told from threads.ts.

import { parentPort, workerData } from "node:worker_threads";
import { clock } from "../core/clock.ts";
import { hear } from "../core/diagnostics.ts";
import type { WriteOptions } from "../core/handler.ts";
import { FilesHere, type Stored } from "./files.ts";
import {
  type Answer,
  type EventHere,
  type Order,
  plainError,
  plainSession,
  type Reply,
  type Request,
} from "./message.ts";
import type { Settings } from "./options.ts";

const idsAtOnce = 1000;

class Thread {
  readonly #files: FilesHere;
  readonly #say: (reply: Reply) => void;
  readonly #answers = new Map<number, (answer: Answer) => void>();
  readonly #aborts = new Map<number, AbortController>();
  readonly #walks = new Map<number, AsyncGenerator<string, void, undefined>>();

  constructor(settings: Settings, say: (reply: Reply) => void) {
    this.#files = new FilesHere(settings);
    this.#say = say;
  }

  /** Never rejects: what goes wrong is said. */
  async hear(request: Request): Promise<void> {
    const { call } = request;
    if ("answer" in request) return this.#answers.get(call)?.(request.answer);
    if ("abort" in request) return this.#aborts.get(call)?.abort();
    follow(request.shiftMs);
    try {
      this.#say({ call, done: { value: await this.#obey(call, request) } });
    } catch (error) {
      this.#say({ call, done: { error: plainError(error) } });
    }
  }

  async #obey(call: number, { method, args }: Order): Promise<unknown> {
    const files = this.#files;
    switch (method) {
      case "store":
        return plain(await files.store(...args));
      case "update":
        return this.#update(call, ...args);
      case "retrieve": {
        const found = await files.retrieve(...args);
        return found && plainSession(found);
      }
      case "touch":
        return files.touch(...args);
      case "remove":
        return files.remove(...args);
      case "clean":
        return this.#clean(call, ...args);
      case "tagged":
        return files.tagged(...args);
      case "keys":
        return this.#keys(...args);
      case "endKeys":
        return this.#endKeys(...args);
      case "acquireLock":
        return files.acquireLock(...args);
      case "releaseLock":
        return files.releaseLock(...args);
    }
  }

  async #update(call: number, id: string, options: WriteOptions): Promise<unknown> {
    try {
      const stored = await this.#files.update(
        id,
        async (found) => {
          const answered = new Promise<Answer>((hear) => this.#answers.set(call, hear));
          this.#say({ call, found: found && plainSession(found) });
          const answer = await answered;
          if (answer === undefined) throw new Error("The change has failed");
          return answer.value;
        },
        options,
      );
      return stored && plain(stored);
    } finally {
      this.#answers.delete(call);
    }
  }

  async #clean(call: number, timeout: number, blocking: boolean): Promise<unknown> {
    const abort = new AbortController();
    this.#aborts.set(call, abort);
    try {
      return await this.#files.clean(timeout, {
        blocking,
        signal: abort.signal,
        onProgress: (progress) => this.#say({ call, progress }),
      });
    } finally {
      this.#aborts.delete(call);
    }
  }

  async #keys(walk: number): Promise<string[]> {
    const keys = this.#walks.get(walk) ?? this.#files.keys();
    this.#walks.set(walk, keys);
    const ids: string[] = [];
    while (ids.length < idsAtOnce) {
      const next = await keys.next();
      if (next.done === true) break;
      ids.push(next.value);
    }
    return ids;
  }

  async #endKeys(walk: number): Promise<void> {
    const keys = this.#walks.get(walk);
    this.#walks.delete(walk);
    await keys?.return();
  }
}

const { now } = Date;

/** Goes by the clock of whoever we work for. */
function follow(shiftMs: number): void {
  if (shiftMs === clock.shiftMs) return;
  clock.shiftMs = shiftMs;
  Date.now = () => now() + shiftMs;
}

function plain({ meta, touched }: Stored): Stored {
  return { meta, touched };
}

const port = parentPort;
if (port === null) throw new Error("filesession/file/thread.js runs in a thread of threads.js");

process.removeAllListeners("warning"); // they are told where the application listens
process.on("warning", ({ name, message, ...rest }) => {
  const code = "code" in rest ? String(rest.code) : "";
  port.postMessage({ warning: { name, message, code } } satisfies Reply);
});

for (const event of ["corrupt", "stale-lock"] satisfies EventHere[])
  hear(event, (message) => port.postMessage({ event, message } satisfies Reply));

// What the other end sends are its settings.
const thread = new Thread(workerData as Settings, (reply) => port.postMessage(reply));
port.on("message", (request: Request) => void thread.hear(request));
