// A client of our own, for a url.

import type { RedisClient } from "./client.ts";
import { missingClient } from "./error.ts";

/**
 * A client for these servers, not connected yet: of ioredis, or of redis where only that is installed.
 * It holds nothing back while it has no connection, and sends nothing again by itself.
 */
export async function connectTo(urls: readonly string[], timeoutMs: number): Promise<RedisClient> {
  try {
    return (await ioredis(urls, timeoutMs)) ?? (await nodeRedis(urls, timeoutMs));
  } catch (error) {
    throw missingClient(error);
  }
}

async function ioredis(
  urls: readonly string[],
  timeoutMs: number,
): Promise<RedisClient | undefined> {
  const module = await imported(() => import("ioredis"));
  if (!module) return undefined;
  const { Redis, Cluster } = module;
  const options = {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: timeoutMs,
    retryStrategy: delayMs,
    // A master that has become a replica refuses writes: whoever answers to the name is to be asked anew.
    reconnectOnError: (error: Error) => error.message.startsWith("READONLY"),
  };
  const [url = ""] = urls;
  if (urls.length === 1) return new Redis(url, options);
  const { lazyConnect, enableOfflineQueue, retryStrategy: _, ...redisOptions } = options;
  return new Cluster([...urls], {
    lazyConnect,
    enableOfflineQueue,
    redisOptions,
    clusterRetryStrategy: delayMs,
    retryDelayOnFailover: 0, // what was sent to a node that has failed is not sent to the next one
  });
}

async function nodeRedis(urls: readonly string[], timeoutMs: number): Promise<RedisClient> {
  const { createClient, createCluster } = await import("redis");
  const defaults = {
    disableOfflineQueue: true,
    socket: { connectTimeout: timeoutMs, reconnectStrategy: delayMs },
  };
  const [url = ""] = urls;
  if (urls.length === 1) return createClient({ url, ...defaults });
  return createCluster({
    rootNodes: urls.map((url) => ({ url })),
    defaults,
    topologyRefreshOnReconnectionAttemptStrategy: 500, // of 6: when a node has failed
  });
}

/** Milliseconds until the next attempt to connect. */
function delayMs(attempt: number): number {
  return Math.min(50 * 2 ** Math.min(attempt, 5), 1000);
}

/** The module, or `undefined` where it is not installed. */
async function imported<T>(load: () => Promise<T>): Promise<T | undefined> {
  try {
    return await load();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND")
      return undefined;
    throw error;
  }
}
