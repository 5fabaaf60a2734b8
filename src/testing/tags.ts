// Whose sessions these are.

import assert from "node:assert/strict";
import { type Facts, found, keysOf, rejects } from "./place.ts";

export const tagFacts: Facts = {
  "tagged() gives the ids of the sessions that have the tag": async ({ open }) => {
    const [writer, reader] = [await open(), await open()];
    assert.deepEqual(await writer.tagged("Ada"), []);

    const stored = await writer.store("a", 1, { tag: "Ada" });
    await writer.store("b", 2, { tag: "Bob" });
    await writer.update("c", () => 3, { tag: "Ada" });
    await writer.store("d", 4);

    assert.equal(stored.tag, "Ada");
    assert.equal(stored.tagTime, stored.touched);
    assert.deepEqual(found(await reader.retrieve("a")), stored);
    assert.deepEqual((await reader.tagged("Ada")).sort(), ["a", "c"]);
    assert.deepEqual(await reader.tagged("Bob"), ["b"]);
    assert.deepEqual(await reader.tagged("ada"), []);
  },

  "a tag is kept unless given another, also by store(), update() and touch()": async ({
    open,
    advance,
  }) => {
    const handler = await open();
    const { tagTime = 0 } = await handler.store("a", 1, { tag: "Ada" });
    await advance(1);

    await handler.store("a", 2);
    await handler.update("a", () => 3);
    await handler.touch("a");

    const kept = found(await handler.retrieve("a"));
    assert.deepEqual([kept.tag, kept.tagTime], ["Ada", tagTime]);
    assert.deepEqual(await handler.tagged("Ada"), ["a"]);
    const again = await handler.store("a", 4, { tag: "Ada" });
    assert.ok((again.tagTime ?? 0) > tagTime, "`tagTime` is when it was last given");
  },

  "`tagTime` says when a session was given its tag elsewhere": async ({ open }) => {
    const handler = await open();
    const given = Date.now() - 3_600_000;

    const stored = await handler.store("a", 1, { tag: "Ada", tagTime: given });

    assert.equal(stored.tagTime, given);
    assert.deepEqual(found(await handler.retrieve("a")), stored);
    assert.deepEqual(await handler.tagged("Ada"), ["a"]);
    const other = await handler.update("a", () => 2, { tag: "Bob", tagTime: given + 1 });
    assert.equal(other.tagTime, given + 1);
    assert.equal((await handler.update("a", () => 3, { tagTime: given })).tagTime, given + 1);
    assert.equal((await handler.store("b", 1, { tagTime: given })).tagTime, undefined);
    for (const tagTime of [-1, 0.5, Number.NaN, "now" as unknown as number])
      await rejects(() => handler.store("c", 1, { tag: "Ada", tagTime }), "ERR_SESSION_OPTION");
  },

  "a session has one tag: another one takes its place, `null` removes it": async ({ open }) => {
    const handler = await open();
    await handler.store("a", 1, { tag: "Ada" });

    await handler.update("a", () => 2, { tag: "Bob" });

    assert.deepEqual(await handler.tagged("Ada"), []);
    assert.deepEqual(await handler.tagged("Bob"), ["a"]);
    const without = await handler.update("a", () => 3, { tag: null });
    assert.deepEqual([without.tag, without.tagTime], [undefined, undefined]);
    assert.deepEqual(await handler.tagged("Bob"), []);
  },

  "tagged() follows a session that moves": async ({ open }) => {
    const handler = await open();
    await handler.store("old", 1, { tag: "Ada" });

    const moved = await handler.store("new", 2, { oldId: "old" });

    assert.equal(moved.tag, "Ada");
    assert.deepEqual(await handler.tagged("Ada"), ["new"]);
    await handler.store("newest", 2, { oldId: "new", grace: 5, tag: "Bob" });
    assert.deepEqual(await handler.tagged("Ada"), []);
    assert.deepEqual(await handler.tagged("Bob"), ["newest"]);
  },

  "tagged() gives live sessions only": async ({ open, advance }) => {
    const handler = await open();
    for (const id of ["removed", "cleaned", "ended", "live"])
      await handler.store(id, 1, { tag: "Ada", ...(id === "ended" && { ttl: 1 }) });
    await handler.remove("removed");
    await advance(3);
    assert.deepEqual((await handler.tagged("Ada")).sort(), ["cleaned", "live"]);
    await handler.touch("live");
    await handler.clean(2);

    assert.deepEqual(await handler.tagged("Ada"), ["live"]);
    await handler.store("removed", 2);
    assert.deepEqual(await handler.tagged("Ada"), ["live"]);
  },

  "a tag is any text of 1 to 1024 characters: ERR_SESSION_OPTION": async ({ open }) => {
    const handler = await open();
    const tags = ["../../a", "a:b", "A", "Ä", "💥", "x".repeat(1024), "__proto__", " ", "%41"];
    for (const [index, tag] of tags.entries()) await handler.store(`s${index}`, tag, { tag });

    for (const [index, tag] of tags.entries())
      assert.deepEqual(await handler.tagged(tag), [`s${index}`]);
    for (const tag of ["", "x".repeat(1025), 7 as unknown as string]) {
      await rejects(() => handler.store("a", 1, { tag }), "ERR_SESSION_OPTION");
      await rejects(() => handler.tagged(tag), "ERR_SESSION_OPTION");
    }
    assert.equal((await keysOf(handler)).includes("a"), false);
  },
};
