import { Redis } from "ioredis";
import type { Kept, Place } from "./place.ts";

/** The keys of this Redis. They are read over a connection of their own: no driver, no handler. */
export function redisAt(url: string): Place {
  const { host } = new URL(url); // which may hold a password besides
  return {
    kind: "redis",
    where: `Redis at ${host}`,
    read: (id) => readSession(url, `sess:{${id}}`),
  };
}

async function readSession(url: string, name: string): Promise<Kept | undefined> {
  const redis = new Redis(url);
  try {
    const [text, lifetime] = await Promise.all([redis.get(name), redis.pttl(name)]);
    if (text === null) return undefined;
    return {
      name,
      command: `redis-cli GET ${name}`,
      text,
      bytes: Buffer.byteLength(text),
      expires: new Date(Date.now() + lifetime),
    };
  } finally {
    redis.disconnect();
  }
}
