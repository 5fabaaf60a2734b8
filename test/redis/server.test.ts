// What the tests of Redis stand on: the servers they start do what they say, seen from real clients.

import { existsSync } from "node:fs";
import * as ioredis6 from "ioredis";
import * as ioredis5 from "ioredis-v5";
import * as redis6 from "redis";
import * as redis5 from "redis-v5";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { has } from "../_needs.ts";
import { type RedisCluster, startCluster } from "./_cluster.ts";
import { type RedisSentinel, startSentinel } from "./_sentinel.ts";
import { argsOf, type RedisServer, startRedis, until } from "./_server.ts";

const isPossible = has("redis-server");

/** What all clients can do. */
interface Client {
  get(key: string): Promise<string | null>;
  set(key: string, value: string): Promise<unknown>;
  on(event: "error", listener: (error: Error) => void): unknown;
}

/** It is closed when the test is over. The loss of a connection is an event that nobody minds here. */
function closing<T extends Client & ({ disconnect(): void } | { destroy(): unknown })>(
  client: T,
): T {
  client.on("error", () => {});
  onTestFinished(async () => {
    if ("destroy" in client) await client.destroy();
    else client.disconnect();
  });
  return client;
}

const clients: Record<string, (server: RedisServer) => Promise<Client>> = {
  "ioredis 5": async ({ port }) => closing(new ioredis5.Redis(port)),
  "ioredis 6": async ({ port }) => closing(new ioredis6.Redis(port)),
  "node-redis 5": async ({ url }) => closing(redis5.createClient({ url })).connect(),
  "node-redis 6": async ({ url }) => closing(redis6.createClient({ url })).connect(),
};

describe.runIf(isPossible)("a server", () => {
  async function started(...how: Parameters<typeof startRedis>): Promise<RedisServer> {
    const server = await startRedis(...how);
    onTestFinished(() => server.close());
    return server;
  }

  it("is the process with its pid, and one of its own", async () => {
    const [one, other] = await Promise.all([started(), started()]);
    expect(await one.call("INFO", "server")).toContain(`\r\nprocess_id:${one.pid}\r\n`);
    await one.call("SET", "whose", "mine");
    expect(await other.call("GET", "whose")).toBe(null);
  });

  it("is gone with its directory when it is closed", async () => {
    const server = await startRedis();
    expect(existsSync(server.dir)).toBe(true);
    await server.close();
    expect(existsSync(server.dir)).toBe(false);
    expect(() => process.kill(server.pid, 0)).toThrow("ESRCH");
    await expect(server.call("PING")).rejects.toThrow("ECONNREFUSED");
  });

  it("that cannot start says why", async () => {
    await expect(startRedis({ args: ["--hz", "often"] })).rejects.toThrow("couldn't be parsed");
    const { port } = await started();
    await expect(startRedis({ port })).rejects.toThrow("Address already in use");
  });

  it("answers a command with any kind of reply", async () => {
    const server = await started();
    const replies = `return {1, "ü", {"", false}, redis.status_reply("OK")}`;
    expect(await server.call("EVAL", replies, "0")).toEqual([1, "ü", ["", null], "OK"]);
    const long = "x".repeat(1_000_000);
    expect(await server.call("ECHO", long)).toBe(long);
    await expect(server.call("EVALSHA", "0", "0")).rejects.toThrow(/^NOSCRIPT No matching script/);
  });

  it("forgets all when it is started again, and keeps what its arguments have it keep", async () => {
    const [forgets, keeps] = await Promise.all([
      started(),
      started({ args: argsOf({ appendonly: "yes", appendfsync: "always" }) }),
    ]);
    for (const server of [forgets, keeps]) {
      await server.call("SET", "a", "1");
      const { port, pid } = server;
      await server.kill();
      await server.restart();
      expect(server.port).toBe(port);
      expect(server.pid).not.toBe(pid);
    }
    expect([await forgets.call("GET", "a"), await keeps.call("GET", "a")]).toEqual([null, "1"]);
  });

  it.each(Object.keys(clients))("that is killed and restarted is there again: %s", async (name) => {
    const server = await started();
    const client = await clients[name]!(server);
    await client.set("a", "1");
    await server.kill();
    await server.restart();
    // The command may still meet the connection that is gone.
    await until(async () => (await client.get("a").catch(String)) === null);
    await client.set("a", "2");
    expect(await server.call("GET", "a")).toBe("2");
  });

  it.each(Object.keys(clients))("that pauses answers later: %s", async (name) => {
    const server = await started();
    const client = await clients[name]!(server);
    await client.set("a", "1");
    await server.pause(200);
    const start = performance.now();
    expect(await client.get("a")).toBe("1");
    expect(performance.now() - start).toBeGreaterThan(150);
  });
});

describe.runIf(isPossible)("a cluster", () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startCluster();
  });
  afterAll(() => cluster.close());

  const nodesOf = ({ nodes }: RedisCluster): { host: string; port: number }[] =>
    nodes.map(({ port }) => ({ host: "127.0.0.1", port }));
  const rootNodesOf = ({ urls }: RedisCluster): { url: string }[] => urls.map((url) => ({ url }));

  const clusterClients: Record<string, () => Promise<Client>> = {
    "ioredis 5": async () => closing(new ioredis5.Cluster(nodesOf(cluster))),
    "ioredis 6": async () => closing(new ioredis6.Cluster(nodesOf(cluster))),
    "node-redis 5": () =>
      closing(redis5.createCluster({ rootNodes: rootNodesOf(cluster) })).connect(),
    "node-redis 6": () =>
      closing(redis6.createCluster({ rootNodes: rootNodesOf(cluster) })).connect(),
  };

  it("has the slots that Redis gives to keys", async () => {
    // https://redis.io/docs/latest/commands/cluster-keyslot
    expect(await cluster.slotOf("somekey")).toBe(11_058);
    expect(await cluster.slotOf("foo{hash_tag}")).toBe(2515);
    expect(await cluster.masterOf(0)).toBe(cluster.nodes[0]);
    expect(await cluster.masterOf(16_383)).toBe(cluster.nodes[2]);
  });

  it.each(Object.keys(clusterClients))(
    "moves a slot with its keys, which a client still finds: %s",
    async (name) => {
      const client = await clusterClients[name]!();
      const tag = `{${name}}`;
      const keys = Array.from({ length: 150 }, (_, n) => `${tag}${n}`);
      for (const key of keys) await client.set(key, `of ${key}`);
      const slot = await cluster.slotOf(tag);
      const from = await cluster.masterOf(slot);
      const toIndex = (cluster.nodes.indexOf(from) + 1) % 3;

      await cluster.moveSlot(slot, toIndex);

      expect(await cluster.masterOf(slot)).toBe(cluster.nodes[toIndex]);
      await expect(from.call("GET", keys[0]!)).rejects.toThrow(/^MOVED /);
      for (const key of keys) expect(await client.get(key)).toBe(`of ${key}`);
    },
  );
});

describe.runIf(isPossible)("sentinels", () => {
  let sentinel: RedisSentinel;
  beforeAll(async () => {
    sentinel = await startSentinel();
  });
  afterAll(() => sentinel.close());

  it("name another master when theirs is killed, which every client finds", async () => {
    const { name } = sentinel;
    const nodes = sentinel.sentinels.map(({ port }) => ({ host: "127.0.0.1", port }));
    const clients: Client[] = [
      closing(new ioredis5.Redis({ sentinels: nodes, name })),
      closing(new ioredis6.Redis({ sentinels: nodes, name })),
      await closing(redis5.createSentinel({ name, sentinelRootNodes: nodes })).connect(),
      await closing(redis6.createSentinel({ name, sentinelRootNodes: nodes })).connect(),
    ];
    const first = await sentinel.master();
    for (const client of clients) await client.set("a", "1");

    const second = await sentinel.failOver();

    expect(sentinel.servers).toContain(second);
    expect(second).not.toBe(first);
    expect(await second.call("ROLE")).toEqual(["master", expect.any(Number), []]);
    for (const [n, client] of clients.entries()) {
      await until(async () => (await client.set("by", String(n)).catch(String)) === "OK");
      expect(await second.call("GET", "by")).toBe(String(n));
    }
  });
});
