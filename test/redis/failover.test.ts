// A master is killed under traffic, and its replica takes over.

import { setImmediate as nextTurn } from "node:timers/promises";
import * as ioredis6 from "ioredis";
import * as ioredis5 from "ioredis-v5";
import * as redis6 from "redis";
import * as redis5 from "redis-v5";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SessionError } from "../../src/index.ts";
import { type RedisClient, RedisHandler, type RedisHandlerOptions } from "../../src/redis.ts";
import { has } from "../_needs.ts";
import { startCluster } from "./_cluster.ts";
import { startSentinel } from "./_sentinel.ts";
import { type RedisServer, until } from "./_server.ts";

const isPossible = has("redis-server");

/** Seconds. */
const timeout = 1;
/** So many at once count one session up. They come one after the other. */
const callers = 3;

/** A session that is counted up by callers of one handler, until they are stopped. */
class Counted {
  sent = 0;
  acknowledged = 0;
  readonly failures: { error: unknown; ms: number }[] = [];
  readonly #id: string;
  readonly #handler: RedisHandler;
  readonly #calling: Promise<unknown>;
  #isStopped = false;

  constructor(id: string, options: RedisHandlerOptions) {
    this.#id = id;
    this.#handler = new RedisHandler({ timeout, ...options });
    this.#calling = Promise.all(Array.from({ length: callers }, () => this.#call()));
  }

  async #call(): Promise<void> {
    while (!this.#isStopped) {
      this.sent++;
      const begun = performance.now();
      try {
        await this.#handler.update<number>(this.#id, ({ data = 0 }) => data + 1);
        this.acknowledged++;
      } catch (error) {
        this.failures.push({ error, ms: performance.now() - begun });
      }
      await nextTurn();
    }
  }

  /** Resolves when some more have been acknowledged. */
  async goesOn(): Promise<void> {
    const enough = this.acknowledged + 10;
    await until(async () => this.acknowledged >= enough);
  }

  /** What it has been counted up to. */
  async end(): Promise<number> {
    this.#isStopped = true;
    await this.#calling;
    const { data = 0 } = await this.#handler.retrieve<number>(this.#id);
    await this.#handler.close();
    return data;
  }
}

type Kill = (master: RedisServer, replica: RedisServer) => Promise<void>;

/** Servers, and the clients that ask them. */
interface Setup extends AsyncDisposable {
  /** Makes a client of that name, or says how a handler makes one itself. */
  options(client: string): RedisHandlerOptions;
  /** Whether the key is with the master that will fail. */
  isThere(key: string): Promise<boolean>;
  /** Resolves when the others know the new master. Gives what brings the old one back. */
  failOver(kill: Kill): Promise<() => Promise<unknown>>;
}

/** What a session has come to. */
interface Outcome {
  /** Whether it went on with the new master; the reason if not. */
  wentOn: PromiseSettledResult<void>;
  sent: number;
  acknowledged: number;
  count: number;
  failures: Counted["failures"];
}

/** For each of these clients a session, and one more with `replicas: 1`, on a master that fails. */
async function failOver(
  setup: Setup,
  plain: readonly string[],
  replicated: readonly string[],
): Promise<{ plain: Map<string, Outcome>; replicated: Map<string, Outcome> }> {
  const ids = idsIn(setup);
  const begin = async (client: string, more: RedisHandlerOptions): Promise<Counted> => {
    const { value } = await ids.next();
    return new Counted(value, { ...setup.options(client), ...more });
  };
  const some = await Promise.all(plain.map((client) => begin(client, {})));
  const others = await Promise.all(replicated.map((client) => begin(client, { replicas: 1 })));
  await Promise.all([...some, ...others].map((one) => one.goesOn()));

  const bringBack = await setup.failOver(async (master, replica) => {
    await holdUp(master, replica);
    await Promise.all(some.map((one) => one.goesOn()));
    await master.kill();
    process.kill(replica.pid, "SIGCONT");
  });
  const someWentOn = await Promise.allSettled(some.map((one) => one.goesOn()));
  await bringBack(); // nobody has what they write before
  const othersWentOn = await Promise.allSettled(others.map((one) => one.goesOn()));

  const outcomes = async (
    names: readonly string[],
    sessions: Counted[],
    wentOn: PromiseSettledResult<void>[],
  ): Promise<Map<string, Outcome>> => {
    const counts = await Promise.all(sessions.map((one) => one.end()));
    return new Map(
      sessions.map(({ sent, acknowledged, failures }, n) => [
        names[n]!,
        { wentOn: wentOn[n]!, sent, acknowledged, failures, count: counts[n]! },
      ]),
    );
  };
  return {
    plain: await outcomes(plain, some, someWentOn),
    replicated: await outcomes(replicated, others, othersWentOn),
  };
}

/** From now on the replica gets nothing. It has what the system holds for it when it goes on. */
async function holdUp(master: RedisServer, replica: RedisServer): Promise<void> {
  process.kill(replica.pid, "SIGSTOP");
  const text = "x".repeat(1_000_000);
  await until(async () => {
    await master.call("SET", "of nobody {06S}", text); // slot 0
    const replicas = String(await master.call("CLIENT", "LIST", "TYPE", "replica"));
    return Number(/ omem=(\d+)/.exec(replicas)?.[1]) > 2 * text.length; // held by the master
  });
}

async function* idsIn(setup: Setup): AsyncGenerator<string, never, undefined> {
  for (let n = 0; ; n++) if (await setup.isThere(`sess:{s${n}}`)) yield `s${n}`;
}

/** What is true of a failover, whatever has made it. */
function describeFailover(
  start: () => Promise<Setup>,
  plain: readonly string[],
  replicated: readonly string[],
): void {
  let setup: Setup;
  let of: Awaited<ReturnType<typeof failOver>>;
  beforeAll(async () => {
    setup = await start();
    of = await failOver(setup, plain, replicated);
  }, 60_000);
  afterAll(() => setup[Symbol.asyncDispose]());

  it.each(plain)("goes on by itself: %s", (client) => {
    expect(of.plain.get(client)?.wentOn).toEqual({ status: "fulfilled", value: undefined });
  });

  it.each(plain)("loses what the replica did not have: %s", (client) => {
    const { count, acknowledged } = of.plain.get(client)!;
    expect(count).toBeLessThan(acknowledged);
  });

  it.each(replicated)("with `replicas: 1` goes on when there is a replica again: %s", (client) => {
    expect(of.replicated.get(client)?.wentOn).toEqual({ status: "fulfilled", value: undefined });
  });

  it.each(replicated)("with `replicas: 1` loses nothing that was acknowledged: %s", (client) => {
    const { count, acknowledged } = of.replicated.get(client)!;
    expect(count).toBeGreaterThanOrEqual(acknowledged);
  });

  it("makes no change twice", () => {
    for (const { count, sent } of [...of.plain.values(), ...of.replicated.values()])
      expect(count).toBeLessThanOrEqual(sent);
  });

  it("rejects with ERR_SESSION_DIR meanwhile, in time, or waits", () => {
    for (const [outcomes, timeouts] of [
      [of.plain, 2], // to read, and to write
      [of.replicated, 4], // and to be told by replicas, which may take twice as long
    ] as const)
      for (const { failures } of outcomes.values())
        for (const { error, ms } of failures) {
          if (!(error instanceof SessionError)) throw error;
          expect(error.code, error.message).toBe("ERR_SESSION_DIR");
          expect(ms, error.message).toBeLessThan(callers * (timeouts * timeout + 1) * 1000);
        }
  });
}

/** Clients that are closed at the end. The loss of a connection is an event that nobody minds here. */
class Clients {
  readonly #all: (RedisClient & ({ disconnect(): void } | { destroy(): unknown }))[] = [];

  add<T extends RedisClient>(client: T): { client: T } {
    client.on("error", () => {});
    this.#all.push(client);
    return { client };
  }

  async close(): Promise<void> {
    for (const client of this.#all)
      if ("destroy" in client) await client.destroy();
      else client.disconnect();
  }
}

// As docs/scaling.md says it.
const sendsOnce = { autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 };
const ofIoredis = { enableOfflineQueue: false, ...sendsOnce };
const ofIoredisCluster = {
  enableOfflineQueue: false,
  retryDelayOnFailover: 0,
  redisOptions: sendsOnce,
};
const ofNodeRedis = { disableOfflineQueue: true };

async function withSentinels(): Promise<Setup> {
  const setup = await startSentinel();
  const clients = new Clients();
  const nodes = setup.sentinels.map(({ port }) => ({ host: "127.0.0.1", port }));
  const { name } = setup;
  const makers: Record<string, () => RedisHandlerOptions> = {
    "ioredis 5": () => clients.add(new ioredis5.Redis({ sentinels: nodes, name, ...ofIoredis })),
    "ioredis 6": () => clients.add(new ioredis6.Redis({ sentinels: nodes, name, ...ofIoredis })),
    "node-redis 5": () =>
      clients.add(
        redis5.createSentinel({ name, sentinelRootNodes: nodes, nodeClientOptions: ofNodeRedis }),
      ),
    "node-redis 6": () =>
      clients.add(
        redis6.createSentinel({ name, sentinelRootNodes: nodes, nodeClientOptions: ofNodeRedis }),
      ),
  };
  return {
    options: (client) => makers[client]!(),
    isThere: async () => true,
    async failOver(kill) {
      const old = await setup.master();
      const master = await setup.failOver(kill);
      return async () => {
        await old.restart();
        // The Sentinels would do that too, after 10 seconds.
        await old.call("REPLICAOF", "127.0.0.1", String(master.port));
      };
    },
    async [Symbol.asyncDispose]() {
      await clients.close();
      await setup.close();
    },
  };
}

async function withCluster(): Promise<Setup> {
  const setup = await startCluster({ replicas: 1 });
  const clients = new Clients();
  const nodes = setup.nodes.map(({ port }) => ({ host: "127.0.0.1", port }));
  const makers: Record<string, () => RedisHandlerOptions> = {
    urls: () => ({ url: setup.urls }),
    "ioredis 5": () => clients.add(new ioredis5.Cluster(nodes, ofIoredisCluster)),
    "ioredis 6": () => clients.add(new ioredis6.Cluster(nodes, ofIoredisCluster)),
    "node-redis 6": () =>
      clients.add(
        redis6.createCluster({
          rootNodes: setup.urls.map((url) => ({ url })),
          defaults: ofNodeRedis,
          topologyRefreshOnReconnectionAttemptStrategy: 500,
        }),
      ),
  };
  const first = setup.nodes[0]!;
  return {
    options: (client) => makers[client]!(),
    isThere: async (key) => (await setup.masterOf(await setup.slotOf(key))) === first,
    async failOver(kill) {
      const old = await setup.failOver(0, kill);
      return () => old.restart(); // it hears from the others that it is a replica now
    },
    async [Symbol.asyncDispose]() {
      await clients.close();
      await setup.close();
    },
  };
}

describe.runIf(isPossible)("RedisHandler, whose Sentinels name another master", () => {
  const clients = ["ioredis 5", "ioredis 6", "node-redis 5", "node-redis 6"];
  describeFailover(withSentinels, clients, clients);
});

describe.runIf(isPossible)("RedisHandler, in a Cluster where a replica takes over", () => {
  describeFailover(
    withCluster,
    ["urls", "ioredis 5", "ioredis 6", "node-redis 6"],
    ["node-redis 6"],
  );
});
