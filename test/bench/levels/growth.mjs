// What a session costs as they grow in number: reading one, writing one, cleaning when one in ten is
// due, its bytes and inodes on disk. Raw system calls on the same files tell what is the disk's
// part. `--svg` draws it into docs/growth.svg.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, lstatSync, mkdirSync, openSync, opendirSync, readSync } from "node:fs";
import { statfsSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { FileHandler } from "filesession";
import { sessionData, sessionId } from "../data.mjs";
import { interleave, median, rate, ratio, round, shuffled } from "../measure.mjs";
import { drawing } from "../picture.mjs";

export const title = "Growth: microseconds and bytes per session of 300 B, by how many there are";

const picture = fileURLToPath(new URL("../../../docs/growth.svg", import.meta.url));
const day = 86_400;

export async function measure({ dir, quick, rounds, svg, log }) {
  const notes = [];
  const places = [];
  for (const count of quick ? [1e3, 1e4] : [1e3, 1e4, 1e5, 1e6]) {
    const { bavail, bsize, files, ffree } = statfsSync(dir);
    // No number of files at all: they are not limited, as on btrfs.
    if ((files > 0 && ffree < 1.2 * count) || bavail * bsize < 6000 * count) {
      notes.push(`${nameOf(count)}: no room for so many files`);
      continue;
    }
    log(`${nameOf(count)} sessions`);
    places.push(await fill(join(dir, String(count)), count));
  }

  spawnSync("sync", ["-f", dir]); // what has just been written is not to be written meanwhile

  const ms = quick ? 100 : 400;
  const perSecond = async (operation, use) => {
    await interleave(places, 1, (place) => rate(operation(place), ms / 2, { use })); // warms up
    return interleave(places, rounds, (place) => rate(operation(place), ms, { use }));
  };
  const buffer = Buffer.allocUnsafe(4096);
  const data = sessionData(300);
  const measured = {
    "raw read": await perSecond(
      ({ paths }) =>
        (n) =>
          rawRead(paths[n & 0xffff], buffer),
    ),
    retrieve: await perSecond(
      ({ handler, ids }) =>
        (n) =>
          handler.retrieve(ids[n & 0xffff]),
      (record) => record.data,
    ),
    store: await perSecond(({ handler, ids }) => (n) => {
      data.visits = 1_000_000 + n;
      return handler.store(ids[n & 0xffff], data);
    }),
    clean: await interleave(places, rounds, cleaned),
  };
  log("measured");

  const rows = [];
  const smallest = nameOf(places[0].count);
  for (const place of places) {
    const row = { sessions: nameOf(place.count) };
    for (const [what, results] of Object.entries(measured)) {
      const own = results.get(place);
      const first = results.get(places[0]);
      row[`${what} us`] = round(1e6 / median(own));
      row[`${what} / ${smallest}`] = round(ratio(first, own));
    }
    const { bytes, inodes } = await onDisk(place.dir);
    row["MiB on disk"] = round(bytes / 2 ** 20);
    row["KiB each"] = round(bytes / 1024 / place.count);
    row.inodes = inodes;
    row["inodes each"] = round(inodes / place.count);
    rows.push(row);
    await place.handler.close();
  }
  if (svg) {
    mkdirSync(dirname(picture), { recursive: true });
    writeFileSync(picture, drawing(rows));
    notes.push(`drawn: ${picture}`);
  }
  return { rows, figures: [], notes };
}

async function fill(dir, count) {
  const handler = new FileHandler({ fileDir: dir });
  await store(handler, count, 1);
  const ids = shuffled(count, 1 << 16).map(sessionId);
  return { dir, count, handler, ids, paths: ids.map((id) => pathOf(handler, id)) };
}

/** Stores every `step`th session. */
async function store(handler, count, step) {
  const data = sessionData(300);
  for (let n = 0; n < count; n += step) {
    data.visits = 1_000_000 + n;
    await handler.store(sessionId(n), data);
    if (n % 1000 === 0) await turn();
  }
}

/** Sessions per second that `clean` goes through, one in ten of which it removes. */
async function cleaned({ handler, count }) {
  const past = Date.now() / 1000 - 2 * day;
  for (let n = 0; n < count; n += 10) utimesSync(pathOf(handler, sessionId(n)), past, past);
  await turn();
  const begun = performance.now();
  const result = await handler.clean(day);
  const ms = performance.now() - begun;
  assert.deepEqual(result, { removed: count / 10, kept: count * 0.9, skipped: 0 });
  await store(handler, count, 10);
  return (count * 1000) / ms;
}

function rawRead(path, buffer) {
  const fd = openSync(path, "r");
  const length = readSync(fd, buffer, 0, buffer.length, 0);
  closeSync(fd);
  return length;
}

/** What a directory and all in it take: blocks that are allocated, and inodes. */
async function onDisk(dir) {
  let bytes = lstatSync(dir).blocks * 512;
  const inodes = new Set([lstatSync(dir).ino]);
  const entries = opendirSync(dir);
  for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
    const { ino, blocks } = lstatSync(join(dir, entry.name));
    if (!inodes.has(ino)) bytes += blocks * 512;
    inodes.add(ino);
    if (inodes.size % 1000 === 0) await turn();
  }
  entries.closeSync();
  return { bytes, inodes: inodes.size };
}

function pathOf({ fileDir, filePrefix }, id) {
  return join(fileDir, filePrefix + id);
}

function nameOf(count) {
  return count < 1e6 ? `${count / 1e3}k` : `${count / 1e6}M`;
}
