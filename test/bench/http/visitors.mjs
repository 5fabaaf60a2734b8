// The visitors of a server: a cookie for each, and wrk that comes with all of them.

import { setTimeout as sleep } from "node:timers/promises";
import { load } from "./wrk.mjs";

/** What is noted of each contestant, one entry a round. */
export function nothingYet() {
  return { micros: [], p50: [], failed: 0 };
}

/** One measurement: how many requests a second were answered well. */
export async function visit(contestant, seed, seconds) {
  const { child, cookies, origin, route } = contestant;
  const before = await child.ask("cpuMicros");
  const { requests, failed, micros, p50 } = await load(
    `${origin}/${route}`,
    cookies,
    seed,
    seconds,
  );
  const used = (await child.ask("cpuMicros")) - before;
  await untilIdle(child);
  contestant.micros.push(used / requests);
  contestant.p50.push(p50);
  contestant.failed += failed;
  return (1e6 * Math.max(requests - failed, 0)) / micros;
}

/** What was still in flight when wrk left is answered in nobody else's time. */
async function untilIdle(child) {
  let used = await child.ask("cpuMicros");
  for (;;) {
    await sleep(20);
    const now = await child.ask("cpuMicros");
    if (now - used < 4000) return;
    used = now;
  }
}

/** The cookies of so many new sessions. */
export async function begin(origin, count) {
  const cookies = [];
  const visitor = async () => {
    while (cookies.length < count) {
      const place = cookies.push("") - 1;
      const response = await fetch(`${origin}/begin`);
      if (!response.ok) throw new Error(`${origin}/begin has answered ${response.status}`);
      await response.arrayBuffer();
      cookies[place] = response.headers
        .getSetCookie()
        .map((text) => text.split(";")[0])
        .join("; ");
    }
  };
  await Promise.all(Array.from({ length: 16 }, visitor));
  return cookies;
}
