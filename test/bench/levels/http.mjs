// Sessions behind HTTP, as a visitor meets them. Each server is a process of its own on one core,
// asked by wrk from the other one over 64 connections, with a random one of 1,000 session cookies on
// each request. `read` only reads the session, `write` counts it up by one and stores it.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { canPin, isInstalled, start } from "../child.mjs";
import { buildNitro } from "../http/nitro.mjs";
import { startRedis } from "../http/redis.mjs";
import { begin, nothingYet, visit } from "../http/visitors.mjs";
import { interleave, median, ratio, round } from "../measure.mjs";

export const title = "HTTP: requests per second of one core";

const both = ["read", "write"];

// Sealed cookies have nothing on the server, so one is as good as another; and h3 2 takes 32 ms to
// make one.
const sealed = 16;

const servers = [
  ...["h3 1", "h3 2"].flatMap((stack) => [
    { stack, way: "bare", routes: ["read"] },
    { stack, way: "Map", routes: both },
    { stack, way: "useFileSession", routes: both },
    { stack, way: "useSession", routes: both, visitors: sealed },
    { stack, way: "unstorage", routes: both },
  ]),
  { stack: "nitro", way: "bare", routes: ["bare"] },
  { stack: "nitro", way: "useStorage", routes: both },
  { stack: "express", way: "bare", routes: ["read"] },
  { stack: "express", way: "session-file-store", routes: both },
  { stack: "express", way: "connect-redis", routes: both },
];

export async function measure({ dir, quick, rounds, log }) {
  if (!isInstalled("wrk")) {
    const why = "wrk is missing: apt-get install wrk";
    return { rows: [], figures: figuresOf(() => ({ why })), notes: [why] };
  }
  const seconds = quick ? 0.2 : 3;
  const warmUp = quick ? 0.1 : 1;
  const visitors = quick ? 200 : 1000;
  const notes = [];
  if (!canPin) notes.push("Servers and load share the cores: there is no taskset, or one core.");

  const running = [];
  const missing = [];
  const stops = [];
  try {
    const redis = isInstalled("redis-server") ? await startRedis() : undefined;
    if (redis) stops.push(redis.stop);
    const nitro = join(dir, "nitro");
    log("http: building the Nitro app");
    await buildNitro(nitro, join(dir, "nitro-sessions"));

    for (const server of servers) {
      const name = `${server.stack} ${server.way}`;
      log(`http: starting ${name}`);
      try {
        const place = join(dir, name.replaceAll(" ", "-"));
        mkdirSync(place);
        if (server.way === "connect-redis" && !redis)
          throw new Error("redis-server is missing: apt-get install redis-server");
        const where =
          server.stack === "nitro" ? nitro : server.way === "connect-redis" ? redis.socket : place;
        const child = await start(
          new URL("../http/server.mjs", import.meta.url),
          [server.stack, server.way, where],
          { core: 0 },
        );
        stops.push(child.stop);
        const origin = `http://127.0.0.1:${await child.ask("port")}`;
        const cookies = join(place, "cookies.txt");
        const count = Math.min(visitors, server.visitors ?? visitors);
        writeFileSync(cookies, (await begin(origin, count)).join("\n"));
        for (const route of server.routes)
          running.push({ ...server, ...nothingYet(), child, cookies, route, origin });
      } catch (error) {
        if (server.way === "useFileSession") throw error;
        missing.push({ ...server, why: String(error.message).split("\n")[0] });
      }
    }

    for (const contestant of running) await visit(contestant, 0, warmUp);
    for (const contestant of running) Object.assign(contestant, nothingYet());
    let announced;
    const rates = await interleave(running, rounds, (contestant, round) => {
      if (round !== announced) log(`http: round ${(announced = round)}`);
      return visit(contestant, round + 1, seconds);
    });
    return report(running, missing, rates, notes);
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

function report(running, missing, rates, notes) {
  const find = (stack, way, route) =>
    running.find((one) => one.stack === stack && one.way === way && one.route === route);
  const bareOf = ({ stack }) => running.find((one) => one.stack === stack && one.way === "bare");
  const rateOf = (contestant) => rates.get(contestant);
  const rows = running.map((contestant) => ({
    server: `${contestant.stack} ${contestant.way}`,
    route: contestant.way === "bare" ? "-" : contestant.route,
    "requests/s": round(median(rateOf(contestant))),
    "of its bare": round(ratio(rateOf(contestant), rateOf(bareOf(contestant)))),
    "server CPU µs/request": finite(median(contestant.micros)),
    "p50 ms": round(median(contestant.p50) / 1000),
    failed: contestant.failed,
  }));
  for (const { stack, way, why } of missing) rows.push({ server: `${stack} ${way}`, route: why });

  const figures = figuresOf((stack) => {
    const bare = find(stack, "bare", "read");
    const map = find(stack, "Map", "read");
    const read = find(stack, "useFileSession", "read");
    const write = find(stack, "useFileSession", "write");
    const unstorage = find(stack, "unstorage", "write");
    const over = read.micros.map((micros, i) => micros - map.micros[i]);
    return {
      readOfMap: round(ratio(rateOf(read), rateOf(map))),
      microsOverMap: round(median(over)),
      writeOfBare: round(ratio(rateOf(write), rateOf(bare))),
      writeOfUnstorage: round(ratio(rateOf(write), rateOf(unstorage))),
      failed: read.failed + write.failed,
    };
  });
  return { rows, figures, notes };
}

function finite(number) {
  return Number.isFinite(number) ? round(number) : "-";
}

function figuresOf(of) {
  return ["h3 1", "h3 2"].flatMap((stack) => {
    const { why, ...measured } = of(stack);
    const figure = (number, what, value, goal) => ({
      number,
      what: `${stack}: ${what}`,
      measured: value,
      ...goal,
      ...(why && { why }),
    });
    return [
      figure(7, "read / a Map in memory", measured.readOfMap, { atLeast: 0.85 }),
      figure(7, "read, server CPU µs over the Map", measured.microsOverMap, { atMost: 20 }),
      figure(8, "locked write / bare", measured.writeOfBare, { atLeast: 0.45 }),
      figure(8, "locked write / unstorage, unlocked", measured.writeOfUnstorage, { atLeast: 2.5 }),
      figure(8, "failed requests", measured.failed, { atMost: 0 }),
    ];
  });
}
