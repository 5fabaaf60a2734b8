// What encryption at rest costs: the same handler with a secret and without one, in one run.

import assert from "node:assert/strict";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { FileHandler, SealedHandler } from "filesession";
import { sessionData, sessionId } from "../data.mjs";
import { interleave, median, rate, ratio, round, shuffled } from "../measure.mjs";

export const title = "Sealed: operations per second with a `secret`, and beside those without";

const secret = "a secret of the bench, 32 characters at least";
const sizes = { "300 B": 300, "4 KB": 4096 };

const operations = {
  read: async (handler, id) => (await handler.retrieve(id, { blocking: false })).data,
  write: (handler, id, data) => handler.store(id, data),
  update: (handler, id, data) => handler.update(id, () => data),
};

export async function measure({ dir, quick, rounds, log }) {
  const rows = [];
  for (const [size, bytes] of Object.entries(sizes)) {
    const count = quick ? 500 : 10_000;
    log(`${count} sessions of ${size}`);
    const ids = Array.from({ length: count }, (_, n) => sessionId(n));
    const contestants = await Promise.all(
      ["plain", "sealed", "sealed, the second secret"].map((name) =>
        open(name, join(dir, name.replaceAll(/\W/g, "-")), ids, sessionData(bytes)),
      ),
    );
    for (const [operation, run] of Object.entries(operations))
      rows.push(...(await measureOne(operation, run, contestants, ids, { size, quick, rounds })));
    for (const { files } of contestants) await files.close();
    rmSync(dir, { recursive: true });
    mkdirSync(dir);
  }
  return { rows, figures: [] };
}

/** A handler, and in its directory all the sessions. */
async function open(name, fileDir, ids, data) {
  const files = new FileHandler({ fileDir });
  const sealed = new SealedHandler(files, secret);
  const handler = {
    plain: files,
    sealed,
    // Half way through a change of secrets: what is read is still sealed with the old one.
    "sealed, the second secret": new SealedHandler(files, [`new: ${secret}`, secret]),
  }[name];
  for (const id of ids) await (name === "plain" ? files : sealed).store(id, data);
  assert.deepEqual((await handler.retrieve(ids.at(-1))).data, data, name);
  return { name, files, handler };
}

async function measureOne(operation, run, contestants, ids, { size, quick, rounds }) {
  const data = sessionData(sizes[size]);
  const order = shuffled(ids.length, 1 << 16);
  const able = contestants.filter(({ name }) => operation === "read" || !name.includes("second"));
  const once = ({ handler }, round) =>
    rate((n) => run(handler, ids[order[(round * 7919 + n) & 0xffff]], data), quick ? 100 : 400);
  await interleave(able, 1, once); // warms up
  const results = await interleave(able, rounds, once);
  const [plain] = able;
  return able.map((contestant) => {
    const [own, beside] = [results.get(contestant), results.get(plain)];
    return {
      size,
      operation,
      handler: contestant.name,
      "per second": Math.round(round(median(own))),
      "/ plain": round(ratio(own, beside)),
      "us more": round(median(own.map((rate, n) => 1e6 / rate - 1e6 / beside[n]))),
    };
  });
}
