// Redis on this machine, over TCP as it comes, keeping nothing on disk; asked through ioredis.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { spawnOn } from "../child.mjs";

/**
 * A server of our own on a free port; it ends with this process at the latest. With `core` it stays
 * there.
 */
export async function startRedis({ core } = {}) {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  const args = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  const options = { cwd: tmpdir(), stdio: ["ignore", "pipe", "inherit"] };
  const server =
    core === undefined
      ? spawn("redis-server", args.map(String), options)
      : spawnOn(core, "redis-server", args.map(String), options);
  const stop = () => server.kill();
  process.on("exit", stop);
  await new Promise((ready, failed) => {
    server.stdout.on("data", (text) => String(text).includes("Ready to accept") && ready());
    server.on("error", () =>
      failed(new Error("redis-server is missing: apt-get install redis-server")),
    );
    server.on("exit", (code) => failed(new Error(`redis-server ended with ${code}`)));
  });
  return {
    port,
    close: async () => {
      process.off("exit", stop);
      if (server.exitCode !== null) return;
      const ended = once(server, "exit");
      stop();
      await ended;
    },
  };
}

export async function openRedis() {
  const { Redis } = await import("ioredis");
  const server = await startRedis();
  const client = new Redis(server.port, "127.0.0.1");
  return [
    {
      name: "Redis, ioredis",
      read: async (id) => JSON.parse(await client.get(id)),
      dataOf: (data) => data,
      write: (id, data) => client.set(id, JSON.stringify(data), "EX", 86_400),
      close: async () => {
        await client.quit();
        await server.close();
      },
    },
  ];
}
