// Sessions where Redis has them, one by one: read, replaced, put aside, waited for.

import { setTimeout as sleep } from "node:timers/promises";
import { emit, traced } from "../core/diagnostics.ts";
import { warnOnce } from "../core/warning.ts";
import { Connection, type Purpose, refusalOf } from "./connection.ts";
import { lockTimeout } from "./error.ts";
import { type Keys, keysOf } from "./keys.ts";
import { handlerName, type Settings } from "./options.ts";
import {
  endOf,
  type Found,
  foundIn,
  parseStored,
  type Stored,
  stringOf,
  withoutLock,
} from "./record.ts";
import { reading, replacing, type Script, settingAside } from "./script.ts";

/** How a replacement has ended. With a conflict: what is there. */
export type Replaced = "done" | "locked" | "lost" | { conflict: string };

/** What is to stand there instead. */
export interface Replacement {
  /** The rev that is there; `undefined` where nothing is. */
  expected: string | undefined;
  /** `undefined` to remove what is there. */
  stored: Stored | undefined;
  /** The token of the lock that is held. */
  token?: string | undefined;
  /** Whether to give the lock back then. */
  releases?: boolean;
  /** Until when it stays, milliseconds since the epoch. Default: what its first line says. */
  until?: number | undefined;
}

export class Place {
  readonly connection: Connection;
  readonly keys: Keys;
  readonly #lockTimeoutMs: number;
  #revs = 0;
  #start: string | undefined;

  constructor(settings: Settings) {
    this.connection = new Connection(settings);
    this.keys = keysOf(settings.prefix);
    this.#lockTimeoutMs = settings.lockTimeoutMs;
  }

  /** A word that nobody has written before. */
  newRev(): string {
    this.#start ??= process.getBuiltinModule("node:crypto").randomBytes(9).toString("base64url");
    return `${this.#start}.${(this.#revs++).toString(36)}`;
  }

  /** What stands under the session's key. Does not wait for who holds it. */
  async look(id: string): Promise<Found | undefined> {
    return this.#found(id, await this.#get(id), () => this.look(id));
  }

  /** The same, when nobody holds it. */
  async lookWhenFree(id: string): Promise<Found | undefined> {
    const purpose = { action: `read session ${id}`, writes: false };
    const { text } = await this.whenFree(id, async () => {
      const text = await this.#get(id);
      if (!text.startsWith("lock ")) return { text };
      const [how, now = ""] = await this.run(id, reading, [], purpose); // by the clock of Redis
      return how === "locked" ? undefined : { text: now };
    });
    return this.#found(id, text, () => this.lookWhenFree(id));
  }

  async #found(
    id: string,
    text: string,
    again: () => Promise<Found | undefined>,
  ): Promise<Found | undefined> {
    const bare = withoutLock(text);
    if (bare === "") return undefined;
    const found = foundIn(bare);
    if (found) return found;
    await this.setAside(id, text);
    return again();
  }

  /** The first line of what stands there, without the data. */
  async glance(id: string): Promise<Stored | undefined> {
    const key = this.keys.session(id);
    const purpose = { action: `look at session ${id}`, writes: false };
    try {
      const text = String(await this.connection.ask(key, ["GETRANGE", key, "0", "1023"], purpose));
      const bare = withoutLock(text);
      // Of many words, or none of ours.
      return bare.includes("\n") ? parseStored(bare) : await this.look(id);
    } catch (error) {
      if (isWrongType(error)) return this.look(id);
      throw error;
    }
  }

  /** What a script says of a session that is one of ours. */
  async run(id: string, script: Script, args: string[], purpose: Purpose): Promise<string[]> {
    let answer: string[];
    try {
      answer = await this.connection.run(script, [this.keys.session(id)], args, purpose);
    } catch (error) {
      if (!isWrongType(error)) throw error;
      answer = ["damaged"];
    }
    if (answer[0] !== "damaged") return answer;
    await this.setAside(id);
    return this.run(id, script, args, purpose);
  }

  /**
   * Replaces what stands under the session's key, unless somebody has written meanwhile. `locked`:
   * somebody holds it. `lost`: the lock is held no more.
   */
  async replace(
    id: string,
    {
      expected = "",
      stored,
      token = "",
      releases = false,
      until = stored && endOf(stored.head),
    }: Replacement,
  ): Promise<Replaced> {
    const ms = until === undefined || until === Infinity ? 0 : Math.max(1, until - Date.now());
    const [how, text = ""] = await this.run(
      id,
      replacing,
      [
        expected,
        stored?.head.rev ?? "",
        token,
        releases ? "1" : "0",
        String(ms),
        stored ? stringOf(stored) : "",
      ],
      { action: `write session ${id}`, writes: true },
    );
    if (how === "ok") return "done";
    if (how === "conflict") return { conflict: text };
    return how === "lost" ? "lost" : "locked";
  }

  /** The same, when nobody holds it. */
  replaceWhenFree(id: string, replacement: Replacement): Promise<Replaced> {
    return this.whenFree(id, async () => {
      const how = await this.replace(id, replacement);
      return how === "locked" ? undefined : how;
    });
  }

  /** Waits until as many replicas as asked for have what was written there. */
  replicate(id: string, action: string): Promise<void> {
    return this.connection.replicate(this.keys.session(id), action);
  }

  /** What `attempt` gives as soon as that is not `undefined`, which says that somebody holds the session. */
  async whenFree<T>(id: string, attempt: () => Promise<T | undefined>): Promise<T> {
    const begun = performance.now();
    const first = await attempt();
    if (first !== undefined) return first;
    return traced(
      "lock.wait",
      () => ({ handler: handlerName, id, at: "lock" }),
      async () => {
        for (let looks = 0; performance.now() - begun < this.#lockTimeoutMs; looks++) {
          await pause(looks);
          const next = await attempt();
          if (next !== undefined) return next;
        }
        throw lockTimeout(id, this.#lockTimeoutMs / 1000);
      },
    );
  }

  /**
   * Puts aside what is none of ours, for the operator; the session is a miss from then on. With `text`:
   * if it is still that.
   */
  async setAside(id: string, text = ""): Promise<void> {
    const aside = this.keys.corrupt(id);
    const [how] = await this.connection.run(settingAside, [this.keys.session(id), aside], [text], {
      action: `put aside session ${id}`,
      writes: true,
    });
    if (how !== "ok") return;
    warnOnce(
      `Cannot read session ${JSON.stringify(id)} in Redis: it is damaged, and now a miss. It is kept as ${aside}`,
      "FILESESSION_CORRUPT",
    );
    emit("corrupt", () => ({ handler: handlerName, id }));
  }

  /** Empty where nothing is. */
  async #get(id: string): Promise<string> {
    const key = this.keys.session(id);
    try {
      const purpose = { action: `read session ${id}`, writes: false };
      return ((await this.connection.ask(key, ["GET", key], purpose)) as string | null) ?? "";
    } catch (error) {
      if (!isWrongType(error)) throw error;
      await this.setAside(id);
      return this.#get(id);
    }
  }
}

/** Less than a round trip at first, and 50 ms at most; none as long as another. */
export async function pause(looks: number): Promise<void> {
  await sleep(Math.random() * Math.min(2 ** looks, 50));
}

/** Whether an error says that no text stands under the key. */
export function isWrongType(error: unknown): boolean {
  return error instanceof Error && refusalOf(error.cause) === "WRONGTYPE";
}
