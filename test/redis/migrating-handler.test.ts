// Sessions on their way between files and Redis. What may befall them on it is told in
// ../migrating-handler.test.ts.

import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, it } from "vitest";
import type { Handler } from "../../src/index.ts";
import { RedisHandler } from "../../src/redis.ts";
import { testHandler } from "../../src/testing.ts";
import { fileSide, harnessOfBoth, harnessOfFirst, type Side } from "../_migration.ts";
import { has } from "../_needs.ts";
import { brokenBy, lineTo } from "./_line.ts";
import { type RedisServer, startRedis } from "./_server.ts";

let places = 0;

/** A place of its own, that is cleaned when it is asked to be, as its handler is by itself. */
async function redisSide(server: RedisServer): Promise<Side> {
  const line = await lineTo(server.port);
  const client = new Redis(line.url, { enableOfflineQueue: false, maxRetriesPerRequest: 0 });
  const options = { client, prefix: `test-${++places}:`, timeout: 0.5 };
  return {
    open(): Handler {
      const handler: Handler = new RedisHandler(options);
      return Object.assign(handler, { selfCleaning: false });
    },
    ...brokenBy(line, { close: () => client.disconnect() }),
  };
}

describe.runIf(has("redis-server"))("migratingHandler, with Redis", () => {
  let server: RedisServer;
  beforeAll(async () => void (server = await startRedis()));
  afterAll(() => server.close());

  const newRedis = (): Promise<Side> => redisSide(server);
  const pairs = [
    ["files", "Redis", fileSide, newRedis],
    ["Redis", "files", newRedis, fileSide],
  ] as const;

  describe.each(pairs)("from %s to %s", (_from, _to, newFrom, newTo) => {
    testHandler(it, async () => harnessOfBoth(await newFrom(), await newTo()));
  });

  describe.each(pairs)(
    "from %s to %s, all sessions being in the first",
    (_from, _to, newFrom, newTo) => {
      testHandler(it, async () => harnessOfFirst(await newFrom(), await newTo()));
    },
  );
});
