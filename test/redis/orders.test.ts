// Every order of two calls, one of which stands still between two of its commands while the other one is
// made: what both are told, and what is there afterwards, must be as if one had come after the other. And
// the same when the first dies there.
//
// What it would be then a handler in memory says.

import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Handler, isRecord } from "../../src/index.ts";
import { type IoredisLike, RedisHandler } from "../../src/redis.ts";
import { MemoryHandler } from "../../src/testing.ts";
import { has } from "../_needs.ts";
import { type RedisServer, startRedis } from "./_server.ts";

type Call = (handler: Handler) => Promise<unknown>;

// Each adds its name to what it finds, so that one that is lost is missed.
const add =
  (name: string) =>
  ({ data = "" }: { data?: unknown }): string =>
    `${String(data)}${name}`;

const update =
  (name: string, id: string, options = {}): Call =>
  (handler) =>
    handler.update(id, add(name), options);

const calls: Record<string, Call> = {
  "move a to b": update("m", "b", { oldId: "a", mustExist: true }),
  "move a to b, with grace": update("g", "b", { oldId: "a", mustExist: true, grace: 60 }),
  "move a to c": update("c", "c", { oldId: "a", mustExist: true }),
  "move b to a": update("o", "a", { oldId: "b" }),
  "move a to b, by store": (handler) => handler.store("b", "stored", { oldId: "a" }),
  "move a to b, held": update("h", "b", { oldId: "a", lock: true }),
  "update a": update("u", "a"),
  "update a that is there": update("e", "a", { mustExist: true }),
  "update b": update("v", "b"),
  "update a, held": (handler) => handler.update("a", async (record) => add("l")(record)),
  "store a": (handler) => handler.store("a", "new"),
  "store b": (handler) => handler.store("b", "new", { tag: "Ada" }),
  "remove a": (handler) => handler.remove("a"),
  "remove b": (handler) => handler.remove("b"),
  "touch a": (handler) => handler.touch("a"),
  "clean all": (handler) => handler.clean(0, { blocking: true }),
  "retrieve a": (handler) => handler.retrieve("a", { blocking: false }),
  "retrieve b": (handler) => handler.retrieve("b", { blocking: false }),
  "find by tag": async (handler) => (await handler.tagged("Ada")).sort(),
};

/** What there is at first. */
const beginnings: Record<string, (handler: Handler) => Promise<unknown>> = {
  "a alone": (handler) => handler.store("a", "a", { tag: "Ada" }),
  "a and b": async (handler) => {
    await handler.store("a", "a", { tag: "Ada" });
    await handler.store("b", "b");
  },
};

/** What somebody is told, without what differs from place to place. */
async function told(call: Promise<unknown>): Promise<unknown> {
  try {
    return plain(await call);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === undefined) throw error;
    return code;
  }
}

function plain(answer: unknown): unknown {
  if (typeof answer !== "object" || answer === null || Array.isArray(answer)) return answer;
  if ("removed" in answer) return "cleaned"; // of two at once each may have removed one
  const { id, data, tag, moved } = answer as Record<string, unknown>;
  return { id, data, tag, to: (moved as { to: string } | undefined)?.to };
}

/** All that is there. */
async function stateOf(handler: Handler): Promise<unknown> {
  const ids: string[] = [];
  for await (const id of handler.keys()) ids.push(id);
  const records: unknown[] = [];
  for (const id of ["a", "b", "c"]) {
    const record = await handler.retrieve(id);
    expect(ids.includes(id), `keys() gives ${id}`).toBe(isRecord(record));
    records.push(plain(record));
  }
  return { records, tagged: (await handler.tagged("Ada")).sort() };
}

interface Outcome {
  first: unknown;
  second: unknown;
  state: unknown;
}

/** What comes of both, one after the other. */
async function inTurn(
  begin: Call,
  first: Call | undefined,
  second: Call,
  isReversed: boolean,
): Promise<Outcome> {
  const handler = new MemoryHandler();
  await begin(handler);
  const outcome: Outcome = { first: undefined, second: undefined, state: undefined };
  if (isReversed) outcome.second = await told(second(handler));
  if (first) outcome.first = await told(first(handler));
  if (!isReversed) outcome.second = await told(second(handler));
  outcome.state = await stateOf(handler);
  return outcome;
}

/** A client that sends its nth command only when `gate` resolves, and tells when it has come to it. */
class Halting implements IoredisLike {
  sent = 0;
  readonly #client: Redis;
  readonly #stopAt: number;
  readonly #gate: Promise<void>;
  #reach: () => void = () => {};
  readonly reached: Promise<void> = new Promise((resolve) => (this.#reach = resolve));

  constructor(client: Redis, stopAt: number, gate: Promise<void>) {
    this.#client = client;
    this.#stopAt = stopAt;
    this.#gate = gate;
  }

  get status(): string {
    return this.#client.status;
  }

  async call(command: string, ...args: string[]): Promise<unknown> {
    // A script that is not known yet is sent again, as one.
    if (command !== "EVAL" && command !== "INFO") this.sent++;
    if (this.sent === this.#stopAt) this.#reach();
    if (this.sent >= this.#stopAt) await this.#gate;
    return this.#client.call(command, ...args);
  }

  async connect(): Promise<void> {}
  disconnect(): void {}
  on(): void {}
  off(): void {}
}

describe.runIf(has("redis-server"))("RedisHandler, two calls at once", () => {
  let server: RedisServer;
  let client: Redis;
  beforeAll(async () => {
    server = await startRedis();
    client = new Redis(server.port);
  });
  afterAll(async () => {
    client.disconnect();
    await server.close();
  });

  /** `undefined` when the first has ended before its nth command. */
  async function interleaved(
    begin: Call,
    first: Call,
    second: Call,
    stopAt: number,
    dies: boolean,
  ): Promise<Outcome | undefined> {
    await client.flushall(); // `keys` goes through whatever is there
    await using other = new RedisHandler({ client, lockTimeout: 0.005, timeout: 10 });
    await begin(other);
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    const halting = new Halting(client, stopAt, gate);
    const handler = new RedisHandler({ client: halting, timeout: 10 });
    let isOver = false;
    const firstTold = told(first(handler)).finally(() => (isOver = true));
    await Promise.race([halting.reached, firstTold]);
    if (isOver) return undefined;
    const secondTold = await told(second(other));
    if (!dies) open();
    const outcome = { first: dies ? undefined : await firstTold, second: secondTold };
    if (dies)
      await client.eval(
        "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do local text = redis.call('GET', key) if string.sub(text, 1, 5) == 'lock ' then redis.call('SETRANGE', key, 5, '1000000000000') end end",
        0,
        "sess:{*",
      );
    return { ...outcome, state: await stateOf(other) };
  }

  const begun = Object.entries(beginnings);
  const named = Object.entries(calls);
  // It removes one after the other.
  const atOnce = named.filter(([name]) => name !== "clean all");

  describe.each(begun)("%s", (_, begin) => {
    it.each(atOnce)(
      "%s, and any other in its midst: as if one came after the other",
      async (_, first) => {
        let orders = 0;
        for (const [name, second] of named) {
          const allowed = [
            await inTurn(begin, first, second, false),
            await inTurn(begin, first, second, true),
          ];
          for (let stopAt = 1; ; stopAt++) {
            const outcome = await interleaved(begin, first, second, stopAt, false);
            if (!outcome) break;
            orders++;
            if (outcome.second === "ERR_SESSION_LOCK_TIMEOUT") continue; // the first holds it
            expect(allowed, `${name}, before command ${stopAt}`).toContainEqual(outcome);
          }
        }
        expect(orders).toBeGreaterThanOrEqual(named.length);
      },
    );

    it.each(atOnce)(
      "%s that dies in its midst: as if it had been made, or not",
      async (_, first) => {
        for (const [name, second] of named) {
          const allowed = [
            await inTurn(begin, first, second, false),
            await inTurn(begin, undefined, second, false),
          ];
          for (const outcome of allowed) outcome.first = undefined;
          for (let stopAt = 1; ; stopAt++) {
            const outcome = await interleaved(begin, first, second, stopAt, true);
            if (!outcome) break;
            if (outcome.second === "ERR_SESSION_LOCK_TIMEOUT") continue;
            expect(allowed, `${name}, before command ${stopAt}`).toContainEqual(outcome);
          }
        }
      },
    );
  });
});
