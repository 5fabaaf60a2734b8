// A session that moves to another id, as it does when somebody logs in.

import assert from "node:assert/strict";
import type { Handler } from "../core/handler.ts";
import { type Facts, dataOf, found, assertMiss, keysOf, rejects, soon } from "./place.ts";

export const moveFacts: Facts = {
  "store() with oldId moves the session: the old id is a miss, `time` and `ip` stay": async ({
    open,
    advance,
  }) => {
    const handler = await open();
    const before = await handler.store("old", 1, { ip: "192.0.2.1" });
    await advance(2);

    const after = await handler.store("new", 2, { oldId: "old" });

    assert.equal(after.id, "new");
    assert.equal(after.ip, before.ip);
    assert.equal(after.time, before.time);
    assert.ok(after.touched - before.touched > 1_000);
    assert.deepEqual(found(await handler.retrieve("new")), after);
    await assertMiss(handler, "old");
    assert.deepEqual(await keysOf(handler), ["new"]);
  },

  "store() with an unknown oldId stores a new session": async ({ open }) => {
    const handler = await open();

    await handler.store("new", 1, { oldId: "old" });

    assert.equal(await dataOf(handler, "new"), 1);
    await assertMiss(handler, "old");
  },

  "store() with oldId the same as id is a plain store": async ({ open, advance }) => {
    const handler = await open();
    const before = await handler.store("a", 1);
    await advance(2);

    const after = await soon("a move onto itself", handler.store("a", 2, { oldId: "a" }));

    assert.equal(after.time, before.time);
    assert.equal(await dataOf(handler, "a"), 2);
  },

  "store() with oldId onto an id that is taken replaces what is there": async ({
    open,
    advance,
  }) => {
    const handler = await open();
    await handler.store("taken", 1, { ip: "192.0.2.1" });
    await advance(2);
    const before = await handler.store("old", 2, { ip: "192.0.2.2" });

    const after = await handler.store("taken", 3, { oldId: "old" });

    assert.equal(after.time, before.time);
    assert.equal(after.ip, before.ip);
    assert.equal(await dataOf(handler, "taken"), 3);
  },

  "store() with oldId and mustExist moves only what is there: ERR_SESSION_GONE": async ({
    open,
  }) => {
    const handler = await open();
    await handler.store("taken", 1);

    for (const id of ["taken", "new"])
      await rejects(
        () => handler.store(id, 2, { oldId: "old", mustExist: true }),
        "ERR_SESSION_GONE",
      );

    assert.equal(await dataOf(handler, "taken"), 1);
    assert.deepEqual(await keysOf(handler), ["taken"]);
  },

  "two opposite moves at once both end": async ({ open }) => {
    const [first, second] = [await open(), await open()];
    for (let round = 0; round < 20; round++) {
      await Promise.all([first.store("a", "a"), first.store("b", "b")]);

      const moves = [
        first.store("a", "was b", { oldId: "b" }),
        second.store("b", "was a", { oldId: "a" }),
      ];

      await soon("two opposite moves", Promise.all(moves));
      assert.notEqual((await keysOf(first)).length, 0, "one session is left at least");
    }
  },

  "two moves of one session at once do not fork it: one wins, the other is ERR_SESSION_GONE":
    async ({ open }) => {
      const handlers = [await open(), await open()];
      for (let round = 0; round < 20; round++) {
        const from = `from${round}`;
        await handlers[0]?.store(from, round);

        const outcomes = await Promise.allSettled(
          handlers.map((handler, index) =>
            handler.store(`to${round}-${index}`, round, { oldId: from, mustExist: true }),
          ),
        );

        const lost = outcomes.filter((outcome) => outcome.status === "rejected");
        assert.equal(lost.length, 1, "one of the two has moved it");
        assert.equal(lost[0]?.reason.code, "ERR_SESSION_GONE");
        const won = outcomes.findIndex((outcome) => outcome.status === "fulfilled");
        const [, there] = await both(handlers, `to${round}-${won}`);
        assert.equal(there, true);
        assert.deepEqual(await both(handlers, `to${round}-${1 - won}`), [false, false]);
      }
    },
};

/** Whether each handler sees a session there. */
function both(handlers: Handler[], id: string): Promise<boolean[]> {
  return Promise.all(
    handlers.map(async (handler) => (await handler.retrieve(id)).id !== undefined),
  );
}
