// What a RedisHandler has Redis do and keep, seen from Redis.

import { Redis } from "ioredis";
import { Redis as RedisV5 } from "ioredis-v5";
import * as nodeRedis from "redis";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { type Handler, SealedHandler, useFileSession } from "../../src/index.ts";
import { type RedisClient, RedisHandler, type RedisHandlerOptions } from "../../src/redis.ts";
import { moveClock } from "../../src/testing.ts";
import { events, heard } from "../_channels.ts";
import { describeH3 } from "../_h3.ts";
import { has } from "../_needs.ts";
import { lineTo } from "./_line.ts";
import { type RedisServer, startRedis, until } from "./_server.ts";

let server: RedisServer;
const isPossible = has("redis-server");
beforeAll(async () => void (isPossible && (server = await startRedis())));
beforeEach(async () => void (isPossible && (await server.call("FLUSHALL"))));
afterAll(async () => void (isPossible && (await server.close())));

function opened(options: RedisHandlerOptions = {}): RedisHandler {
  const handler = new RedisHandler({ url: server.url, ...options });
  onTestFinished(() => handler.close());
  return handler;
}

async function ask(...command: string[]): Promise<string> {
  return String(await server.call(...command));
}

/** Milliseconds until Redis forgets it; -1 for never, -2 for nothing there. */
async function lifeOf(key: string): Promise<number> {
  return Number(await server.call("PTTL", key));
}

const minute = 60_000;

describe.runIf(isPossible)("RedisHandler, in Redis", () => {
  it("keeps a session as a text that a person can read", async () => {
    const handler = opened();
    const { time } = await handler.store(
      "a",
      { cart: ["tea"] },
      { ip: "192.0.2.1", tag: "Ada L." },
    );

    const [line = "", data] = (await ask("GET", "sess:{a}")).split("\n");

    expect(line.split(" ")).toEqual([
      "fs1",
      String(time),
      expect.any(String),
      String(time),
      "*",
      "*",
      "0",
      "json",
      "192.0.2.1",
      "*",
      "Ada%0020L.",
      String(time),
      "live",
    ]);
    expect(data).toBe('{"cart":["tea"]}');
  });

  it("calls its keys by the prefix, and leaves all others alone", async () => {
    await server.call("SET", "mine", "1");
    await server.call("SET", "other:{a}", "1");
    const handler = opened({ prefix: "app[1]*:" });
    await handler.store("a", 1, { tag: "Ada" });
    await opened({ prefix: "app1x:" }).store("b", 1);

    expect(((await server.call("KEYS", "*")) as string[]).sort()).toEqual(
      ["app[1]*:{a}", "app[1]*:tag:Ada", "app1x:{b}", "mine", "other:{a}"].sort(),
    );
    expect(await handler.clean(0)).toEqual({ removed: 1, kept: 0, skipped: 0 });
    expect(((await server.call("KEYS", "*")) as string[]).sort()).toEqual(
      ["app[1]*:tag:Ada", "app1x:{b}", "mine", "other:{a}"].sort(),
    );
  });

  it("asks once to retrieve, store, touch or remove, and twice to update", async () => {
    const line = await lineTo(server.port);
    onTestFinished(() => line.close());
    const handler = opened({ url: line.url });
    const all: Record<string, (() => Promise<unknown>) | number> = {};
    const count = async (name: string, call: () => Promise<unknown>): Promise<void> => {
      await call(); // the scripts are known from then on
      const before = line.commands;
      await call();
      all[name] = line.commands - before;
    };
    await count("store", () => handler.store("a", 1));
    await count("retrieve", () => handler.retrieve("a"));
    await count("update", () => handler.update("a", () => 2));
    await count("update, async", () => handler.update("a", async () => 2));
    await count("update to nothing", () => handler.update("a", () => undefined));
    await count("touch", () => handler.touch("a"));
    await count("remove", () => handler.remove("a"));
    await handler.store("a", 1, { tag: "Ada", idleTimeout: 60 });
    await count("store, tagged before", () => handler.store("a", 1));
    let id = "a";
    await count("move", () =>
      handler.update(`${id}+`, () => 1, { oldId: id }).then(() => (id += "+")),
    );

    expect(all).toEqual({
      store: 1,
      retrieve: 1,
      update: 2,
      "update, async": 2,
      "update to nothing": 1,
      touch: 1,
      remove: 1,
      "store, tagged before": 1,
      move: 7,
    });
  });

  it("asks once more for each time that somebody was faster", async () => {
    const line = await lineTo(server.port);
    onTestFinished(() => line.close());
    const [handler, other] = [opened({ url: line.url }), opened()];
    await handler.update("a", () => 0);
    const before = line.commands;
    let calls = 0;

    // Not an `async` function: it does not hold the session.
    const { data } = await handler.update<number>("a", ({ data = 0 }) => {
      if (calls++ > 0) return data + 1;
      return other.store("a", 10).then(() => data + 1);
    });

    expect(data).toBe(11);
    expect(calls).toBe(2);
    expect(line.commands - before).toBe(4); // read, write in vain, hold and read, write
  });
});

describe.runIf(isPossible)("RedisHandler, expiring", () => {
  it("has Redis forget a session when its `ttl` has run out", async () => {
    const handler = opened();
    await handler.store("a", 1, { ttl: 60 });
    expect(await lifeOf("sess:{a}")).toSatisfy((ms: number) => ms > 59_000 && ms <= minute);

    await handler.store("b", 1, { ttl: 0.05 });
    await until(async () => (await ask("EXISTS", "sess:{b}")) === "0");
    await handler.store("a", 2);
    expect(await lifeOf("sess:{a}")).toBe(-1);
  });

  it("has Redis forget it when it was not used for its `idleTimeout`, unless it is lasting", async () => {
    const handler = opened();
    await handler.store("a", 1, { idleTimeout: 60, ttl: 3600 });
    await handler.store("b", 1, { idleTimeout: 60, ttl: 3600, lasting: true });
    expect(await lifeOf("sess:{a}")).toBeLessThanOrEqual(minute);
    expect(await lifeOf("sess:{b}")).toBeGreaterThan(59 * minute);
    for (const use of [
      () => handler.touch("a"),
      () => handler.update("a", () => 2),
      () => handler.store("a", 3),
      () =>
        handler
          .update("c", () => 4, { oldId: "a" })
          .then(() => handler.update("a", () => 5, { oldId: "c" })),
    ]) {
      await server.call("PEXPIRE", "sess:{a}", "5000");
      await use();
      expect(await lifeOf("sess:{a}")).toBeGreaterThan(59_000);
    }
  });

  it("counts from when it was last used, of one that was used elsewhere", async () => {
    const handler = opened();
    await handler.store("a", 1, { idleTimeout: 60, touched: Date.now() - minute / 2 });
    await handler.update("b", () => 1, { idleTimeout: 60, touched: Date.now() - minute / 2 });

    for (const id of ["a", "b"])
      expect(await lifeOf(`sess:{${id}}`)).toBeLessThanOrEqual(minute / 2);
  });

  it("leaves nothing behind, neither a list of a tag", async () => {
    const handler = opened();
    await handler.store("a", 1, { tag: "Ada", idleTimeout: 0.05 });
    await until(async () => (await ask("DBSIZE")) === "0");
    expect(await handler.tagged("Ada")).toEqual([]);
  });
});

describe.runIf(isPossible)("RedisHandler, tags", () => {
  it("lists a session for twice as long as it may be unused, and renews that in time", async () => {
    const handler = opened();
    await handler.store("a", 1, { tag: "Ada", idleTimeout: 60 });
    expect(await lifeOf("sess:tag:Ada")).toSatisfy((ms: number) => ms > minute && ms <= 2 * minute);
    const { advance, restore } = moveClock();
    onTestFinished(restore);

    advance(31);
    await handler.touch("a");

    expect(Number(await ask("ZSCORE", "sess:tag:Ada", "a"))).toBeGreaterThan(
      Date.now() + 1.9 * minute,
    );
  });

  it("removes entries that are over when another session is listed", async () => {
    const handler = opened();
    await handler.store("a", 1, { tag: "Ada", ttl: 1 });
    const { advance, restore } = moveClock();
    onTestFinished(restore);
    advance(2);

    await handler.store("b", 1, { tag: "Ada", ttl: 60 });

    expect(await server.call("ZRANGE", "sess:tag:Ada", "0", "-1")).toEqual(["b"]);
  });

  it("finds no session by a tag that it had, and `clean` takes it off the list", async () => {
    const handler = opened();
    for (const id of ["a", "b", "c"]) await handler.store(id, 1, { tag: "Ada" });
    await handler.remove("a");
    await handler.store("b", 1, { tag: "Bob" });
    expect(await handler.tagged("Ada")).toEqual(["c"]);

    await handler.clean(7200);
    expect(await ask("ZCARD", "sess:tag:Ada")).toBe("3"); // somebody may be about to write them
    const { advance, restore } = moveClock();
    onTestFinished(restore);
    advance(3601);
    await handler.clean(7200);

    expect(await server.call("ZRANGE", "sess:tag:Ada", "0", "-1")).toEqual(["c"]);
  });
});

describe.runIf(isPossible)("RedisHandler, damage", () => {
  it.each([
    ["no text", ["RPUSH", "sess:{a}", "1"]],
    ["another's text", ["SET", "sess:{a}", "hello"]],
    ["data that is cut off", ["SETRANGE", "sess:{a}", "200", "{"]],
    ["a first line that lacks a word", ["SET", "sess:{a}", "fs1 1 2 3\n1"]],
  ])("puts %s aside, once, and the session is a miss", async (_, command) => {
    const handler = opened();
    await handler.store("a", { n: 1 });
    if (command[0] !== "SETRANGE") await server.call("DEL", "sess:{a}");
    await server.call(...command);
    const before = await server.call("DUMP", "sess:{a}");
    const corrupt = events("corrupt");

    expect(await handler.retrieve("a", { blocking: false })).toEqual({});
    expect(await handler.retrieve("a")).toEqual({});

    expect(corrupt).toEqual([{ handler: "redis", id: "a" }]);
    expect(await server.call("DUMP", "sess:{a}:corrupt")).toEqual(before);
  });

  it.each<[string, (handler: Handler) => Promise<unknown>]>([
    ["store", (handler) => handler.store("a", 2)],
    ["update", (handler) => handler.update("a", ({ data = 1 }) => Number(data) + 1)],
    ["an async update", (handler) => handler.update("a", async ({ data = 1 }) => Number(data) + 1)],
  ])("%s begins anew where it is damaged", async (_, write) => {
    for (const command of [
      ["RPUSH", "sess:{a}", "1"],
      ["SET", "sess:{a}", "hello"],
    ]) {
      await server.call("DEL", "sess:{a}");
      await server.call(...command);
      const handler = opened();

      await write(handler);

      expect((await handler.retrieve("a")).data).toBe(2);
      expect(await ask("EXISTS", "sess:{a}:corrupt")).toBe("1");
    }
  });

  it("touch, remove and clean find none", async () => {
    const handler = opened();
    for (const call of [
      () => handler.touch("a"),
      () => handler.remove("a"),
      async () => (await handler.clean(0)).removed > 0,
    ]) {
      await server.call("SET", "sess:{a}", "hello");
      expect(await call()).toBe(false);
    }
  });
});

describe.runIf(isPossible)("RedisHandler, locks", () => {
  it("a holder whose lock has run out writes nothing: ERR_SESSION_LOCK_LOST", async () => {
    const [slow, other] = [opened(), opened()];
    await slow.store("a", "before");

    const late = slow.update("a", async () => {
      await server.call("SETRANGE", "sess:{a}", "5", "1000000000000"); // it was good until then
      await other.update("a", () => "other's");
      return "late";
    });

    await expect(late).rejects.toMatchObject({ code: "ERR_SESSION_LOCK_LOST" });
    expect((await other.retrieve("a")).data).toBe("other's");
  });

  it("`lock: true` holds the session for a change that is not async, and calls it once", async () => {
    const [one, other] = [opened(), opened()];
    await one.store("a", [] as number[]);
    let calls = 0;
    let pushed: Promise<unknown> | undefined;

    await one.update<number[]>(
      "a",
      ({ data = [] }) => {
        calls++;
        pushed = other.update<number[]>("a", ({ data = [] }) => [...data, 2]);
        return new Promise((resolve) => setImmediate(() => resolve([...data, 1])));
      },
      { lock: true },
    );
    await pushed;

    expect(calls).toBe(1);
    expect((await one.retrieve("a")).data).toEqual([1, 2]);
  });

  it("`lock: false` holds nobody up, and calls an async change again when somebody was faster", async () => {
    const [one, other] = [opened(), opened()];
    let calls = 0;

    await one.update<number>(
      "a",
      async ({ data = 0 }) => {
        if (calls++ === 0) await other.store("a", 10);
        return data + 1;
      },
      { lock: false },
    );

    expect(calls).toBe(2);
    expect((await one.retrieve("a")).data).toBe(11);
  });

  it("is not waited for longer than `lockTimeout`: ERR_SESSION_LOCK_TIMEOUT", async () => {
    const [holder, waiter] = [opened(), opened({ lockTimeout: 0.1 })];
    const waits = heard("lock.wait");
    await holder.update("a", async () => {
      for (const call of [
        () => waiter.store("a", 1),
        () => waiter.update("a", () => 1),
        () => waiter.update("a", async () => 1),
        () => waiter.retrieve("a"),
        () => waiter.remove("a"),
        () => waiter.touch("a"),
        () => waiter.store("b", 1, { oldId: "a" }),
      ])
        await expect(call()).rejects.toMatchObject({ code: "ERR_SESSION_LOCK_TIMEOUT" });
      return "held";
    });

    expect((await waiter.retrieve("a")).data).toBe("held");
    expect(waits.map(({ message }) => message.at)).toContain("lock");
  });

  it("leaves nothing when the change gives nothing, or throws", async () => {
    const handler = opened();
    await handler.update("a", async () => undefined);
    await expect(
      handler.update("a", async () => {
        throw new Error("no");
      }),
    ).rejects.toThrow("no");
    expect(await ask("DBSIZE")).toBe("0");
    await handler.store("a", 1, { ttl: 60 });
    await handler.update("a", async () => undefined);
    expect(await ask("GET", "sess:{a}")).toMatch(/^fs1 /);
    expect(await lifeOf("sess:{a}")).toBeLessThanOrEqual(minute);
  });
});

describe.runIf(isPossible)("RedisHandler, options", () => {
  it.each([
    ["url", { url: "http://localhost" }],
    ["url", { url: [] }],
    ["client", { client: {} as RedisClient }],
    ["prefix", { prefix: "a b" }],
    ["prefix", { prefix: "{a}" }],
    ["timeout", { timeout: 0 }],
    ["lockTimeout", { lockTimeout: -1 }],
    ["maxBytes", { maxBytes: 0.5 }],
    ["replicas", { replicas: -1 }],
    ["replicas", { replicas: 1, url: ["redis://a", "redis://b"] }],
  ])("refuses a bad `%s`: ERR_SESSION_OPTION", (name, options) => {
    expect(() => new RedisHandler(options)).toThrow(
      expect.objectContaining({
        code: "ERR_SESSION_OPTION",
        message: expect.stringContaining(`\`${name}\``) as string,
      }),
    );
  });

  it("shows no password of a bad `url`", () => {
    expect(() => new RedisHandler({ url: "redix://:hunter2@host" })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining("hunter2") as string }),
    );
  });

  it("`maxBytes`: what is larger is refused, and the session is as before", async () => {
    const handler = opened({ maxBytes: 100 });
    await handler.store("a", 1);
    for (const call of [
      handler.store("a", "x".repeat(100)),
      handler.update("a", () => "x".repeat(100)),
    ])
      await expect(call).rejects.toMatchObject({ code: "ERR_SESSION_TOO_LARGE" });
    expect((await handler.retrieve("a")).data).toBe(1);
  });

  it("`replicas`: acknowledges what they have, and says when they have not", async () => {
    const replica = await startRedis();
    onTestFinished(() => replica.close());
    const [handler, impatient] = [
      opened({ replicas: 1, timeout: 5 }),
      opened({ replicas: 1, timeout: 0.1 }),
    ];
    await expect(impatient.store("a", 1)).rejects.toMatchObject({
      code: "ERR_SESSION_DIR",
      message: expect.stringMatching(/0 of 1 replicas have it, and it is written/) as string,
    });
    await replica.call("REPLICAOF", "127.0.0.1", String(server.port));
    let looks = 0;
    await until(async () => {
      looks++;
      return (await ask("WAIT", "1", "100")) === "1";
    });

    for (const [n, write] of [
      () => handler.store("a", 1),
      () => handler.update("a", () => 2),
      () => handler.update("b", () => 3, { oldId: "a" }),
    ].entries()) {
      await write();
      expect(await replica.call("GET", n < 2 ? "sess:{a}" : "sess:{b}")).toMatch(
        new RegExp(`\n${n + 1}$`),
      );
    }
    await handler.remove("b");
    expect(await replica.call("GET", "sess:{b}")).toBe(null);
    const waits = /cmdstat_wait:calls=(\d+)/.exec(await ask("INFO", "commandstats"))?.[1];
    // One of `impatient`, one of each write, and two of the move: in a Cluster each end has its master.
    expect(Number(waits) - looks).toBe(1 + 5);
  });

  it.each<[string, () => Redis | RedisV5]>([
    ["ioredis 5", () => new RedisV5(server.port, { keyPrefix: "my:", lazyConnect: true })],
    ["ioredis 6", () => new Redis(server.port, { keyPrefix: "my:", lazyConnect: true })],
  ])(
    "`client` of %s: its `keyPrefix` is before every key; it is connected, and left open",
    async (_, newClient) => {
      const client = newClient();
      onTestFinished(() => client.disconnect());
      const handler = new RedisHandler({ client });
      await handler.store("a", 1, { tag: "Ada" });

      expect(((await server.call("KEYS", "*")) as string[]).sort()).toEqual([
        "my:sess:tag:Ada",
        "my:sess:{a}",
      ]);
      const ids: string[] = [];
      for await (const id of handler.keys()) ids.push(id);
      expect(ids).toEqual(["a"]);
      expect(await handler.tagged("Ada")).toEqual(["a"]);
      await handler.close();
      expect(client.status).toBe("ready");
    },
  );

  it("`client` of node-redis that nobody has connected is connected", async () => {
    const client = nodeRedis.createClient({ url: server.url });
    onTestFinished(() => client.destroy());
    const handler = new RedisHandler({ client });
    await handler.store("a", 1);
    await handler.close();
    expect(client.isReady).toBe(true);
  });
});

describe.runIf(isPossible)("RedisHandler, closed", () => {
  it("leaves no connection of its own, also when it was never used or could not connect", async () => {
    const clients = async (): Promise<number> =>
      (await ask("CLIENT", "LIST")).trim().split("\n").length;
    const before = await clients();
    const used = new RedisHandler({ url: server.url });
    await used.store("a", 1);
    expect(await clients()).toBe(before + 1);
    const [unused, away] = [
      new RedisHandler({ url: server.url }),
      new RedisHandler({ url: "redis://127.0.0.1:1", timeout: 0.05 }),
    ];
    await expect(away.retrieve("a")).rejects.toMatchObject({ code: "ERR_SESSION_DIR" });

    for (const handler of [used, unused, away]) await handler.close();

    await until(async () => (await clients()) === before);
  });
});

describeH3("useFileSession with a RedisHandler", (h3) => {
  it.runIf(isPossible)("has Redis forget sessions by its `idleTimeout` and `maxAge`", async () => {
    const handler = opened();
    const site = await h3.serve({
      "/": async (event) => {
        const session = await useFileSession(event, { handler, idleTimeout: 60, maxAge: 3600 });
        await session.update({ n: 1 });
        return session.id;
      },
      "/short": async (event) => {
        const session = await useFileSession(event, { handler, idleTimeout: 60, maxAge: 30 });
        await session.update({ n: 1 });
        return session.id;
      },
    });
    const [{ text: id }, { text: short }] = [
      await site.visitor().get("/"),
      await site.visitor().get("/short"),
    ];
    expect(await lifeOf(`sess:{${id}}`)).toSatisfy((ms: number) => ms > minute / 2 && ms <= minute);
    expect(await lifeOf(`sess:{${short}}`)).toBeLessThanOrEqual(minute / 2);
  });

  it.runIf(isPossible)("scans nothing and cleans nothing in a request, nor by itself", async () => {
    const handler = opened();
    const site = await h3.serve({
      "/": async (event) => {
        const session = await useFileSession(event, { handler, cleanInterval: 0.01 });
        await session.update(({ n = 0 }) => ({ n: n + 1 }));
        await session.tag("Ada");
        await session.regenerate();
        return session.others();
      },
    });
    await server.call("CONFIG", "RESETSTAT");
    const visitor = site.visitor();
    for (let n = 0; n < 5; n++) expect((await visitor.get("/")).status).toBe(200);
    expect(await ask("INFO", "commandstats")).not.toMatch(/cmdstat_(scan|keys)/);
  });

  it.runIf(isPossible)("sealed: with a `secret` Redis has no data to read", async () => {
    const handler = opened();
    const sealed = new SealedHandler(handler, "x".repeat(32));
    expect(sealed.selfCleaning).toBe(true);
    await sealed.store("a", { card: "hunter2" });
    expect(await ask("GET", "sess:{a}")).not.toContain("hunter2");
    expect((await sealed.update("a", async ({ data }) => data)).data).toEqual({ card: "hunter2" });
  });
});
