// The place fails, or the handler is closed.

import assert from "node:assert/strict";
import type { Handler } from "../core/handler.ts";
import { type Facts, dataOf, hold, keysOf, meanwhile, rejects, soon } from "./place.ts";

/** Every way to ask a handler for something. */
const calls: Record<string, (handler: Handler) => Promise<unknown>> = {
  store: (handler) => handler.store("a", 2),
  "store with oldId": (handler) => handler.store("b", 2, { oldId: "a" }),
  retrieve: (handler) => handler.retrieve("a"),
  "retrieve without blocking": (handler) => handler.retrieve("a", { blocking: false }),
  update: (handler) => handler.update("a", () => 2),
  touch: (handler) => handler.touch("a"),
  remove: (handler) => handler.remove("a"),
  clean: (handler) => handler.clean(0),
  keys: (handler) => keysOf(handler),
};

export const closeFacts: Facts = {
  "a place that fails is no miss: ERR_SESSION_DIR with its cause": async ({ open, breakPlace }) => {
    const handler = await open();
    await handler.store("a", 1);
    if (!(await breakPlace())) return;

    for (const [name, call] of Object.entries(calls)) {
      const error = await rejects(() => call(handler), "ERR_SESSION_DIR", name);
      assert.ok(error.cause instanceof Error, `${name} keeps the cause`);
    }
  },

  "close() waits for what is under way": async (place) => {
    const [one, other] = [await place.open(), await place.open()];
    const held = await hold(one, "a");
    let isClosed = false;

    const closing = one.close().then(() => {
      isClosed = true;
    });
    await meanwhile(place);
    assert.equal(isClosed, false);
    await held.release("updated");

    await soon("close()", closing);
    assert.equal(await dataOf(other, "a"), "updated");
  },

  "close() makes later calls reject, and no other handler's": async ({ open }) => {
    const [one, other] = [await open(), await open()];
    await one.store("a", 1);

    await soon("close()", one.close());

    for (const [name, call] of Object.entries(calls)) {
      const [outcome] = await Promise.allSettled([call(one)]);
      assert.equal(outcome.status, "rejected", `${name} rejects`);
    }
    assert.equal(await dataOf(other, "a"), 1);
  },

  "close() may be called again": async ({ open }) => {
    const handler = await open();

    await soon("close() twice", Promise.all([handler.close(), handler.close()]));
    await soon("close() once more", handler.close());
  },

  "Symbol.asyncDispose closes": async ({ open }) => {
    const handler = await open();

    await soon("Symbol.asyncDispose", handler[Symbol.asyncDispose]());

    await assert.rejects(() => handler.retrieve("a"));
  },
};
