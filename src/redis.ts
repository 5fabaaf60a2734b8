export { RedisHandler } from "./redis/handler.ts";
export type { RedisHandlerOptions } from "./redis/options.ts";
export type {
  IoredisLike,
  NodeRedisClusterLike,
  NodeRedisLike,
  NodeRedisSentinelLike,
  RedisClient,
} from "./redis/client.ts";
