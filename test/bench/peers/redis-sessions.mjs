// Sessions in Redis, as RedisHandler has them and as people keep them there otherwise. unstorage's
// driver and RedisHandler take the same ioredis; connect-redis and RedisHandler the same node-redis.

import { createClient } from "redis";
import { createStorage } from "unstorage-v1";
import redisDriver from "unstorage-v1/drivers/redis";
// By its path: a package.json beside the peers hides the package's own name.
import { RedisHandler } from "../../../dist/redis.js";

const day = 86_400;
const itself = (data) => data;

/**
 * `{ name, readNow?(id), read(id), dataOf(answer), update(id), write(id, data), close() }` of each.
 * `update` counts `visits` up by one.
 */
export async function openRedisSessions(port) {
  const url = `redis://127.0.0.1:${port}`;
  return [
    ofHandler("RedisHandler, ioredis", new RedisHandler({ url })),
    await ofNodeRedis(url),
    ofUnstorage(url),
    await ofConnectRedis(url),
  ];
}

export async function nodeRedis(url) {
  const client = createClient({ url });
  client.on("error", () => {});
  await client.connect();
  return client;
}

export function ofHandler(name, handler, close = () => handler.close()) {
  return {
    name,
    readNow: (id) => handler.retrieve(id, { blocking: false }),
    read: (id) => handler.retrieve(id),
    dataOf: (record) => record.data,
    update: (id) => handler.update(id, ({ data }) => ({ ...data, visits: data.visits + 1 })),
    write: (id, data) => handler.store(id, data, { idleTimeout: day }),
    close,
  };
}

async function ofNodeRedis(url) {
  const client = await nodeRedis(url);
  const handler = new RedisHandler({ client, prefix: "node:" });
  return ofHandler("RedisHandler, node-redis", handler, () => client.destroy());
}

export function ofUnstorage(url) {
  const storage = createStorage({ driver: redisDriver({ url, base: "unstorage", ttl: day }) });
  return {
    name: "unstorage redis",
    read: (id) => storage.getItem(id),
    dataOf: itself,
    update: async (id) => {
      const data = await storage.getItem(id);
      await storage.setItem(id, { ...data, visits: data.visits + 1 });
    },
    write: (id, data) => storage.setItem(id, data),
    close: () => storage.dispose(),
  };
}

async function ofConnectRedis(url) {
  const { RedisStore } = await import("connect-redis");
  const client = await nodeRedis(url);
  const store = new RedisStore({ client, prefix: "connect:" });
  const cookie = { originalMaxAge: 1000 * day, httpOnly: true, path: "/" };
  return {
    name: "connect-redis",
    read: (id) => store.get(id),
    dataOf: itself,
    update: async (id) => {
      const data = await store.get(id);
      await store.set(id, { ...data, visits: data.visits + 1 });
    },
    write: (id, data) => store.set(id, { cookie, ...data }),
    close: () => client.destroy(),
  };
}
