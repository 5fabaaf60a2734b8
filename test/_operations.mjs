// What sessions go through, for tests that interrupt it: what is there before, one operation, what
// is there after. In between there is nothing: a session is its old or its new version.

import { readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";

const old = { v: "old" };
const other = { v: "other" };
const next = { v: "new" };
const large = { v: "new ".repeat(2000) };

const later = async (data) => {
  await nextTurn();
  return data;
};

/** Everything not used for so many seconds goes when these operations clean. */
export const timeout = 1000;

const long = 1; // the first second of 1970: long ago

const staleLock = (id) => (fileDir) => {
  const path = join(fileDir, `sess_${id}.lock`);
  writeFileSync(path, "");
  utimesSync(path, long, long);
};

const expired = (fileDir) => utimesSync(join(fileDir, "sess_a"), long, long);

const damaged = (fileDir) => {
  const path = join(fileDir, "sess_a");
  const bytes = readFileSync(path);
  bytes[bytes.indexOf('"old"') + 1] ^= 1;
  writeFileSync(path, bytes);
};

const unused = (fileDir) => {
  const at = Date.now() / 1000 - timeout / 2;
  utimesSync(join(fileDir, "sess_a"), at, at);
};

export const operations = [
  { name: "store a new one", before: {}, run: (h) => h.store("a", next), after: { a: next } },
  { name: "store", before: { a: old }, run: (h) => h.store("a", next), after: { a: next } },
  {
    name: "store, outgrowing its file",
    before: { a: old },
    run: (h) => h.store("a", large),
    after: { a: large },
  },
  {
    name: "store a new one with ttl",
    before: {},
    run: (h) => h.store("a", next, { ttl: 1000 }),
    after: { a: next },
  },
  {
    name: "store with ttl",
    before: { a: old },
    run: (h) => h.store("a", next, { ttl: 1000 }),
    after: { a: next },
  },
  {
    name: "update a new one",
    before: {},
    run: (h) => h.update("a", () => next),
    after: { a: next },
  },
  {
    name: "update",
    before: { a: old },
    run: (h) => h.update("a", () => next),
    after: { a: next },
  },
  {
    name: "update, async",
    before: { a: old },
    run: (h) => h.update("a", () => later(next)),
    after: { a: next },
  },
  {
    name: "update, async, outgrowing its file",
    before: { a: old },
    run: (h) => h.update("a", () => later(large)),
    after: { a: large },
  },
  {
    name: "move",
    before: { a: old },
    run: (h) => h.store("b", next, { oldId: "a" }),
    after: { b: next },
  },
  {
    name: "move onto another",
    before: { a: old, b: other },
    // What it is about to replace gives way first: then nothing is left to replace.
    between: [{ a: old }],
    run: (h) => h.store("b", next, { oldId: "a" }),
    after: { b: next },
  },
  {
    name: "move, async",
    before: { a: old },
    run: (h) => h.update("b", () => later(next), { oldId: "a" }),
    after: { b: next },
  },
  { name: "remove", before: { a: old }, run: (h) => h.remove("a"), after: {} },
  {
    name: "touch",
    before: { a: old },
    lay: unused,
    run: (h) => h.touch("a"),
    after: { a: old },
  },
  {
    name: "clean an expired one",
    before: { a: old, b: other },
    lay: expired,
    run: (h) => h.clean(timeout),
    after: { b: other },
  },
  {
    name: "clean a stale lock",
    before: { a: old, b: other },
    lay: staleLock("a"),
    staleAfter: 0,
    run: (h) => h.clean(timeout),
    after: { a: old, b: other },
  },
  {
    name: "clean a damaged file",
    before: { b: other },
    hidden: { a: old },
    lay: (fileDir) => {
      damaged(fileDir);
      expired(fileDir);
    },
    run: (h) => h.clean(timeout),
    after: { b: other },
  },
  {
    name: "retrieve from a damaged file",
    before: { b: other },
    hidden: { a: old },
    lay: damaged,
    run: (h) => h.retrieve("a"),
    after: { b: other },
  },
  {
    name: "take over, without waiting",
    before: { a: old },
    lay: staleLock("a"),
    staleAfter: 0,
    run: async (h) => {
      await h._acquireLock("a", false);
      await h._releaseLock("a");
    },
    after: { a: old },
  },
  {
    name: "take over, for an update",
    before: { a: old },
    lay: staleLock("a"),
    staleAfter: 0,
    run: (h) => h.update("a", () => next),
    after: { a: next },
  },
  {
    name: "take over, for a new one",
    before: {},
    lay: staleLock("a"),
    staleAfter: 0,
    run: (h) => h.store("a", next),
    after: { a: next },
  },
  {
    name: "take over, for a move",
    before: { a: old },
    lay: (fileDir) => {
      staleLock("a")(fileDir);
      staleLock("b")(fileDir);
    },
    staleAfter: 0,
    run: (h) => h.store("b", next, { oldId: "a" }),
    after: { b: next },
  },
  {
    name: "take over, for a removal",
    before: { a: old },
    lay: staleLock("a"),
    staleAfter: 0,
    run: (h) => h.remove("a"),
    after: {},
  },
];

/** Makes `fileDir` as it is before the operation. */
export async function prepare({ before, hidden, lay }, handler) {
  for (const [id, data] of Object.entries({ ...before, ...hidden })) await handler.store(id, data);
  lay?.(handler.fileDir);
}
