// operator.mjs <fileDir> <uid> [lenient]: answers each line `<what> <id>` with a line: what the
// handler says, or which error. Becomes that user first. `lenient`: what cannot be read is not
// there. An unhandled rejection ends it.
//
// `flood <count>` begins an update and a read of each of that many sessions, all at once; `exhaust`
// opens files until no more can be opened, `release` closes them.

import { closeSync, openSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { FileHandler } from "filesession";

const [fileDir, uid, isLenient] = process.argv.slice(2);
if (Number(uid) !== process.getuid()) {
  process.setgroups([]);
  process.setgid(Number(uid));
  process.setuid(Number(uid));
}
const handler = new FileHandler({ fileDir });
const hoard = [];

const outcomeOf = (promise) =>
  promise.catch((error) => `${error.code} ${error.cause?.code ?? error.message}`);
const data = (promise) => promise.then((record) => record.data ?? record);

/** How often each outcome came. */
async function tally(promises) {
  const counts = {};
  for (const outcome of await Promise.all(promises.map(outcomeOf))) {
    const key = typeof outcome === "string" ? outcome : JSON.stringify(outcome);
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

function retrieve(id) {
  const found = handler.retrieve(id, { blocking: false });
  return data(isLenient ? found.catch(() => ({})) : found);
}

async function updateSlowly(id) {
  const change = async ({ data }) => {
    await sleep(20);
    return data + 1;
  };
  return data(handler.update(id, change, { mustExist: true }));
}

const operations = {
  store: (id) => data(handler.store(id, 1)),
  update: (id) => data(handler.update(id, ({ data }) => data + 1, { mustExist: true })),
  retrieve,
  touch: (id) => handler.touch(id),
  remove: (id) => handler.remove(id),
  flood: async (count) => {
    const ids = Array.from({ length: Number(count) }, (_, n) => `s${n}`);
    const updates = tally(ids.map(updateSlowly));
    await Promise.resolve(); // by then each has its files open, or has not
    const reads = tally(ids.map(retrieve));
    return { updates: await updates, reads: await reads };
  },
  exhaust: async () => {
    try {
      for (;;) hoard.push(openSync("/dev/null", "r"));
    } catch (error) {
      return error.code;
    }
  },
  release: async () => {
    for (const fd of hoard.splice(0)) closeSync(fd);
    return "released";
  },
};

console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  const [what, id] = line.split(" ");
  console.log(JSON.stringify(await outcomeOf(operations[what](id))));
}
await handler.close();
