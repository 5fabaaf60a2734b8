// Redis is not there, not yet, not any more, or does not do what it is asked for.

import * as nodeRedis from "redis";
import { describe, expect, it, onTestFinished } from "vitest";
import { isRecord, type SessionError, useFileSession } from "../../src/index.ts";
import { RedisHandler, type RedisHandlerOptions } from "../../src/redis.ts";
import { describeH3 } from "../_h3.ts";
import { has } from "../_needs.ts";
import { lineTo } from "./_line.ts";
import { argsOf, type RedisOptions, type RedisServer, startRedis, until } from "./_server.ts";

async function started(options?: RedisOptions): Promise<RedisServer> {
  const server = await startRedis(options);
  onTestFinished(() => server.close());
  return server;
}

function opened(options: RedisHandlerOptions): RedisHandler {
  const handler = new RedisHandler({ timeout: 1, ...options });
  onTestFinished(() => handler.close());
  return handler;
}

/** What it rejects with, and after how many milliseconds. */
async function failure(call: Promise<unknown>): Promise<{ error: SessionError; ms: number }> {
  const begun = performance.now();
  const [outcome] = await Promise.allSettled([call]);
  if (outcome.status === "fulfilled") expect.fail("it must reject");
  return { error: outcome.reason as SessionError, ms: performance.now() - begun };
}

/** Both kinds of client of our own, or of yours. */
const clients: Record<string, (server: { url: string }) => Promise<RedisHandlerOptions>> = {
  "a url": async ({ url }) => ({ url }),
  "a client of node-redis": async ({ url }) => {
    const client = nodeRedis.createClient({ url, socket: { reconnectStrategy: () => 50 } });
    client.on("error", () => {});
    await client.connect();
    onTestFinished(() => client.destroy());
    return { client };
  },
};

const durable = argsOf({ appendonly: "yes", appendfsync: "always" });

describe.runIf(has("redis-server"))("RedisHandler", () => {
  describe.each(Object.entries(clients))("with %s", (_, optionsOf) => {
    it("waits for a server that is killed and started again, and goes on by itself", async () => {
      const server = await started({ args: durable });
      const handler = opened({ ...(await optionsOf(server)), timeout: 5 });
      await handler.store("a", 1);
      await server.kill();

      const reading = handler.retrieve("a");
      const writing = handler.update<number>("a", ({ data = 0 }) => data + 1);
      await server.restart();

      expect((await reading).data).toSatisfy((data) => data === 1 || data === 2);
      expect((await writing).data).toBe(2);
      expect((await handler.retrieve("a")).data).toBe(2);
    });

    it("gives up on a server that stays away: ERR_SESSION_DIR, with the reason, in time", async () => {
      const server = await started();
      const handler = opened({ ...(await optionsOf(server)), timeout: 0.5 });
      await handler.store("a", 1);
      await server.kill();

      for (const call of [handler.retrieve("a"), handler.store("a", 2), handler.tagged("Ada")]) {
        const { error, ms } = await failure(call);
        expect(error.code).toBe("ERR_SESSION_DIR");
        expect(error.message).toMatch(/in Redis: not connected within 0.5 s|closed/);
        expect(error.cause).toBeInstanceOf(Error);
        expect(ms).toBeLessThan(1500);
      }
      await server.restart();
      await until(async () => (await handler.store("a", 3)).data === 3);
    });

    it("says of a write whose answer is lost that nobody knows, and asks again what only reads", async () => {
      const server = await started();
      const line = await lineTo(server.port);
      onTestFinished(() => line.close());
      const handler = opened(await optionsOf(line));
      await handler.store("a", 1);
      line.mute();
      const calls = [handler.store("a", 2), handler.retrieve("a"), handler.touch("a")];
      await until(async () => String(await server.call("GET", "sess:{a}")).endsWith("\n2"));
      line.cut();
      line.mend();

      const [stored, retrieved, touched] = await Promise.allSettled(calls);

      if (stored?.status !== "rejected") expect.fail("nobody knows of the write");
      expect(stored.reason.code).toBe("ERR_SESSION_DIR");
      expect(stored.reason.message).toContain("Whether it was written is not known");
      expect(retrieved).toMatchObject({ status: "fulfilled", value: { data: 2 } });
      expect(touched).toMatchObject({ status: "fulfilled", value: true });
    });

    it("waits while a server loads what it has saved", async () => {
      const slowly = {
        "key-load-delay": "4000", // microseconds
        "loading-process-events-interval-bytes": "1024",
      };
      const server = await started({ args: argsOf(slowly) });
      const handler = opened({ ...(await optionsOf(server)), timeout: 10 });
      for (let n = 0; n < 200; n++) await handler.store(`s${n}`, n);
      await server.call("SAVE");
      await server.kill();

      const restarting = server.restart();
      await until(async () => {
        const [outcome] = await Promise.allSettled([server.call("GET", "x")]);
        return outcome.status === "rejected" && String(outcome.reason).includes("LOADING");
      });
      const [read, written] = [handler.retrieve("s7"), handler.store("s8", "new")];

      expect((await read).data).toBe(7);
      expect((await written).data).toBe("new");
      await restarting;
    });

    it("gives up on a server that does not answer, and goes on when it does", async () => {
      const server = await started();
      const handler = opened({ ...(await optionsOf(server)), timeout: 0.3 });
      await handler.store("a", 1);
      await server.pause(1000);

      const { error, ms } = await failure(handler.retrieve("a"));

      expect(error.code).toBe("ERR_SESSION_DIR");
      expect(error.message).toContain("no answer within 0.3 s");
      expect(ms).toBeLessThan(900);
      await until(async () => isRecord(await handler.retrieve("a").catch(() => ({}))));
    });
  });

  it("waits for a replica to become a master, and says so when it does not", async () => {
    const [master, replica] = [await started(), await started()];
    await replica.call("REPLICAOF", "127.0.0.1", String(master.port));
    await until(async () =>
      String(await replica.call("INFO", "replication")).includes("link_status:up"),
    );
    const [patient, impatient] = [
      opened({ url: replica.url, timeout: 5 }),
      opened({ url: replica.url, timeout: 0.3 }),
    ];

    const stored = patient.store("a", 1);
    const { error } = await failure(impatient.store("a", 2));
    await replica.call("REPLICAOF", "NO", "ONE");

    expect(error.code).toBe("ERR_SESSION_DIR");
    expect(error.message).toMatch(/READONLY.*It is a replica/s);
    expect((await stored).data).toBe(1);
    expect((await impatient.retrieve("a")).data).toBe(1);
  });

  it("of one that is full, with `noeviction`, reads and removes: what it cannot store is ERR_SESSION_DIR", async () => {
    const server = await started();
    const handler = opened({ url: server.url });
    for (const id of ["a", "b"]) await handler.store(id, 1);
    await server.call("CONFIG", "SET", "maxmemory", "1");

    for (const call of [handler.store("a", 2), handler.update("a", () => 2)]) {
      const { error } = await failure(call);
      expect(error.code).toBe("ERR_SESSION_DIR");
      expect(error.message).toMatch(/OOM.*raise `maxmemory`/s);
      expect(error.message).not.toContain("not known");
    }
    expect((await handler.retrieve("a")).data).toBe(1);
    expect(await handler.remove("b")).toBe(true);
    await server.call("CONFIG", "SET", "maxmemory", "0");
    expect((await handler.update("a", () => 2)).data).toBe(2);
  });

  it("warns of a server that removes sessions when it is full; they are misses then", async () => {
    const args = argsOf({ maxmemory: "3mb", "maxmemory-policy": "allkeys-lru" });
    const server = await started({ args });
    const warnings: string[] = [];
    const listener = ({ message }: Error): void => void warnings.push(message);
    process.on("warning", listener);
    onTestFinished(() => void process.off("warning", listener));
    const handler = opened({ url: server.url });

    for (let n = 0; n < 100; n++) await handler.store(`s${n}`, "x".repeat(100_000));

    expect(warnings).toEqual([expect.stringContaining("`maxmemory-policy` is allkeys-lru")]);
    const ids: string[] = [];
    for await (const id of handler.keys()) ids.push(id);
    expect(ids.length).toBeLessThan(100);
    await expect(handler.update("s0", () => 1, { mustExist: true })).rejects.toMatchObject({
      code: "ERR_SESSION_GONE",
    });
  });

  it("asks for a password: ERR_SESSION_DIR at once", async () => {
    const server = await started();
    await server.call("ACL", "SETUSER", "default", ">secret");
    const { error } = await failure(opened({ url: server.url }).store("a", 1));

    expect(error.code).toBe("ERR_SESSION_DIR");
    expect(error.message).toMatch(/NOAUTH/);
    const handler = opened({ url: server.url.replace("//", "//:secret@") });
    expect((await handler.store("a", 1)).data).toBe(1);
  });

  it("is refused a command: ERR_SESSION_DIR, which says what to allow", async () => {
    const server = await started();
    await server.call("ACL", "SETUSER", "default", "-eval", "-evalsha");

    const { error } = await failure(opened({ url: server.url }).store("a", 1));

    expect(error.message).toMatch(/NOPERM.*must be allowed/s);
  });
});

describeH3("an app whose Redis is away", (h3) => {
  it.runIf(has("redis-server"))("serves who has no session at once, and others a 503", async () => {
    const server = await started();
    const handler = opened({ url: server.url, timeout: 0.3 });
    const site = await h3.serve({
      "/": async (event) => (await useFileSession(event, { handler })).data,
      "/store": async (event) => {
        await (await useFileSession(event, { handler })).update({ n: 1 });
        return "stored";
      },
    });
    const [known, unknown] = [site.visitor(), site.visitor()];
    await known.get("/store");
    await server.kill();

    const begun = performance.now();
    expect((await unknown.get("/")).status).toBe(200);
    expect(performance.now() - begun).toBeLessThan(250);
    expect((await known.get("/")).status).toBe(503);
    expect((await unknown.get("/store")).status).toBe(503);

    await server.restart();
    await until(async () => (await known.get("/")).status === 200);
  });
});
