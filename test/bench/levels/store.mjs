// What reading and writing one of many sessions costs, beside every other way of keeping them: one
// process, random ids, one operation after the other and 16 in flight.

import assert from "node:assert/strict";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { sessionData, sessionId } from "../data.mjs";
import { interleave, median, rate, ratio, round, shuffled } from "../measure.mjs";
import {
  openAstro,
  openRemix,
  openSessionFileStore,
  openUnstorageFs,
  openUnstorageFsLite,
} from "../peers/file-stores.mjs";
import { openFilesession } from "../peers/filesession.mjs";
import { openRaw } from "../peers/raw.mjs";
import { openRedis } from "../peers/redis.mjs";
import { openSqlite } from "../peers/sqlite.mjs";

export const title = "Store: operations per second, and beside the raw system calls";

// Each gives contestants { name, read?(id), dataOf?(answer), write?(id, data), close() } that share
// the sessions which the first writer among them lays down.
const peers = {
  raw: openRaw,
  filesession: openFilesession,
  "unstorage fs": openUnstorageFs,
  "unstorage fs-lite": openUnstorageFsLite,
  "session-file-store": openSessionFileStore,
  "Remix file sessions": openRemix,
  "Astro's way": openAstro,
  "better-sqlite3": openSqlite,
  "Redis, ioredis": openRedis,
};
const filePeers = Object.keys(peers).slice(2, 7);
const sizes = { "300 B": 300, "4 KB": 4096, "64 KB": 65_536 };
const columns = {
  "read/s": { can: "read", inFlight: 1 },
  "read/s x16": { can: "read", inFlight: 16 },
  "write/s": { can: "write", inFlight: 1 },
  "write/s x16": { can: "write", inFlight: 16 },
};

export async function measure({ dir, quick, rounds, log }) {
  const results = {};
  const absent = {};
  for (const [size, bytes] of Object.entries(sizes)) {
    const count = quick ? 500 : bytes > 10_000 ? 3000 : 10_000;
    log(`${count} sessions of ${size}`);
    results[size] = await measureSize({ dir, bytes, count, rounds, absent, log, quick });
    rmSync(dir, { recursive: true });
    mkdirSync(dir);
  }
  return {
    rows: Object.entries(results).flatMap(([size, result]) => rowsOf(size, result)),
    figures: figuresOf(results, absent),
    notes: Object.entries(absent).map(([name, why]) => `${name}: ${why}`),
  };
}

/** Operations per second, round by round: by contestant's name, by column. */
async function measureSize({ dir, bytes, count, rounds, absent, log, quick }) {
  const ids = Array.from({ length: count }, (_, n) => sessionId(n));
  const contestants = [];
  for (const [name, open] of Object.entries(peers)) {
    const home = join(dir, name.replaceAll(/\W/g, "-"));
    mkdirSync(home);
    const opened = await Promise.resolve(home)
      .then(open)
      .catch((error) => void (absent[name] = String(error.message).split("\n")[0]));
    if (opened === undefined) continue;
    await fill(opened, ids, bytes);
    contestants.push(...opened);
  }
  const order = shuffled(count, 1 << 16);
  const data = sessionData(bytes);
  let writes = 0;
  const operations = {
    read: (contestant, start) => (n) => contestant.read(ids[order[(start + n) & 0xffff]]),
    // What is written is new each time, and as long.
    write: (contestant, start) => (n) => {
      data.visits = 1_000_000 + (writes++ % 1_000_000);
      return contestant.write(ids[order[(start + n) & 0xffff]], data);
    },
  };
  const ms = quick ? 30 : 400;
  const result = {};
  for (const [column, { can, inFlight }] of Object.entries(columns)) {
    const able = contestants.filter((contestant) => contestant[can]);
    const once = (contestant, round) => {
      const use = can === "read" ? contestant.dataOf : undefined;
      return rate(operations[can](contestant, round * 7919), ms, { inFlight, use });
    };
    await interleave(able, 1, once); // warms up
    for (const [{ name }, rates] of await interleave(able, rounds, once))
      (result[name] ??= {})[column] = rates;
    log(`  ${column}`);
  }
  for (const contestant of contestants) await contestant.close();
  return result;
}

/** Lays the sessions down, and sees that every reader finds them. */
async function fill(contestants, ids, bytes) {
  const writer = contestants.find((contestant) => contestant.write);
  const data = sessionData(bytes);
  for (let begin = 0; begin < ids.length; begin += 16)
    await Promise.all(
      ids.slice(begin, begin + 16).map((id, n) => {
        data.visits = 1_000_000 + begin + n;
        return writer.write(id, data);
      }),
    );
  const last = ids.length - 1;
  for (const { name, read, dataOf } of contestants)
    if (read && dataOf) {
      const { visits, cart } = dataOf(await read(ids[last]));
      assert.deepEqual({ visits, cart }, { visits: 1_000_000 + last, cart: data.cart }, name);
    }
}

function rowsOf(size, result) {
  const limits = { read: "raw sync read + parse", write: "raw temp + rename" };
  return Object.entries(result).map(([name, rates]) => {
    const row = { size, store: name };
    for (const [column, { can }] of Object.entries(columns)) {
      const own = rates[column];
      row[column] = own && Math.round(round(median(own)));
      if (column === `${can}/s`)
        row[`${can} / raw`] = own && round(ratio(own, result[limits[can]][column]));
    }
    return row;
  });
}

/** Figures 1-5 of the issue. */
function figuresOf(results, absent) {
  const figure = (number, size, column, ours, peer, atLeast) => {
    const result = results[size];
    const theirs = peer === "the best file peer" ? best(result, column) : peer;
    const a = result[ours]?.[column];
    const b = result[theirs]?.[column];
    return {
      number,
      what: `${ours}, ${column} ${size} / ${peer}${theirs === peer ? "" : ` (${theirs})`}`,
      measured: a && b && round(ratio(a, b)),
      atLeast,
      ...(!(a && b) && { why: absent[theirs] ?? absent.filesession }),
    };
  };
  const us = "filesession";
  const [read, write] = ["read/s", "write/s"];
  const durable = "filesession, durability file";
  return [
    figure(1, "300 B", read, us, "raw sync read + parse", 0.9),
    figure(1, "300 B", read, us, "the best file peer", 9),
    figure(1, "300 B", read, us, "Redis, ioredis", 3.5),
    figure(2, "4 KB", read, us, "raw sync read + parse", 0.9),
    figure(2, "4 KB", read, us, "the best file peer", 5),
    figure(2, "4 KB", read, us, "Redis, ioredis", 3),
    figure(2, "4 KB", read, us, "better-sqlite3", 1.5),
    figure(3, "4 KB", read, "filesession, data untouched", "raw sync bytes", 0.85),
    figure(3, "64 KB", read, "filesession, data untouched", "raw sync bytes", 0.85),
    figure(4, "300 B", write, us, "raw temp + rename", 2),
    figure(4, "4 KB", write, us, "raw temp + rename", 1.5),
    figure(4, "4 KB", write, us, "Redis, ioredis", 1),
    ...["300 B", "4 KB"].flatMap((size) => [
      figure(5, size, write, durable, "raw temp + fsync + rename", 0.8),
      figure(5, size, write, durable, "session-file-store", 3),
    ]),
  ];
}

function best(result, column) {
  const there = filePeers.filter((name) => result[name]?.[column]);
  return there.sort((a, b) => median(result[b][column]) - median(result[a][column]))[0];
}
