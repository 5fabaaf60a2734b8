import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { RedisHandler } from "../../src/redis.ts";
import { has } from "../_needs.ts";
import { start, type Worker } from "../_process.ts";
import { type RedisCluster, startCluster } from "./_cluster.ts";
import { type RedisServer, startRedis } from "./_server.ts";

function startWorker(name: string, ...args: string[]): Worker {
  const script = fileURLToPath(new URL(`processes/${name}`, import.meta.url));
  return start(process.execPath, [script, ...args]);
}

function opened(urls: string | string[]): RedisHandler {
  const handler = new RedisHandler({ url: urls, timeout: 20 });
  onTestFinished(() => handler.close());
  return handler;
}

async function idsIn(handler: RedisHandler): Promise<string[]> {
  const ids: string[] = [];
  for await (const id of handler.keys()) ids.push(id);
  return ids;
}

/** 4 processes that run this, until all have ended. */
async function four(name: string, ...args: string[]): Promise<void> {
  await Promise.all(Array.from({ length: 4 }, () => startWorker(name, ...args).done));
}

describe.runIf(has("redis-server"))("4 processes on one Redis", () => {
  let server: RedisServer;
  beforeAll(async () => void (server = await startRedis()));
  beforeEach(async () => void (await server.call("FLUSHALL")));
  afterAll(() => server.close());

  it.each([
    ["at once", "sync", 500],
    ["that take their time", "async", 250],
    ["of both kinds", "mixed", 250],
  ])(
    "with 25 callers each lose no change of one session, made %s, and all end",
    async (_, how, times) => {
      const handler = opened(server.url);

      await four("increment.mjs", server.url, String(times), how);

      expect((await handler.retrieve("counter")).data).toEqual({ n: 4 * times });
      expect(await idsIn(handler)).toEqual(["counter"]);
    },
  );

  it("that move one session 50 times each, adding one, leave one session at 200", async () => {
    const handler = opened(server.url);
    const { time } = await handler.store("first", { n: 0 });

    await four("chain.mjs", server.url, "50");

    const [id = "", ...others] = await idsIn(handler);
    expect(others).toEqual([]);
    expect(await handler.retrieve(id)).toMatchObject({ time, data: { n: 200 } });
    expect(await server.call("DBSIZE")).toBe(1);
  });

  it("do not wait for a holder that has died for longer than its lock lives, 10 s", async () => {
    const handler = opened(server.url);
    await handler.store("a", 1);
    const holder = startWorker("hold.mjs", server.url);
    expect(await holder.line()).toBe("held");
    holder.child.kill("SIGKILL");
    const lock = String(await server.call("GET", "sess:{a}")).split(" ");

    const until = Number(lock[1]) - Date.now();

    expect(lock[0]).toBe("lock");
    expect(until).toBeGreaterThan(5_000);
    expect(until).toBeLessThanOrEqual(10_000);
    await server.call("SETRANGE", "sess:{a}", "5", String(Date.now() + 200)); // most of it is over
    expect((await handler.update<number>("a", ({ data = 0 }) => data + 1)).data).toBe(2);
  });
});

describe.runIf(has("redis-server"))("4 processes on a Cluster", () => {
  let cluster: RedisCluster;
  beforeAll(async () => void (cluster = await startCluster()));
  afterAll(() => cluster.close());

  it("lose nothing while slots are moved from node to node under them", async () => {
    const handler = opened(cluster.urls);
    await handler.store("chain", { n: 0 });
    const urls = cluster.urls.join();
    let isOver = false;

    const work = Promise.all(
      Array.from({ length: 2 }, () => startWorker("increment.mjs", urls, "1000", "mixed").done),
    ).finally(() => (isOver = true));
    const slot = await cluster.slotOf("sess:{counter}");
    let moves = 0;
    while (!isOver) await cluster.moveSlot(slot, ++moves % 3);
    await work;

    expect((await handler.retrieve("counter")).data).toEqual({ n: 2000 });
    expect(moves).toBeGreaterThan(3);
  });

  it("that move one session 50 times each, over all nodes, leave one session at 200", async () => {
    const handler = opened(cluster.urls);
    for (const node of cluster.nodes) await node.call("FLUSHALL");
    const { time } = await handler.store("first", { n: 0 });

    await four("chain.mjs", cluster.urls.join(), "50");

    const [id = "", ...others] = await idsIn(handler);
    expect(others).toEqual([]);
    expect(await handler.retrieve(id)).toMatchObject({ time, data: { n: 200 } });
    const sizes = await Promise.all(cluster.nodes.map((node) => node.call("DBSIZE")));
    expect(sizes.reduce<number>((sum, size) => sum + Number(size), 0)).toBe(1);
  });
});
