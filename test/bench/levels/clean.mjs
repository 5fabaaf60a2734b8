// Removing what has ended, a tenth of all sessions, in a process that answers 200 requests a second
// meanwhile; beside it `find -delete` on the same directory, filled up again before each.

import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, rmdirSync, statfsSync } from "node:fs";
import { Agent, get } from "node:http";
import { join } from "node:path";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { endWithUs, start } from "../child.mjs";
import { fileBytes, idOf, isOld, writeSession } from "../clean/files.mjs";
import { interleave, median, ratio, round } from "../measure.mjs";

export const title = "Cleaning: 10 % of the files are two days old";

const goals = [100_000, 1_000_000];

export async function measure({ dir, quick, rounds, log }) {
  const rows = [];
  const measured = new Map();
  for (const files of quick ? [10_000] : [10_000, ...goals]) {
    const why = lackOfRoom(dir, files);
    if (why) measured.set(files, { why });
    else {
      const sessions = join(dir, `${files}`);
      mkdirSync(sessions, { mode: 0o700 });
      try {
        measured.set(files, await measureFiles(sessions, files, rounds, log));
      } finally {
        await find(sessions, ["-delete"]);
        rmdirSync(sessions);
      }
    }
    rows.push(...rowsOf(files, measured.get(files)));
  }
  const left = { why: "--quick cleans 10,000 files only" };
  const figures = goals.flatMap((files) => figuresOf(files, measured.get(files) ?? left));
  const notes = [
    "The event loop's delay is that of a 1 ms timer, so 1 ms is none. `no cleaning` is the same server, left alone for as long, 5 s at most.",
  ];
  return { rows, figures, notes };
}

async function measureFiles(dir, files, rounds, log) {
  log(`clean: making ${files} files`);
  await write(dir, files, (i) => !isOld(i));
  const seen = { clean: [], rest: [] };
  const once = async (contestant, round) => {
    log(`clean: ${files} files, round ${round}, ${contestant}`);
    await write(dir, files, isOld);
    // On the disk, as what is two days old is; and known to the cache alike.
    spawnSync("sync", ["-f", dir]);
    await find(dir, ["-mmin", "+100000"]);
    if (contestant === "find -delete") return find(dir, ["-mmin", "+1440", "-delete"]);
    const { cleaned, rested } = await cleanServing(dir, files);
    const { removed } = cleaned.result;
    if (removed !== files / 10) throw new Error(`clean has removed ${removed} of ${files} files`);
    seen.clean.push(cleaned);
    seen.rest.push(rested);
    return cleaned.ms;
  };
  const times = await interleave(["clean", "find -delete"], rounds, once);
  return {
    ms: { clean: median(times.get("clean")), find: median(times.get("find -delete")) },
    ratio: round(ratio(times.get("clean"), times.get("find -delete"))),
    clean: mediansOf(seen.clean),
    rest: mediansOf(seen.rest),
  };
}

/** Writes the sessions for which `isWanted(i)`, and lets others have a turn now and then. */
async function write(dir, files, isWanted) {
  for (let i = 0; i < files; i++) {
    if (isWanted(i)) writeSession(dir, i);
    if (i % 1000 === 0) await setImmediate();
  }
}

/** How many milliseconds `find` takes. */
async function find(dir, conditions) {
  const begun = performance.now();
  const child = endWithUs(spawn("find", [dir, "-type", "f", ...conditions], { stdio: "ignore" }));
  const code = await new Promise((resolve, reject) =>
    child.once("close", resolve).once("error", reject),
  );
  if (code !== 0) throw new Error(`find has ended with ${code}`);
  return performance.now() - begun;
}

/** Has a fresh server clean while it serves, and then serve for as long without, 5 s at most. */
async function cleanServing(dir, files) {
  const server = await start(new URL("../clean/serve.mjs", import.meta.url), [dir], {
    flags: ["--expose-gc"],
  });
  const agent = new Agent({ keepAlive: true });
  const port = await server.ask("port");
  let isOver = false;
  const visits = (async () => {
    for (let i = 1; !isOver; i = (i + 7919) % files || 1) {
      if (!isOld(i)) await visit(port, agent, idOf(i));
      await sleep(5);
    }
  })();
  try {
    await sleep(500); // warm
    const cleaned = await server.ask("clean");
    const rested = await server.ask("rest", Math.min(cleaned.ms, 5000));
    return { cleaned, rested };
  } finally {
    isOver = true;
    await visits;
    agent.destroy();
    await server.stop();
  }
}

function visit(port, agent, id) {
  return new Promise((resolve, reject) => {
    get({ port, host: "127.0.0.1", path: `/${id}`, agent }, (response) => {
      response.resume();
      response.once("end", resolve);
    }).once("error", reject);
  });
}

/** Why so many files cannot be made here, if they cannot. */
function lackOfRoom(dir, files) {
  const { bavail, bsize, ffree } = statfsSync(dir);
  const bytes = files * (fileBytes + 200) * 1.05;
  if (bavail * bsize < bytes)
    return `the disk has no room for ${files} files (${gigabytes(bytes)})`;
  // A file system that makes inodes as it needs them counts none.
  if (ffree > 0 && ffree < files + 1000) return `the file system has ${ffree} inodes left`;
  return undefined;
}

function gigabytes(bytes) {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

function mediansOf(all) {
  const of = (key) => round(median(all.map((one) => one[key])));
  return { worstMs: of("worstMs"), p99Ms: of("p99Ms"), grownMiB: of("grownMiB") };
}

function rowsOf(files, { why, ms, ratio, clean, rest }) {
  if (why) return [{ files, method: why }];
  const stall = ({ worstMs, p99Ms, grownMiB }) => ({
    "worst delay ms": worstMs,
    "p99 delay ms": p99Ms,
    "memory + MiB": grownMiB,
  });
  return [
    { files, method: "find -delete", ms: round(ms.find), "of find": 1 },
    { files, method: "clean, serving", ms: round(ms.clean), "of find": ratio, ...stall(clean) },
    { files, method: "no cleaning", ...stall(rest) },
  ];
}

function figuresOf(files, { why, ratio, clean }) {
  const figure = (what, measured, atMost) => ({
    number: 11,
    what: `clean of ${files.toLocaleString("en")} files: ${what}`,
    measured,
    atMost,
    ...(why && { why }),
  });
  return [
    figure("time / find -delete", ratio, 1.3),
    figure("worst delay of the event loop, ms", clean?.worstMs, 10),
    figure("p99 delay of the event loop, ms", clean?.p99Ms, 3),
    figure("memory growth, MiB", clean?.grownMiB, 20),
  ];
}
