// Sessions in Redis: requests, operations, round trips, and one session that everybody wants, beside
// what else keeps sessions there. Redis has a process and a core of its own, which wrk shares, and keeps
// nothing on disk.

import { canPin, isInstalled } from "../child.mjs";
import { nodeRedis } from "../peers/redis-sessions.mjs";
import { startRedis } from "../peers/redis.mjs";
import { measureCapacity, measureMemory } from "../redis/capacity.mjs";
import { measureCommands } from "../redis/commands.mjs";
import { measureContention } from "../redis/contention.mjs";
import { measureOperations } from "../redis/operations.mjs";
import { measureRequests } from "../redis/requests.mjs";

export const title = "Redis";

const all = [
  measureCommands,
  measureRequests,
  measureOperations,
  measureContention,
  measureMemory,
  measureCapacity,
];

export async function measure(options) {
  if (!isInstalled("redis-server")) {
    const why = "redis-server is missing: apt-get install redis-server";
    return { rows: [], figures: [], notes: [why] };
  }
  const server = await startRedis({ core: 1 });
  const client = await nodeRedis(`redis://127.0.0.1:${server.port}`);
  const redis = {
    port: server.port,
    cpuMicros: () => cpuMicros(client),
    usedMemory: async () => (await info(client, "memory"))("used_memory"),
    flush: () => client.sendCommand(["FLUSHALL", "SYNC"]),
  };
  const parts = [];
  try {
    for (const part of all) parts.push(await part({ ...options, redis }));
  } finally {
    client.destroy();
    await server.close();
  }
  const shared = "Everything shares the cores: there is no taskset, or one core.";
  return {
    rows: parts.flatMap(({ rows }) => rows),
    figures: parts.flatMap(({ figures = [] }) => figures),
    parts: parts.map(({ title, rows, notes }) => ({
      title,
      rows,
      notes: canPin ? notes : [shared],
    })),
  };
}

/** What the thread of Redis that does the commands has used so far. */
async function cpuMicros(client) {
  const said = await info(client, "cpu");
  return 1e6 * (said("used_cpu_user_main_thread") + said("used_cpu_sys_main_thread"));
}

/** The numbers that Redis says of itself, by their names. */
async function info(client, section) {
  const text = await client.sendCommand(["INFO", section]);
  return (name) => Number(new RegExp(`^${name}:(.*)$`, "m").exec(text)[1]);
}
