// One user's sessions among all: to find them by their tag and to destroy them, and what the tag
// costs whoever stores, and `clean`.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, statfsSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { FileHandler } from "filesession";
import { sessionData, sessionId } from "../data.mjs";
import { interleave, median, round, shuffled } from "../measure.mjs";

export const title = "Tags: milliseconds for the 5 sessions of one user, by how many there are";

const each = 5;
const day = 86_400;
const usersPerRound = 20;
const cleanRounds = 3; // of some minutes each

export async function measure({ dir, quick, rounds, log }) {
  const notes = [
    "`find` is `tagged`, `destroy` that and `remove` of each. Microseconds for one session that is",
    "stored, or stays when it is cleaned: the first time every entry of the index is looked into.",
  ];
  const places = [];
  for (const count of quick ? [1e3, 1e4] : [1e3, 1e5, 1e6]) {
    if (!hasRoom(dir, count)) {
      notes.push(`${nameOf(count)}: no room for so many files`);
      continue;
    }
    log(`${nameOf(count)} sessions, without a tag and with one`);
    const plain = await fill(join(dir, `plain-${count}`), count, () => undefined);
    const tagged = await fill(join(dir, `tagged-${count}`), count, (n) => tagOf(n, count));
    places.push({ count, plain, tagged, firstClean: await firstClean(tagged, count) });
  }
  spawnSync("sync", ["-f", dir]); // what has just been written is not to be written meanwhile

  const cleans = await interleave(
    places.flatMap(({ count, plain, tagged }) => [
      { count, ...plain },
      { count, ...tagged },
    ]),
    cleanRounds,
    ({ handler, count }) => cleaned(handler, count),
  );
  const cleanOf = (handler) =>
    round(median([...cleans].find(([place]) => place.handler === handler)[1]));
  log("cleaned");

  await interleave(places, 1, (place) => visitUsers(place, -1)); // warms up
  const visits = await interleave(places, rounds, visitUsers);

  const rows = [];
  for (const place of places) {
    const { count, plain, tagged, firstClean } = place;
    const ms = visits.get(place).flat();
    rows.push({
      sessions: nameOf(count),
      ...spread(
        "find",
        ms.map(({ find }) => find),
      ),
      ...spread("destroy", ms.map(sum)),
      "store us": round(plain.storeUs),
      "with a tag": round(tagged.storeUs),
      "clean us": cleanOf(plain.handler),
      "with tags": cleanOf(tagged.handler),
      "first time": round(firstClean),
    });
    await plain.handler.close();
    await tagged.handler.close();
  }
  return { rows, figures: [figureOf(places.at(-1), visits)], notes };
}

/** Stores so many sessions: the handler, and microseconds for each of them. */
async function fill(dir, count, tag) {
  const handler = new FileHandler({ fileDir: dir });
  const data = sessionData(300);
  const begun = performance.now();
  for (let n = 0; n < count; n++) {
    data.visits = 1_000_000 + n;
    await handler.store(sessionId(n), data, { tag: tag(n) });
    if (n % 1000 === 0) await turn();
  }
  return { handler, storeUs: ((performance.now() - begun) * 1000) / count };
}

/** A user's sessions are as far from each other as can be. */
function tagOf(n, count) {
  return `user ${n % (count / each)}`;
}

/** As a clean does it that is the first since all the tags were given, some time ago. */
async function firstClean({ handler }, count) {
  const index = join(handler.fileDir, `${handler.filePrefix}.tags`);
  const past = Date.now() / 1000 - 3600;
  for (const shard of readdirSync(index)) {
    for (const name of readdirSync(join(index, shard)))
      utimesSync(join(index, shard, name), past, past);
    await turn();
  }
  return cleaned(handler, count);
}

/** Microseconds that `clean` takes for a session that stays. */
async function cleaned(handler, count) {
  const begun = performance.now();
  const result = await handler.clean(day);
  const us = ((performance.now() - begun) * 1000) / count;
  assert.deepEqual(result, { removed: 0, kept: count, skipped: 0 });
  return us;
}

/** Milliseconds to find, and then to destroy, the sessions of some users; stored again after it. */
async function visitUsers({ count, tagged: { handler } }, round) {
  const users = count / each;
  const all = [];
  for (const user of shuffled(users, usersPerRound, round + 2)) {
    const begun = performance.now();
    const ids = await handler.tagged(`user ${user}`);
    const found = performance.now();
    for (const id of ids) await handler.remove(id);
    const removed = performance.now();
    const theirs = Array.from({ length: each }, (_, n) => user + n * users);
    assert.deepEqual(ids.toSorted(), theirs.map(sessionId).toSorted());
    all.push({ find: found - begun, remove: removed - found });
    const data = sessionData(300);
    for (const n of theirs) await handler.store(sessionId(n), data, { tag: `user ${user}` });
  }
  return all;
}

/** To find and to destroy a user's sessions among as many as there are. */
function figureOf(place, visits) {
  const what = "one user's 5 of 1,000,000 sessions, found and destroyed, ms";
  if (place === undefined || place.count < 1e6)
    return { number: 14, what, atMost: 10, why: "fewer were made" };
  const ms = visits.get(place).flat();
  return { number: 14, what, atMost: 10, measured: round(median(ms.map(sum))) };
}

function sum({ find, remove }) {
  return find + remove;
}

function spread(what, ms) {
  return {
    [`${what} min`]: round(Math.min(...ms)),
    [`${what} median`]: round(median(ms)),
    [`${what} max`]: round(Math.max(...ms)),
  };
}

function hasRoom(dir, count) {
  const { bavail, bsize, files, ffree } = statfsSync(dir);
  // Two directories of sessions and an index. No number of files at all: they are not limited.
  return (files === 0 || ffree >= 3.5 * count) && bavail * bsize >= 12_000 * count;
}

function nameOf(count) {
  return count < 1e6 ? `${count / 1e3}k` : `${count / 1e6}M`;
}
