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

  "a move with grace leaves a miss that leads to the new id": async ({ open, advance }) => {
    const [mover, other] = [await open(), await open()];
    await mover.store("old", 1, { ip: "192.0.2.1" });

    const { touched } = await mover.store("new", 2, { oldId: "old", grace: 5 });

    for (const blocking of [true, false]) {
      const { moved, ...rest } = await other.retrieve("old", { blocking });
      assert.deepEqual(rest, {});
      assert.equal(moved?.to, "new");
      assert.ok(Math.abs(moved.until - (touched + 5_000)) < 1_000);
    }
    await advance(6);
    const { moved } = await other.retrieve("old");
    assert.ok(moved && moved.until < touched + 6_000, "it says that the grace is over");
    assert.equal(await dataOf(other, "new"), 2);
  },

  "a move without grace leaves nothing": async ({ open }) => {
    const handler = await open();
    await handler.store("old", 1);

    await handler.store("new", 2, { oldId: "old", grace: 0 });

    assert.deepEqual(await handler.retrieve("old"), {});
    for (const grace of [-1, Number.NaN, "5" as unknown as number])
      await rejects(() => handler.store("newer", 3, { oldId: "new", grace }), "ERR_SESSION_OPTION");
    assert.equal(await dataOf(handler, "new"), 2);
  },

  "what a move with grace leaves is no session": async ({ open }) => {
    const handler = await open();
    await handler.store("old", 1);
    await handler.store("new", 2, { oldId: "old", grace: 5 });
    let seen: unknown;

    assert.equal(await handler.touch("old"), false);
    assert.equal(await handler.remove("old"), false);
    assert.deepEqual(await keysOf(handler), ["new"]);
    await rejects(() => handler.store("old", 3, { mustExist: true }), "ERR_SESSION_GONE");
    await rejects(
      () => handler.store("other", 3, { oldId: "old", mustExist: true }),
      "ERR_SESSION_GONE",
    );
    const { moved } = await handler.update("old", (record) => void (seen = record.moved?.to));
    assert.deepEqual([seen, moved?.to], ["new", "new"]);
    const stored = await handler.store("old", 4, { mustExist: false });
    assert.equal(stored.ip, "");
    assert.equal(await dataOf(handler, "old"), 4);
    assert.equal(await dataOf(handler, "new"), 2);
  },

  "clean() removes what a move with grace left, and counts it as no session": async ({
    open,
    advance,
  }) => {
    const handler = await open();
    await handler.store("old", 1);
    await handler.store("new", 2, { oldId: "old", grace: 1 });

    assert.equal((await handler.clean(5)).removed, 0);
    assert.equal((await handler.retrieve("old")).moved?.to, "new");
    await advance(6);
    await handler.touch("new");
    assert.equal((await handler.clean(5)).removed, 0);
    assert.deepEqual(await handler.retrieve("old"), {});
    assert.equal(await dataOf(handler, "new"), 2);
  },

  "what a move with grace leaves of a lasting session stays until its ttl has run out": async ({
    open,
    advance,
  }) => {
    const handler = await open();
    await handler.update("old", () => 1, { ttl: 60, lasting: true });
    await handler.store("new", 2, { oldId: "old", grace: 1 });

    for (const [seconds, to] of [
      [30, "new"],
      [31, undefined],
    ] as const) {
      await advance(seconds);
      await handler.clean(5);
      assert.equal((await handler.retrieve("old")).moved?.to, to);
    }
  },
};

/** Whether each handler sees a session there. */
function both(handlers: Handler[], id: string): Promise<boolean[]> {
  return Promise.all(
    handlers.map(async (handler) => (await handler.retrieve(id)).id !== undefined),
  );
}
