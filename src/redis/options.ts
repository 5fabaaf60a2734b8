// The options of a RedisHandler: what they are, what they are by default, what they may be.

import { badOption } from "../core/error.ts";
import { maxBytesOf } from "../core/max-bytes.ts";
import { milliseconds, seconds } from "../core/seconds.ts";
import { isClient, type RedisClient } from "./client.ts";

/** All of them are plain JSON but `client`. */
export interface RedisHandlerOptions {
  /**
   * Where Redis is: `redis://user:password@host:6379/0`, `rediss:` for TLS; of a Cluster some of its
   * nodes, as a list. The client is ioredis, or else redis, whichever is installed. Connected when it is
   * first needed. Default `redis://127.0.0.1:6379`.
   */
  url?: string | readonly string[];
  /**
   * A client of yours instead: of ioredis 5 or 6, or redis 5 or 6, for one server, Sentinels or a
   * Cluster. `close` leaves it open.
   */
  client?: RedisClient;
  /** What the names of all keys begin with: any text without spaces or braces. Default `sess:`. */
  prefix?: string;
  /**
   * Seconds within which Redis has to be reached and to answer, before `ERR_SESSION_DIR`. Default 2.
   */
  timeout?: number;
  /** Seconds to wait for a session that somebody holds, before `ERR_SESSION_LOCK_TIMEOUT`. Default 15. */
  lockTimeout?: number;
  /** Bytes that one session's data may have, as stored. Default 1048576. */
  maxBytes?: number;
  /**
   * Replicas that must have a write before it is acknowledged, as `WAIT` of Redis has it; what too few
   * have within `timeout` is `ERR_SESSION_DIR`, though it is written. Default 0.
   */
  replicas?: number;
}

/** All options, with durations in milliseconds. */
export interface Settings {
  urls: readonly string[];
  client: RedisClient | undefined;
  prefix: string;
  timeoutMs: number;
  lockTimeoutMs: number;
  maxBytes: number;
  replicas: number;
}

/** What messages on diagnostics channels call a `RedisHandler`. */
export const handlerName = "redis";

/** The options with their defaults. Throws `ERR_SESSION_OPTION` for one that makes no sense. */
export function readOptions(options: RedisHandlerOptions): Settings {
  const {
    url = "redis://127.0.0.1:6379",
    client,
    prefix = "sess:",
    timeout = 2,
    lockTimeout = 15,
    maxBytes,
    replicas = 0,
  } = options;
  const urls = [url].flat() as string[];
  if (urls.length === 0 || !urls.every(isRedisUrl))
    // It may hold a password.
    throw badOption("url", typeof url, "`redis://` or `rediss://` and a host, or a list of such");
  if (client !== undefined && !isClient(client))
    throw badOption("client", typeof client, "a client of ioredis or redis");
  if (typeof prefix !== "string" || /[\s{}]/.test(prefix) || prefix.length > 256)
    throw badOption("prefix", prefix, "a text of at most 256 characters without spaces or braces");
  if (!Number.isInteger(replicas) || replicas < 0)
    throw badOption("replicas", replicas, "a whole number, 0 or more");
  // It sends a command without a key, which WAIT is, to any of its nodes.
  if (replicas > 0 && (client ? "nodes" in client : urls.length > 1))
    throw badOption("replicas", replicas, "0 with a Cluster, unless `client` is one of redis");
  return {
    urls,
    client,
    prefix,
    timeoutMs: milliseconds("timeout", timeout),
    lockTimeoutMs: 1000 * seconds("lockTimeout", lockTimeout),
    maxBytes: maxBytesOf(maxBytes),
    replicas,
  };
}

function isRedisUrl(url: unknown): boolean {
  return typeof url === "string" && /^rediss?:\/\/[^\s/]/.test(url) && URL.canParse(url);
}
