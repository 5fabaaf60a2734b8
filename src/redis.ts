// Sessions in Redis, for more than one machine: the handler, and by default the unstorage driver.

import { SealedHandler } from "./index.ts";
import { RedisHandler } from "./redis/handler.ts";
import type { RedisHandlerOptions } from "./redis/options.ts";
import { type SessionMeta, type StorageDriver, storageDriver } from "./storage/driver.ts";

export type {
  IoredisLike,
  NodeRedisClusterLike,
  NodeRedisLike,
  NodeRedisSentinelLike,
  RedisClient,
} from "./redis/client.ts";
export { RedisHandler, type RedisHandlerOptions, type SessionMeta };

/** The options of the driver, plain JSON but for a `client`. */
export interface RedisDriverOptions extends RedisHandlerOptions {
  /**
   * That of `useFileSession`, for the same sessions. Given in a config that is built in, as
   * `nitro.config.ts` is, it stands in the built server, as a password in `url` does: mount the driver
   * when the server starts.
   */
  secret?: string | readonly string[] | undefined;
}

/**
 * A driver for unstorage. Every member rejects with a `SessionError`; only a miss is `null` or `false`.
 * It does not watch: a storage then tells of what is done with itself.
 */
export type RedisDriver = StorageDriver<{ prefix?: string }, RedisHandler>;

/**
 * A driver that keeps items as sessions in Redis: `filesession/driver` for more than one machine.
 * Throws what `new RedisHandler` and `new SealedHandler` throw.
 *
 * @example
 * // nitro.config.ts
 * export default defineNitroConfig({
 *   storage: { sessions: { driver: "filesession/redis", url: "redis://10.0.0.5:6379" } },
 * });
 */
export default function driver(options: RedisDriverOptions = {}): RedisDriver {
  const { secret, ...others } = options;
  const { prefix } = others;
  const redis = new RedisHandler(others);
  return storageDriver({
    options: prefix === undefined ? {} : { prefix },
    instance: redis,
    handler: "secret" in options ? new SealedHandler(redis, secret ?? "") : redis,
    size: (key) => redis._bytes(key),
  });
}
