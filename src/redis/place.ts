// Sessions where Redis has them, one by one: read, replaced, put aside, waited for.

import { setTimeout as sleep } from "node:timers/promises";
import { emit, traced } from "../core/diagnostics.ts";
import { warnOnce } from "../core/warning.ts";
import { Connection, refusalOf } from "./connection.ts";
import { lockTimeout } from "./error.ts";
import { type Keys, keysOf } from "./keys.ts";
import { handlerName, type Settings } from "./options.ts";
import { endOf, type Found, foundIn, parseStored, type Stored, stringOf } from "./record.ts";
import { replacing, settingAside } from "./script.ts";

/** How a replacement has ended. With a conflict: what is there, `undefined` where somebody has to look. */
export type Replaced =
  | "done"
  | "locked"
  | "lost"
  | { conflict: { found: Found | undefined } | undefined };

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

  /** The session's key and its lock's, as the scripts want them. */
  keysOf(id: string): [string, string] {
    return [this.keys.session(id), this.keys.lock(id)];
  }

  /** A word that nobody has written before. */
  newRev(): string {
    this.#start ??= process.getBuiltinModule("node:crypto").randomBytes(9).toString("base64url");
    return `${this.#start}.${(this.#revs++).toString(36)}`;
  }

  /** What stands under the session's key. Does not wait for who holds it. */
  async look(id: string): Promise<Found | undefined> {
    const key = this.keys.session(id);
    const text = await this.#get(id, key);
    if (text === null) return undefined;
    const found = foundIn(text);
    if (found) return found;
    await this.setAside(id, text);
    return this.look(id);
  }

  /** The same, when nobody holds it. */
  async lookWhenFree(id: string): Promise<Found | undefined> {
    const keys = this.keysOf(id);
    const purpose = { action: `read session ${id}`, writes: false };
    const { text } = await this.whenFree(id, async () => {
      const answer = await this.connection.ask(keys[0], ["MGET", ...keys], purpose);
      const [text = null, lock] = answer as (string | null)[];
      return lock === null ? { text } : undefined;
    });
    if (text === null) return undefined;
    const found = foundIn(text);
    if (found) return found;
    await this.setAside(id, text);
    return this.lookWhenFree(id);
  }

  /** The first line of what stands there, without the data. */
  async glance(id: string): Promise<Stored | undefined> {
    const purpose = { action: `look at session ${id}`, writes: false };
    const command = ["GETRANGE", this.keys.session(id), "0", "1023"];
    try {
      const text = String(await this.connection.ask(this.keys.session(id), command, purpose));
      if (text.includes("\n")) return parseStored(text);
      return text === "" ? undefined : await this.look(id); // of many words, or none of ours
    } catch (error) {
      if (isWrongType(error)) return this.look(id);
      throw error;
    }
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
    const [how, text] = await this.connection.run(
      replacing,
      this.keysOf(id),
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
    if (how === "conflict") {
      const found = text ? foundIn(text) : undefined;
      const isKnown = !text || (found !== undefined && found.state.is !== "coming");
      return { conflict: isKnown ? { found } : undefined };
    }
    return how === "lost" ? "lost" : "locked";
  }

  /** The same, when nobody holds it. */
  replaceWhenFree(id: string, replacement: Replacement): Promise<Replaced> {
    return this.whenFree(id, async () => {
      const how = await this.replace(id, replacement);
      return how === "locked" ? undefined : how;
    });
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

  async #get(id: string, key: string): Promise<string | null> {
    try {
      const purpose = { action: `read session ${id}`, writes: false };
      return (await this.connection.ask(key, ["GET", key], purpose)) as string | null;
    } catch (error) {
      if (!isWrongType(error)) throw error;
      await this.setAside(id);
      return this.#get(id, key);
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
