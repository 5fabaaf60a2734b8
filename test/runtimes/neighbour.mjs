// neighbour.mjs <fileDir>: does with the sessions there what it is told, line by line, as JSON:
// [name, ...arguments]. Answers each line with one.

import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { FileHandler } from "filesession";

const handler = new FileHandler({ fileDir: process.argv[2] });
const add = ({ data }) => ({ n: (data?.n ?? 0) + 1 });

const doings = {
  async increment(id, times) {
    for (let left = times; left > 0; left -= 25)
      await Promise.all(Array.from({ length: Math.min(left, 25) }, () => handler.update(id, add)));
  },
  async add(ids) {
    await Promise.all(ids.map((id) => handler.update(id, add)));
  },
  count: async (id) => (await handler.retrieve(id)).data?.n,
  take: (id) => handler._acquireLock(id, false),
  hold: (id) => handler._acquireLock(id),
  async store(id, tag) {
    await handler.store(id, richData(), { tag, ip: "192.0.2.1" });
  },
  async read(id) {
    const { data, time, touched, ip } = await handler.retrieve(id);
    assert.deepEqual(data, richData());
    assert.equal(data.self, data);
    assert.equal(ip, "192.0.2.1");
    return [time, touched];
  },
  tagged: async (tag) => (await handler.tagged(tag)).sort(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...args] = JSON.parse(line);
  try {
    console.log(JSON.stringify({ value: await doings[name](...args) }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error?.stack ?? error) }));
  }
}
process.exit();

function richData() {
  const data = {
    name: "Ada \u{1f980} Łódź",
    at: new Date(1e12),
    cart: new Map([["tea", new Set([1, -0, NaN])]]),
    big: 2n ** 80n,
    pattern: /a+/giu,
    place: new URL("http://localhost/?a=b"),
    bytes: Uint8Array.of(0, 127, 255),
    reals: Float64Array.of(0.1, -0, Infinity),
    text: "x".repeat(10_000),
  };
  return Object.assign(data, { self: data });
}
