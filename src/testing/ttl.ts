// A session that ends by itself.

import assert from "node:assert/strict";
import { type Facts, dataOf, found, assertMiss, keysOf, rejects } from "./place.ts";

export const ttlFacts: Facts = {
  "`expires` says when a ttl runs out": async ({ open }) => {
    const handler = await open();

    const stored = await handler.store("a", 1, { ttl: 100 });

    assert.ok(Math.abs((stored.expires ?? 0) - (stored.touched + 100_000)) < 1_000);
    assert.deepEqual(found(await handler.retrieve("a")), stored);
  },

  "a session whose ttl has run out is a miss at once": async ({ open, advance }) => {
    const handler = await open();
    await handler.store("a", 1, { ttl: 1 });
    await handler.store("b", 2, { ttl: 100 });
    await advance(2);

    for (const blocking of [true, false, true]) await assertMiss(handler, "a", { blocking });
    assert.equal(await handler.touch("a"), false);
    await rejects(() => handler.store("a", 2, { mustExist: true }), "ERR_SESSION_GONE");
    await rejects(() => handler.update("a", () => 2, { mustExist: true }), "ERR_SESSION_GONE");
    await rejects(() => handler.store("c", 2, { oldId: "a", mustExist: true }), "ERR_SESSION_GONE");
    assert.deepEqual(await keysOf(handler), ["b"]);
    await assertMiss(handler, "a");
    assert.equal(await dataOf(handler, "b"), 2);
  },

  "store() after a ttl has run out is a new session": async ({ open, advance }) => {
    const handler = await open();
    for (const id of ["a", "b"]) await handler.store(id, 1, { ip: "192.0.2.1", ttl: 1 });
    await advance(2);
    let seen: unknown = "nothing";

    const { ip, time, touched, expires } = await handler.store("a", 2);
    await handler.update("b", (record) => {
      seen = record.data;
      return 2;
    });

    assert.deepEqual([ip, time, expires], ["", touched, undefined]);
    assert.equal(seen, undefined);
    assert.equal(found(await handler.retrieve("b")).ip, "");
  },

  "store() ends an earlier ttl unless given another": async ({ open, advance }) => {
    const handler = await open();
    for (const id of ["a", "b"]) await handler.store(id, 1, { ttl: 1 });

    assert.equal((await handler.store("a", 2)).expires, undefined);
    assert.ok((await handler.store("b", 2, { ttl: 100 })).expires);
    await advance(2);

    assert.equal(await dataOf(handler, "a"), 2);
    assert.equal(await dataOf(handler, "b"), 2);
  },

  "update() keeps an earlier ttl unless given another": async ({ open, advance }) => {
    const handler = await open();
    const { expires } = await handler.store("a", 1, { ttl: 1 });
    await handler.store("b", 1, { ttl: 1 });

    assert.equal(found(await handler.update("a", () => 2)).expires, expires);
    assert.ok(found(await handler.update("b", () => 2, { ttl: 100 })).expires);
    assert.equal(found(await handler.update("c", () => 2, { oldId: "a" })).expires, expires);
    await advance(2);

    assert.deepEqual(await keysOf(handler), ["b"]);
  },

  "a ttl that makes no sense is refused: ERR_SESSION_OPTION": async ({ open }) => {
    const handler = await open();

    for (const ttl of [-1, Number.NaN]) {
      await rejects(() => handler.store("a", 1, { ttl }), "ERR_SESSION_OPTION", `ttl ${ttl}`);
      await rejects(() => handler.update("a", () => 1, { ttl }), "ERR_SESSION_OPTION");
    }
    await assertMiss(handler, "a");
  },

  "clean() leaves a lasting session alone until its ttl has run out": async ({ open, advance }) => {
    const handler = await open();
    const stored = await handler.store("a", 1, { ttl: 4, lasting: true });
    await handler.store("b", 2, { ttl: 4 });
    assert.equal(stored.lasting, true);
    assert.deepEqual(found(await handler.retrieve("a")), stored);
    await advance(3);

    assert.equal((await handler.clean(2)).removed, 1);

    assert.deepEqual(await keysOf(handler), ["a"]);
    await advance(2);
    assert.equal((await handler.clean(86_400)).removed, 1);
    await handler.store("c", 3, { ttl: 100, lasting: true });
    assert.equal((await handler.clean(0)).removed, 1);
  },

  "update() and a move keep `lasting` with the ttl; a new ttl ends it": async ({ open }) => {
    const handler = await open();
    const { expires } = await handler.store("a", 1, { ttl: 100, lasting: true });

    await handler.update("a", () => 2);
    await handler.update("b", () => 3, { oldId: "a" });

    const kept = found(await handler.retrieve("b"));
    assert.deepEqual([kept.lasting, kept.expires], [true, expires]);
    assert.equal((await handler.update("b", () => 4, { ttl: 50 })).lasting, undefined);
    await handler.store("b", 5, { ttl: 100, lasting: true });
    assert.equal((await handler.store("b", 6)).lasting, undefined);
  },
};
