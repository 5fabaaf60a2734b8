// One transaction: read afresh, change, write.

import assert from "node:assert/strict";
import { type Facts, dataOf, found, assertMiss, keysOf, rejects, soon } from "./place.ts";

export const updateFacts: Facts = {
  "update() changes the record as it is now": async ({ open }) => {
    const [one, other] = [await open(), await open()];
    await one.store("a", 1);
    const stored = await other.store("a", 2, { ip: "192.0.2.1" });
    let seen: unknown;

    const after = await one.update<number>("a", (record) => {
      seen = record;
      return (record.data ?? 0) + 1;
    });

    assert.deepEqual(seen, stored);
    assert.equal(found(after).data, 3);
    assert.deepEqual(await other.retrieve("a"), after);
  },

  "update() gets {} for a miss, and creates the session": async ({ open }) => {
    const handler = await open();
    let seen: unknown;

    const after = await handler.update(
      "a",
      (record) => {
        seen = record;
        return 1;
      },
      { ip: "192.0.2.1" },
    );

    assert.deepEqual(seen, {});
    assert.equal(found(after).ip, "192.0.2.1");
    assert.equal(found(after).data, 1);
    assert.deepEqual(await handler.retrieve("a"), after);
  },

  "update() keeps `time` and `ip`, and moves `touched`": async ({ open, advance }) => {
    const handler = await open();
    const before = await handler.store("a", 1, { ip: "192.0.2.1" });
    await advance(2);

    const after = found(await handler.update("a", () => 2));
    const moved = found(await handler.update("a", () => 3, { ip: "192.0.2.2" }));

    assert.equal(after.time, before.time);
    assert.equal(after.ip, before.ip);
    assert.ok(after.touched - before.touched > 1_000);
    assert.equal(moved.ip, "192.0.2.2");
    assert.deepEqual(found(await handler.retrieve("a")), moved);
  },

  "update() writes nothing for undefined": async ({ open, advance }) => {
    const handler = await open();
    const before = await handler.store("a", { n: 1 });
    await advance(2);

    for (const nothing of [() => undefined, async () => undefined]) {
      assert.deepEqual(await handler.update("a", nothing, { ip: "192.0.2.1", ttl: 1 }), before);
      assert.deepEqual(await handler.update("miss", nothing), {});
    }

    assert.deepEqual(await handler.retrieve("a"), before);
    assert.deepEqual(await keysOf(handler), ["a"]);
  },

  "update() waits for a promised change": async ({ open }) => {
    const handler = await open();
    await handler.store("a", 1);

    const after = await handler.update("a", async (record) => {
      await new Promise(setImmediate);
      return [record.data];
    });

    assert.deepEqual(found(after).data, [1]);
    assert.deepEqual(await dataOf(handler, "a"), [1]);
  },

  "update() whose change throws writes nothing, and frees the session": async ({ open }) => {
    const handler = await open();
    const thrown = new Error("no");
    const changes = [
      (): never => {
        throw thrown;
      },
      (): Promise<never> => Promise.reject(thrown),
    ];

    for (const change of changes) {
      const before = await handler.store("a", { n: 1 });
      await assert.rejects(handler.update("a", change), (error) => error === thrown);
      assert.deepEqual(await soon("retrieve()", handler.retrieve("a")), before);
      await soon("touch() after a failed update()", handler.touch("a"));
      await soon("store() after a failed update()", handler.store("a", 2));
    }
  },

  "update() with oldId changes the record there, and moves it": async ({ open, advance }) => {
    const handler = await open();
    const before = await handler.store("old", [1], { ip: "192.0.2.1" });
    await advance(2);

    const after = found(
      await handler.update<number[]>("new", (record) => [...(record.data ?? []), 2], {
        oldId: "old",
      }),
    );

    assert.deepEqual(after.data, [1, 2]);
    assert.equal(after.time, before.time);
    assert.equal(after.ip, before.ip);
    assert.deepEqual(await handler.retrieve("new"), after);
    await assertMiss(handler, "old");
  },

  "update() with mustExist changes only what is there: ERR_SESSION_GONE": async ({ open }) => {
    const handler = await open();
    await handler.store("a", 1);

    await handler.update("a", () => 2, { mustExist: true });
    await rejects(() => handler.update("b", () => 2, { mustExist: true }), "ERR_SESSION_GONE");
    await rejects(
      () => handler.update("a", () => 3, { mustExist: true, oldId: "b" }),
      "ERR_SESSION_GONE",
    );

    assert.equal(await dataOf(handler, "a"), 2);
    assert.deepEqual(await keysOf(handler), ["a"]);
  },
};
