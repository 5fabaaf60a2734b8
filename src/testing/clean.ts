// Cleaning: what goes, what stays, what is counted.

import assert from "node:assert/strict";
import type { CleanResult } from "../core/handler.ts";
import { type Facts, dataOf, hold, keysOf, meanwhile, rejects, soon } from "./place.ts";

export const cleanFacts: Facts = {
  "clean() removes what was last touched more than `timeout` seconds ago": async ({
    open,
    advance,
  }) => {
    const handler = await open();
    for (const id of ["old", "stored", "updated", "touched"]) await handler.store(id, 1);
    await advance(2);
    await handler.store("stored", 2);
    await handler.update("updated", () => 2);
    await handler.touch("touched");

    assert.deepEqual(await handler.clean(60), { removed: 0, kept: 4, skipped: 0 });
    assert.deepEqual(await handler.clean(1), { removed: 1, kept: 3, skipped: 0 });

    assert.deepEqual(await keysOf(handler), ["stored", "touched", "updated"]);
  },

  "clean() goes by when a session was last used, also if that was elsewhere": async ({ open }) => {
    const handler = await open();
    const elsewhere = { touched: Date.now() - 3_600_000 };
    await handler.store("a", 1, elsewhere);
    await handler.update("b", () => 1, elsewhere);
    await handler.store("c", 1);

    assert.deepEqual(await handler.clean(7200), { removed: 0, kept: 3, skipped: 0 });
    assert.deepEqual(await handler.clean(1800), { removed: 2, kept: 1, skipped: 0 });

    assert.deepEqual(await keysOf(handler), ["c"]);
  },

  "clean(0) removes everything": async ({ open }) => {
    const handler = await open();
    assert.deepEqual(await handler.clean(0), { removed: 0, kept: 0, skipped: 0 });
    for (const id of ["a", "b", "c"]) await handler.store(id, 1, { ttl: 100 });

    assert.deepEqual(await handler.clean(0), { removed: 3, kept: 0, skipped: 0 });

    assert.deepEqual(await keysOf(handler), []);
  },

  "clean() removes what a ttl has ended": async ({ open, advance }) => {
    const handler = await open();
    await handler.store("a", 1, { ttl: 1 });
    await handler.store("b", 1, { ttl: 100 });
    await handler.store("c", 1);
    await advance(2);

    assert.deepEqual(await handler.clean(3600), { removed: 1, kept: 2, skipped: 0 });

    assert.deepEqual(await keysOf(handler), ["b", "c"]);
  },

  "clean() skips a session under way, and counts it": async ({ open }) => {
    const [one, other] = [await open(), await open()];
    for (const id of ["a", "b"]) await one.store(id, "before");
    const held = await hold(one, "a");

    assert.deepEqual(await soon("clean()", other.clean(0)), { removed: 1, kept: 0, skipped: 1 });

    await held.release("updated");
    assert.equal(await dataOf(other, "a"), "updated");
    assert.deepEqual(await keysOf(other), ["a"]);
  },

  "clean() with blocking waits for a session under way": async (place) => {
    const [one, other] = [await place.open(), await place.open()];
    for (const id of ["a", "b"]) await one.store(id, "before");
    const held = await hold(one, "a");

    const cleaned = other.clean(0, { blocking: true });
    // Its other sessions may be gone by now; the stores of `meanwhile` would be, and are not
    // counted.
    await meanwhile(place);
    await held.release("updated");

    const { removed, skipped } = await soon("clean() with blocking", cleaned);
    assert.ok(removed >= 2);
    assert.equal(skipped, 0);
    assert.deepEqual(await keysOf(one), []);
  },

  "clean() ends with the reason of its signal": async ({ open }) => {
    const handler = await open();
    await handler.store("a", 1);
    const reason = new Error("enough");

    await assert.rejects(
      handler.clean(0, { signal: AbortSignal.abort(reason) }),
      (error) => error === reason,
    );

    assert.deepEqual(await keysOf(handler), ["a"]);
  },

  "clean() reports counts that grow to its result": async ({ open }) => {
    const handler = await open();
    for (let index = 0; index < 50; index++) await handler.store(`a${index}`, 1);
    const reports: CleanResult[] = [];

    const result = await handler.clean(0, { onProgress: (counts) => reports.push({ ...counts }) });

    assert.notEqual(reports.length, 0);
    const totals = [...reports, result].map(
      ({ removed, kept, skipped }) => removed + kept + skipped,
    );
    assert.deepEqual(
      totals,
      totals.toSorted((a, b) => a - b),
    );
    assert.equal(totals.at(-1), 50);
  },

  "clean() refuses a timeout that makes no sense: ERR_SESSION_OPTION": async ({ open }) => {
    const handler = await open();
    await handler.store("a", 1);

    for (const timeout of [-1, Number.NaN, "60" as unknown as number])
      await rejects(() => handler.clean(timeout), "ERR_SESSION_OPTION", `clean(${timeout})`);

    assert.deepEqual(await keysOf(handler), ["a"]);
  },
};
