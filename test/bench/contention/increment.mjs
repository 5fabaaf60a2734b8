// increment.mjs <dir>: so many callers at once, each of which counts one session up again and again
// until the time is over.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
// By its path: a package.json beside the peers hides the package's own name.
import { FileHandler } from "../../../dist/index.js";
import { answer } from "../child.mjs";
import { answersOf } from "./contend.mjs";

const handler = new FileHandler({ fileDir: join(process.argv[2], "sessions") });
const peerDir = join(process.argv[2], "proper-lockfile");
mkdirSync(peerDir, { recursive: true });
const peerFile = (id) => join(peerDir, `${id}.json`);

/** Each way: `begin(id)`, `increment(id)`, `count(id)`. */
const ways = {
  "filesession, sync change": {
    begin: (id) => handler.store(id, { n: 0 }),
    increment: (id) => handler.update(id, ({ data }) => ({ n: data.n + 1 })),
    count: async (id) => (await handler.retrieve(id)).data.n,
  },
  "filesession, async change": {
    begin: (id) => handler.store(id, { n: 0 }),
    increment: (id) =>
      handler.update(id, async ({ data }) => {
        await setImmediate();
        return { n: data.n + 1 };
      }),
    count: async (id) => (await handler.retrieve(id)).data.n,
  },
  "proper-lockfile": {
    begin: async (id) => writeFileSync(peerFile(id), `{"n":0}`),
    increment: (id) => inTurn(() => incrementLocked(peerFile(id))),
    count: async (id) => JSON.parse(readFileSync(peerFile(id), "utf8")).n,
  },
};

// Without a queue of their own its callers poll against each other, which is slower still.
let turn = Promise.resolve();
function inTurn(work) {
  turn = turn.then(work);
  return turn;
}

async function incrementLocked(file) {
  const { lock } = (await import("proper-lockfile")).default;
  const retries = { retries: 100_000, factor: 1, minTimeout: 1, maxTimeout: 1 };
  const release = await lock(file, { realpath: false, retries });
  const { n } = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify({ n: n + 1 }));
  await release();
}

answer(answersOf(ways));
