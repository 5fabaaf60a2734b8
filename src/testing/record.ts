// One record: stored, found, touched, removed.

import assert from "node:assert/strict";
import { type Facts, dataOf, found, assertMiss, keysOf, rejects } from "./place.ts";

export const recordFacts: Facts = {
  "store() gives the record that retrieve() finds": async ({ open }) => {
    const handler = await open();

    const stored = await handler.store("a", { n: 1 });

    const { id, ip, time, touched, data, expires } = stored;
    assert.deepEqual(
      { id, ip, data, expires },
      { id: "a", ip: "", data: { n: 1 }, expires: undefined },
    );
    for (const moment of [time, touched]) {
      assert.ok(Number.isInteger(moment), "moments are whole milliseconds");
      assert.ok(Math.abs(moment - Date.now()) < 86_400_000, "moments are since the epoch");
    }
    assert.deepEqual(found(await handler.retrieve("a")), stored);
  },

  "`time` says when a session was begun elsewhere; one that is there keeps its own": async ({
    open,
  }) => {
    const handler = await open();
    const begun = Date.now() - 3_600_000;

    const imported = await handler.store("a", 1, { time: begun });

    assert.equal(imported.time, begun);
    assert.ok(imported.touched > begun);
    assert.deepEqual(found(await handler.retrieve("a")), imported);
    assert.equal((await handler.update("b", () => 2, { time: begun })).time, begun);
    assert.equal((await handler.store("a", 3, { time: begun + 1 })).time, begun);
    for (const time of [-1, 0.5, Number.NaN, "now" as unknown as number])
      await rejects(() => handler.store("c", 1, { time }), "ERR_SESSION_OPTION");
  },

  "`touched` says when a session was last used elsewhere": async ({ open }) => {
    const handler = await open();
    const used = Date.now() - 3_600_000;

    const imported = await handler.store("a", 1, { touched: used });

    assert.equal(imported.touched, used);
    assert.deepEqual(found(await handler.retrieve("a")), imported);
    assert.equal((await handler.update("b", () => 2, { touched: used })).touched, used);
    for (const touched of [-1, 0.5, Number.NaN, "now" as unknown as number])
      await rejects(() => handler.store("c", 1, { touched }), "ERR_SESSION_OPTION");
  },

  "`touched` has no effect on a session that is there": async ({ open }) => {
    const handler = await open();
    const { touched } = await handler.store("a", 1);
    const used = Math.floor(touched) - 3_600_000;

    assert.ok((await handler.store("a", 2, { touched: used })).touched >= touched);
    assert.ok(
      (found(await handler.update("a", () => 3, { touched: used })).touched ?? 0) >= touched,
    );
    assert.ok((await handler.store("b", 4, { touched: used, oldId: "a" })).touched >= touched);
    assert.ok(found(await handler.retrieve("b")).touched >= touched);
  },

  "store() replaces all of what was there": async ({ open }) => {
    const handler = await open();
    await handler.store("a", { old: 1, both: 1 });

    await handler.store("a", { both: 2, new: 2 });

    assert.deepEqual(await dataOf(handler, "a"), { both: 2, new: 2 });
  },

  "store() keeps `time` and moves `touched`": async ({ open, advance }) => {
    const handler = await open();
    const before = await handler.store("a", 1);
    await advance(2);

    const after = await handler.store("a", 2);

    assert.equal(after.time, before.time);
    assert.ok(after.touched - before.touched > 1_000);
    assert.deepEqual(found(await handler.retrieve("a")), after);
  },

  "store() keeps `ip` unless given another": async ({ open }) => {
    const handler = await open();
    await handler.store("a", 1, { ip: "192.0.2.1" });

    assert.equal((await handler.store("a", 2)).ip, "192.0.2.1");
    assert.equal((await handler.store("a", 3, { ip: "2001:db8::1" })).ip, "2001:db8::1");
    assert.equal(found(await handler.retrieve("a")).ip, "2001:db8::1");
  },

  "`cookieName` is kept unless given another, also by update(), touch() and a move": async ({
    open,
  }) => {
    const handler = await open();
    assert.equal("cookieName" in (await handler.store("a", 1)), false);

    await handler.store("a", 2, { cookieName: "session" });
    await handler.store("a", 3);
    await handler.update("a", () => 4);
    await handler.touch("a");
    await handler.store("b", 5, { oldId: "a" });

    assert.equal(found(await handler.retrieve("b")).cookieName, "session");
    await handler.update("b", () => 6, { cookieName: "basket" });
    assert.equal(found(await handler.retrieve("b")).cookieName, "basket");
    await handler.remove("b");
    assert.equal((await handler.store("b", 7)).cookieName, undefined);
  },

  "store() with mustExist replaces a session": async ({ open }) => {
    const handler = await open();
    await handler.store("a", 1);

    await handler.store("a", 2, { mustExist: true });

    assert.equal(await dataOf(handler, "a"), 2);
  },

  "store() with mustExist creates none: ERR_SESSION_GONE": async ({ open }) => {
    const handler = await open();

    await rejects(() => handler.store("a", 1, { mustExist: true }), "ERR_SESSION_GONE");

    await assertMiss(handler, "a");
  },

  "store(), touch() and remove() are seen by other handlers at once": async ({ open, advance }) => {
    const writer = await open();
    const reader = await open();
    await assertMiss(reader, "a");

    for (const version of [1, 2]) {
      const stored = await writer.store("a", { version });
      assert.deepEqual(found(await reader.retrieve("a")), stored);
    }
    await advance(2);
    await writer.touch("a");
    assert.deepEqual(await reader.retrieve("a"), await writer.retrieve("a"));
    await writer.remove("a");
    await assertMiss(reader, "a");
  },

  "retrieve() gives {} for a miss, and creates nothing": async ({ open }) => {
    const handler = await open();

    for (const blocking of [true, false, true])
      assert.deepEqual(await handler.retrieve("a", { blocking }), {});

    assert.deepEqual(await keysOf(handler), []);
    assert.equal(await handler.touch("a"), false);
  },

  "retrieve() does not move `touched`": async ({ open, advance }) => {
    const handler = await open();
    const { touched } = await handler.store("a", 1);
    await advance(2);

    for (const blocking of [true, false, true])
      assert.equal(found(await handler.retrieve("a", { blocking })).touched, touched);
  },

  "touch() moves `touched` and nothing else": async ({ open, advance }) => {
    const handler = await open();
    const before = await handler.store("a", { n: 1 }, { ip: "192.0.2.1", ttl: 100 });
    await advance(2);

    assert.equal(await handler.touch("a"), true);

    const { touched, ...rest } = found(await handler.retrieve("a"));
    assert.ok(touched - before.touched > 1_000);
    assert.deepEqual({ ...rest, touched: before.touched }, before);
  },

  "touch() gives false for a miss, and creates nothing": async ({ open }) => {
    const handler = await open();

    assert.equal(await handler.touch("a"), false);

    await assertMiss(handler, "a");
    assert.deepEqual(await keysOf(handler), []);
  },

  "remove() says whether there was a session": async ({ open }) => {
    const handler = await open();
    assert.equal(await handler.remove("a"), false);
    await handler.store("a", 1);
    await handler.store("b", 2);

    assert.equal(await handler.remove("a"), true);

    assert.equal(await handler.remove("a"), false);
    await assertMiss(handler, "a");
    assert.equal(await dataOf(handler, "b"), 2);
  },

  "store() after remove() is a new session": async ({ open, advance }) => {
    const handler = await open();
    const old = await handler.store("a", 1, { ip: "192.0.2.1" });
    await handler.remove("a");
    await advance(2);

    const { ip, time } = await handler.store("a", 2);

    assert.equal(ip, "");
    assert.ok(time - old.time > 1_000);
  },

  "keys() lists the sessions there are": async ({ open }) => {
    const handler = await open();
    assert.deepEqual(await keysOf(handler), []);
    for (const id of ["a", "b", "c"]) await handler.store(id, 1);
    await handler.store("b", 2);
    await handler.remove("c");

    assert.deepEqual(await keysOf(handler), ["a", "b"]);
  },
};
