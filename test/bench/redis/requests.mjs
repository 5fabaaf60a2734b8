// Sessions in Redis behind HTTP: each server on one core, wrk and Redis on the other. What is full is
// the server's core, and Redis is as near to all of them: over TCP on the loopback.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isInstalled, start } from "../child.mjs";
import { begin, nothingYet, visit } from "../http/visitors.mjs";
import { interleave, median, ratio, round } from "../measure.mjs";

const servers = [
  ...["h3 1", "h3 2"].flatMap((stack) =>
    ["RedisHandler, ioredis", "RedisHandler, node-redis", "unstorage redis"].map((way) => ({
      stack,
      way,
    })),
  ),
  { stack: "express", way: "connect-redis" },
];

export async function measureRequests({ redis, dir, quick, rounds, log }) {
  const title = "Redis: HTTP requests per second of one core, Redis and wrk on the other";
  if (!isInstalled("wrk")) {
    const why = "wrk is missing: apt-get install wrk";
    return { title, rows: [], figures: figuresOf(() => ({ why })), notes: [why] };
  }
  const seconds = quick ? 0.2 : 2;
  const running = [];
  const stops = [];
  try {
    for (const { stack, way } of servers) {
      log(`redis: starting ${stack} ${way}`);
      const child = await start(
        new URL("../http/server.mjs", import.meta.url),
        [stack, way, `redis://127.0.0.1:${redis.port}`],
        { core: 0 },
      );
      stops.push(child.stop);
      const origin = `http://127.0.0.1:${await child.ask("port")}`;
      const place = join(dir, `${stack} ${way}`.replaceAll(/\W+/g, "-"));
      mkdirSync(place);
      const cookies = join(place, "cookies.txt");
      writeFileSync(cookies, (await begin(origin, quick ? 200 : 1000)).join("\n"));
      for (const route of ["read", "write"])
        running.push({ stack, way, ...nothingYet(), redis: [], child, cookies, route, origin });
    }
    const once = async (contestant, round) => {
      const before = await redis.cpuMicros();
      const perSecond = await visit(contestant, round + 1, seconds);
      contestant.redis.push(((await redis.cpuMicros()) - before) / (perSecond * seconds));
      return perSecond;
    };
    for (const contestant of running) await visit(contestant, 0, seconds / 2);
    for (const contestant of running) Object.assign(contestant, nothingYet());
    let announced;
    const rates = await interleave(running, rounds, (contestant, round) => {
      if (round !== announced) log(`redis: HTTP, round ${(announced = round)}`);
      return once(contestant, round);
    });
    return { title, ...report(running, rates) };
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

function report(running, rates) {
  const find = (stack, way, route) =>
    running.find((one) => one.stack === stack && one.way === way && one.route === route);
  const besides = ({ stack, route }) =>
    find(stack, "unstorage redis", route) ?? find("express", "connect-redis", route);
  const rows = running.map((contestant) => ({
    server: `${contestant.stack} ${contestant.way}`,
    route: contestant.route,
    "requests/s": round(median(rates.get(contestant))),
    "/ its unstorage": round(ratio(rates.get(contestant), rates.get(besides(contestant)))),
    "/ express": round(
      ratio(rates.get(contestant), rates.get(find("express", "connect-redis", contestant.route))),
    ),
    "server CPU µs/request": round(median(contestant.micros)),
    "Redis CPU µs/request": round(median(contestant.redis)),
    "p50 ms": round(median(contestant.p50) / 1000),
    failed: contestant.failed,
  }));
  const figures = figuresOf((stack) => {
    const [read, write] = ["read", "write"].map((route) =>
      find(stack, "RedisHandler, ioredis", route),
    );
    const over = (ours, other) => round(ratio(rates.get(ours), rates.get(other)));
    return {
      readOfUnstorage: over(read, find(stack, "unstorage redis", "read")),
      readOfExpress: over(read, find("express", "connect-redis", "read")),
      writeOfExpress: over(write, find("express", "connect-redis", "write")),
      failed: read.failed + write.failed,
    };
  });
  return { rows, figures };
}

function figuresOf(of) {
  return ["h3 1", "h3 2"].flatMap((stack) => {
    const { why, ...measured } = of(stack);
    const figure = (what, value, goal) => ({
      number: 15,
      what: `Redis, ${stack}: ${what}`,
      measured: value,
      ...goal,
      ...(why && { why }),
    });
    return [
      figure("read / unstorage redis", measured.readOfUnstorage, { atLeast: 0.95 }),
      figure("read / express, connect-redis", measured.readOfExpress, { atLeast: 1.5 }),
      figure("write / express, connect-redis", measured.writeOfExpress, { atLeast: 1.5 }),
      figure("failed requests", measured.failed, { atMost: 0 }),
    ];
  });
}
