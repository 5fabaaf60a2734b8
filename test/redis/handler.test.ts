import { Cluster as ClusterV6, Redis as RedisV6 } from "ioredis";
import { Cluster as ClusterV5, Redis as RedisV5 } from "ioredis-v5";
import * as nodeRedisV6 from "redis";
import * as nodeRedisV5 from "redis-v5";
import { afterAll, beforeAll, describe, it } from "vitest";
import { type RedisClient, RedisHandler } from "../../src/redis.ts";
import { type HandlerHarness, moveClock, testHandler } from "../../src/testing.ts";
import { has } from "../_needs.ts";
import { type RedisCluster, startCluster } from "./_cluster.ts";
import { brokenBy, lineTo } from "./_line.ts";
import { type RedisServer, startRedis } from "./_server.ts";

/** A client, and what ends it. */
interface Opened {
  client: RedisClient;
  end(): void;
}

const ofOneServer: Record<string, (url: string) => Opened | Promise<Opened>> = {
  "ioredis 5": (url) => ofIoredis(new RedisV5(url)),
  "ioredis 6": (url) => ofIoredis(new RedisV6(url)),
  "node-redis 5": (url) => ofNodeRedis(nodeRedisV5.createClient({ url })),
  "node-redis 6": (url) => ofNodeRedis(nodeRedisV6.createClient({ url })),
};

const ofCluster: Record<string, (urls: string[]) => Opened | Promise<Opened>> = {
  "ioredis 5": (urls) => ofIoredis(new ClusterV5(urls)),
  "ioredis 6": (urls) => ofIoredis(new ClusterV6(urls)),
  "node-redis 5": (urls) => ofNodeRedis(nodeRedisV5.createCluster({ rootNodes: nodes(urls) })),
  "node-redis 6": (urls) => ofNodeRedis(nodeRedisV6.createCluster({ rootNodes: nodes(urls) })),
};

function ofIoredis(client: RedisClient & { disconnect(): void }): Opened {
  return { client, end: () => client.disconnect() };
}

function ofNodeRedis(client: RedisClient & { destroy(): unknown }): Opened {
  return { client, end: () => void client.destroy() };
}

function nodes(urls: string[]): { url: string }[] {
  return urls.map((url) => ({ url }));
}

let places = 0;

/** A place of its own, by the clock of this thread. */
function harness(
  open: (prefix: string) => RedisHandler,
): HandlerHarness & { advance(seconds: number): void; close(): void } {
  const prefix = `test ${++places}:`.replace(" ", "-");
  const { advance, restore } = moveClock();
  return { open: () => open(prefix), advance, close: restore };
}

describe.runIf(has("redis-server"))("RedisHandler, one server", () => {
  let server: RedisServer;
  beforeAll(async () => void (server = await startRedis()));
  afterAll(() => server.close());

  describe("by a url", () => {
    testHandler(it, async () => {
      const line = await lineTo(server.port);
      const place = harness((prefix) => new RedisHandler({ url: line.url, prefix }));
      return { ...place, ...brokenBy(line, place) };
    });
  });

  describe.each(Object.entries(ofOneServer))("by a client of %s", (_, open) => {
    let opened: Opened;
    beforeAll(async () => void (opened = await open(server.url)));
    afterAll(() => opened.end());

    testHandler(it, () => harness((prefix) => new RedisHandler({ client: opened.client, prefix })));
  });
});

describe.runIf(has("redis-server"))("RedisHandler, a Cluster of three masters", () => {
  let cluster: RedisCluster;
  beforeAll(async () => void (cluster = await startCluster()));
  afterAll(() => cluster.close());

  describe("by urls", () => {
    testHandler(it, () => harness((prefix) => new RedisHandler({ url: cluster.urls, prefix })));
  });

  describe.each(Object.entries(ofCluster))("by a client of %s", (_, open) => {
    let opened: Opened;
    beforeAll(async () => void (opened = await open(cluster.urls)));
    afterAll(() => opened.end());

    testHandler(it, () => harness((prefix) => new RedisHandler({ client: opened.client, prefix })));
  });
});
