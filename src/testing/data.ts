// What may be in a session, and that it comes back as it went in.

import assert from "node:assert/strict";
import type { Handler } from "../core/handler.ts";
import { type Facts, dataOf, found, rejects } from "./place.ts";

export const dataFacts: Facts = {
  "strings come back as they went in": async ({ open }) => {
    await comesBack(await open(), [
      "",
      " ",
      "text",
      "null",
      '"quoted" \\ and </script>',
      "two\nlines\r\n\u2028\u2029",
      "\0",
      "e\u0301 is not \u00e9",
      "👩‍👩‍👧‍👦",
      "lone \ud83d surrogate",
    ]);
  },

  "900,000 bytes come back as they went in": async ({ open }) => {
    const handler = await open();
    const data = { ascii: "x".repeat(450_000), wide: "é".repeat(225_000) };

    await handler.store("a", data);

    // Not deepEqual, whose message would hold all of it.
    assert.ok(JSON.stringify(await dataOf(handler, "a")) === JSON.stringify(data));
  },

  "plain data comes back as it went in": async ({ open }) => {
    await comesBack(await open(), [
      null,
      true,
      0,
      -1.5e300,
      2 ** 53,
      [],
      {},
      [[], [null, { "": 0 }]],
      { toString: 1, constructor: { prototype: 2 }, hasOwnProperty: 3, length: 4, 5: 6 },
    ]);
  },

  "what JSON has no word for comes back as it went in": async ({ open }) => {
    await comesBack(await open(), [
      { undefined: undefined, in: [undefined] },
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      -0,
      2n ** 64n,
      new Date(0),
      new Map<unknown, unknown>([
        ["a", 1],
        [2, new Map([["b", new Date(1)]])],
      ]),
      new Set([1, "1", [1]]),
      /[/\\]\n/giu,
      Object.assign(Object.create(null) as object, { a: 1 }),
    ]);
  },

  "URLs come back as they went in": async ({ open }) => {
    const handler = await open();
    const url = new URL("https://user@example.com:8080/a%20b?c=d#e");

    await handler.store("a", { url });

    const data = (await dataOf(handler, "a")) as { url: URL };
    assert.ok(data.url instanceof URL);
    assert.equal(data.url.href, url.href);
  },

  "typed arrays come back as they went in": async ({ open }) => {
    await comesBack(await open(), [
      new Uint8Array([0, 1, 255]),
      new Uint8Array(0),
      new Uint8Array([1, 2, 3, 4]).subarray(1, 3),
      new Uint8ClampedArray([0, 255]),
      new Int8Array([-128, 127]),
      new Uint16Array([0, 65_535]),
      new Int16Array([-32_768]),
      new Uint32Array([4_294_967_295]),
      new Int32Array([-2_147_483_648]),
      new Float32Array([0.5, Number.NaN]),
      new Float64Array([Math.PI, -0]),
      new BigInt64Array([-1n]),
      new BigUint64Array([2n ** 64n - 1n]),
    ]);
  },

  "repeated and cyclic references come back as they went in": async ({ open }) => {
    interface Node {
      self?: Node;
      twice: object[];
    }
    const handler = await open();
    const one = { n: 1 };
    const node: Node = { twice: [one, one] };
    node.self = node;

    await handler.store("a", node);

    const data = (await dataOf(handler, "a")) as Node;
    assert.equal(data.self, data);
    assert.deepEqual(data.twice, [one, one]);
    assert.equal(data.twice[0], data.twice[1]);
  },

  "what cannot be stored is refused by its path, and the data is as before": async ({ open }) => {
    class Cart {
      tea = 1;
    }
    class Index extends Map<string, number> {}
    const refused: unknown[] = [
      () => {},
      Symbol("s"),
      new Cart(),
      new Index([["a", 1]]),
      Promise.resolve(),
      new WeakMap(),
      JSON.parse('{ "__proto__": { "admin": true } }'),
    ];
    const handler = await open();
    await handler.store("a", "before");

    for (const fn of refused) {
      const data = { secret: "hunter2", cart: [0, 1, { fn }] };
      for (const write of [
        () => handler.store("a", data),
        () => handler.update("a", () => data),
        () => handler.update("a", async () => data),
      ]) {
        const error = await rejects(write, "ERR_SESSION_DATA", `${String(write)} of ${typeof fn}`);
        assert.ok(error.message.includes("data.cart[2].fn"), error.message);
        assert.ok(!error.message.includes("hunter2"), "an error holds no session data");
      }
    }
    assert.equal(await dataOf(handler, "a"), "before");
  },

  "a record is a private copy": async ({ open }) => {
    const handler = await open();
    const list = { items: [1] };
    const add = (data: unknown): void => void (data as typeof list).items.push(2);

    add((await handler.store("a", list)).data);
    add(list);
    add(await dataOf(handler, "a"));
    add(await dataOf(handler, "a", { blocking: false }));
    await handler.update("a", (record) => {
      add(record.data);
      return undefined;
    });
    add(found(await handler.update("a", (record) => record.data)).data);

    assert.deepEqual(await dataOf(handler, "a"), { items: [1] });
  },
};

/** Each value as a session of its own, at the top and further down, and all together. */
async function comesBack(handler: Handler, values: unknown[]): Promise<void> {
  const sessions = [...values, ...values.map((value) => ({ deep: [value] })), values];
  for (const [index, data] of sessions.entries()) {
    const stored = await handler.store(`a${index}`, data);
    assert.deepEqual(stored.data, data);
    assert.deepEqual(await dataOf(handler, `a${index}`), data);
  }
}
