// The way to Redis: waits for it as long as it may take, tells what it refuses from what it did not hear,
// and asks again what can be asked again.
//
// A command goes out only while the client is connected, so none waits in a queue of the client's to be
// executed when nobody expects it any more. What has been sent and not been answered is asked again only
// if it changes nothing: whether the other was executed nobody knows.

import { setTimeout as sleep } from "node:timers/promises";
import { type Link, linkOf, type Send } from "./client.ts";
import { connectTo } from "./connect.ts";
import { noAnswer, notConnected, notReplicated, redisFailed } from "./error.ts";
import { warnOfEviction } from "./eviction.ts";
import type { Settings } from "./options.ts";
import type { Script } from "./script.ts";

/** What a question is for. */
export interface Purpose {
  /** As an error says it: `store session abc`. */
  action: string;
  /** Whether it changes something. */
  writes: boolean;
}

export class Connection {
  readonly #settings: Settings;
  #link: Promise<Link> | undefined;
  /** As soon as it has been connected once. */
  #known: Link | undefined;
  #lastError: Error | undefined;
  #end: (() => void) | undefined;
  #isClosed = false;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** Runs a script where `keys` are. Gives the list it answers with. */
  async run(
    script: Script,
    keys: [string, ...string[]],
    args: string[],
    purpose: Purpose,
  ): Promise<string[]> {
    const sha = (script.sha ??= sha1(script.lua));
    const [key] = keys;
    const rest = [String(keys.length), ...keys, ...args];
    const answer = await this.#ask(purpose, async (link) => {
      try {
        return await link.send(key, ["EVALSHA", sha, ...rest]);
      } catch (error) {
        // One that was started since, or has taken over, does not know it yet.
        if (refusalOf(error) !== "NOSCRIPT") throw error;
        return link.send(key, ["EVAL", script.lua, ...rest]);
      }
    });
    return answer as string[];
  }

  /** Sends a command to the server that has `key`. */
  ask(key: string, command: string[], purpose: Purpose): Promise<unknown> {
    return this.#ask(purpose, (link) => link.send(key, command));
  }

  /** Waits until as many replicas as asked for have what was written where `key` is. */
  async replicate(key: string, action: string): Promise<void> {
    const { replicas, timeoutMs } = this.#settings;
    if (replicas === 0) return;
    const command = ["WAIT", String(replicas), String(timeoutMs)];
    const purpose = { action, writes: true };
    const count = Number(
      await this.#ask(purpose, (link) => link.send(key, command), 2 * timeoutMs),
    );
    if (count < replicas) throw notReplicated(action, count, replicas);
  }

  /** The keys that are like `pattern`, in batches; one may be given twice. */
  async *scan(pattern: string, action: string): AsyncGenerator<string[], void, undefined> {
    const purpose = { action, writes: false };
    const { masters, keyPrefix } = await this.#ask(purpose, async (link) => ({
      masters: await link.masters(),
      keyPrefix: link.keyPrefix,
    }));
    for (const send of masters) yield* this.#scanOne(send, keyPrefix, pattern, purpose);
  }

  async *#scanOne(
    send: Send,
    keyPrefix: string,
    pattern: string,
    purpose: Purpose,
  ): AsyncGenerator<string[], void, undefined> {
    let cursor = "0";
    do {
      const command = ["SCAN", cursor, "MATCH", keyPrefix + pattern, "COUNT", "1000"];
      const [next, keys] = (await this.#ask(purpose, () => send(command))) as [string, string[]];
      cursor = String(next);
      yield keys.map((key) => key.slice(keyPrefix.length));
    } while (cursor !== "0");
  }

  /** Ends a connection of our own; a client that was given stays as it is. */
  close(): void {
    this.#isClosed = true;
    this.#end?.();
  }

  async #ask<T>(
    { action, writes }: Purpose,
    ask: (link: Link) => Promise<T>,
    ms: number = this.#settings.timeoutMs,
  ): Promise<T> {
    const end = performance.now() + ms;
    for (;;) {
      const link = this.#known?.isReady() ? this.#known : await this.#ready(action, end, ms);
      try {
        return await within(ask(link), end - performance.now(), () => noAnswer(ms));
      } catch (error) {
        const isUnknown = writes && refusalOf(error) === undefined && !isUnsent(error);
        if (isUnknown || isFinal(error) || performance.now() + retryMs >= end)
          throw redisFailed(action, error, isUnknown);
        if (error instanceof Error) this.#lastError = error;
      }
      await sleep(retryMs);
    }
  }

  /** Waits until a command that is sent goes out. */
  async #ready(action: string, end: number, ms: number): Promise<Link> {
    const late = (): Error => notConnected(ms, this.#lastError);
    try {
      const link = await within((this.#link ??= this.#open()), ms, late);
      // Which events say so differs from client to client.
      while (!link.isReady()) {
        if (performance.now() >= end) throw late();
        await sleep(retryMs);
      }
      if (!this.#known) await within(warnOfEviction(link), end - performance.now(), late);
      return (this.#known ??= link);
    } catch (error) {
      throw redisFailed(action, error, false);
    }
  }

  async #open(): Promise<Link> {
    const { client, urls, timeoutMs } = this.#settings;
    const link = linkOf(client ?? (await connectTo(urls, timeoutMs)));
    const unlisten = link.onError((error) => {
      this.#lastError = error; // whoever waits for the connection says it
    });
    // A client of our own may still have an error to tell, and without a listener that would be thrown.
    this.#end = client ? unlisten : () => link.close();
    if (this.#isClosed) this.#end();
    // It goes on trying by itself, and `isReady` says when it has it. Why it has not, `onError` does.
    else link.open().catch((error: Error) => void (this.#lastError ??= error));
    return link;
  }
}

const retryMs = 20;

/** What `answer` gives, unless it takes longer. */
function within<T>(answer: Promise<T>, ms: number, late: () => Error): Promise<T> {
  // Half of what a race with another promise takes.
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), Math.max(0, ms));
    answer.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}

/** The first word of what Redis has refused something with; `undefined` for an error of another kind. */
export function refusalOf(error: unknown): string | undefined {
  // Clients call their classes differently. What they say themselves begins like a sentence, and may
  // hand on the last refusal of many.
  return error instanceof Error ? refusal.exec(error.message)?.[1] : undefined;
}

const refusal = /^(?:Too many Cluster redirections\. Last error: \w+: )?([A-Z]+)(?: |$)/;

// Refused for now, and not executed.
const passing = ["LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "MOVED"];

function isFinal(error: unknown): boolean {
  const refusal = refusalOf(error);
  return refusal !== undefined && !passing.includes(refusal);
}

/** Whether the client has kept it to itself. */
function isUnsent(error: unknown): boolean {
  // ioredis 5 and 6, node-redis 5 and 6, in this order.
  return (
    error instanceof Error &&
    /^Stream isn't writeable|^The client is (?:offline|closed)/.test(error.message)
  );
}

function sha1(text: string): string {
  const { createHash } = process.getBuiltinModule("node:crypto");
  return createHash("sha1").update(text).digest("hex"); // as EVALSHA asks for it
}
