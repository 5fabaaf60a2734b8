// What a session may be called.

import assert from "node:assert/strict";
import { type Facts, dataOf, assertMiss, keysOf, rejects } from "./place.ts";

export const idFacts: Facts = {
  "an id of any shape is a session of its own, and keys() gives it back as it was": async ({
    open,
  }) => {
    const handler = await open();

    for (const id of shapes) await handler.store(id, { id });

    for (const id of shapes) assert.deepEqual(await dataOf(handler, id), { id });
    assert.deepEqual(await keysOf(handler), shapes.toSorted());
    for (const id of shapes) assert.equal(await handler.remove(id), true, JSON.stringify(id));
    assert.deepEqual(await keysOf(handler), []);
  },

  "a long id is stored or refused, and never taken for another": async ({ open }) => {
    const handler = await open();
    for (const character of ["a", "A", ":", "é", "😀"]) {
      for (const length of [100, 200, 255, 256, 1_000, 100_000]) {
        const stem = character.repeat(length - 1);
        const [id, other] = [`${stem}0`, `${stem}1`];
        try {
          await handler.store(id, length);
        } catch {
          await rejects(() => handler.store(id, length), "ERR_SESSION_ID");
          await rejects(() => handler.retrieve(id), "ERR_SESSION_ID");
          continue;
        }
        assert.equal(await dataOf(handler, id), length);
        await assertMiss(handler, other);
        assert.deepEqual(await keysOf(handler), [id]);
        await handler.remove(id);
      }
    }
  },

  "'' and what is no string is refused: ERR_SESSION_ID": async ({ open }) => {
    const handler = await open();
    for (const value of ["", undefined, null, 1, {}, ["a"], Symbol("a")]) {
      const id = value as string;
      const what = typeof value;
      await rejects(() => handler.store(id, 1), "ERR_SESSION_ID", `store() of ${what}`);
      await rejects(() => handler.retrieve(id), "ERR_SESSION_ID", `retrieve() of ${what}`);
      await rejects(() => handler.update(id, () => 1), "ERR_SESSION_ID", `update() of ${what}`);
      await rejects(() => handler.touch(id), "ERR_SESSION_ID", `touch() of ${what}`);
      await rejects(() => handler.remove(id), "ERR_SESSION_ID", `remove() of ${what}`);
      if (value === undefined || value === null) continue; // as an `oldId` it is none
      await rejects(() => handler.store("a", 1, { oldId: id }), "ERR_SESSION_ID", `oldId ${what}`);
    }
    assert.deepEqual(await keysOf(handler), []);
  },
};

// Names that are paths, devices, companions of other names or the same to a file system that
// ignores case or normalises Unicode.
const shapes = [
  "a",
  "A",
  "aa",
  "Aa",
  "a-b_c",
  "0",
  "-",
  "a:b",
  "a:b:c",
  "a/b",
  "a\\b",
  "/a",
  "a/",
  "../a",
  "..\\a",
  "../../../a",
  ".",
  "..",
  "...",
  ".a",
  "a.",
  "a.lock",
  "A.lock",
  "a.lock.lock",
  "a.new",
  "a.tmp",
  "a.json",
  " ",
  "a b",
  " a",
  "a ",
  "a\n",
  "a\0",
  "a$",
  "a?b",
  "a*",
  "a%",
  "%61",
  "%41",
  "a%2fb",
  "a%2Fb",
  "con",
  "CON",
  "nul",
  "__proto__",
  "constructor",
  "\u00e9",
  "e\u0301",
  "\u212b", // the Ångström sign, which both normal forms replace
  "\u00c5",
  "ß",
  "ss",
  "ı",
  "i",
  "İ",
  "ſ",
  "😀",
  "👩‍👩‍👧",
  "\ud83d",
  "\ude00",
  "\ude00\ud83d",
  "\ufffd",
  "a".repeat(128),
];
