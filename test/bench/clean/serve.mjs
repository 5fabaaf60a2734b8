// serve.mjs <dir>: a server whose sessions are in <dir>. Asked to, it cleans while it serves, and
// says how long its event loop stood still meanwhile and how much memory it took.

import { createServer } from "node:http";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
// By its path: a package.json beside the peers hides the package's own name.
import { FileHandler } from "../../../dist/index.js";
import { answer } from "../child.mjs";

const handler = new FileHandler({ fileDir: process.argv[2] });

const server = createServer(async (request, response) => {
  const { id = null } = await handler.retrieve(request.url.slice(1), { blocking: false });
  response.end(JSON.stringify({ id }));
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));

answer({
  port: () => server.address().port,
  clean: () => watched(() => handler.clean(86_400)),
  /** The same watch over a server that does not clean: what the machine itself does to it. */
  rest: (ms) => watched(() => sleep(ms)),
});

async function watched(work) {
  globalThis.gc();
  await sleep(50);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const before = process.memoryUsage.rss();
  let most = before;
  const look = () => (most = Math.max(most, process.memoryUsage.rss()));
  const timer = setInterval(look, 20);
  delay.enable();
  await sleep(5); // the first tick is its beginning
  const begun = performance.now();
  const result = await work();
  const ms = performance.now() - begun;
  await sleep(5); // a stall at the very end is seen by the tick after it
  delay.disable();
  clearInterval(timer);
  look();
  return {
    result,
    ms,
    worstMs: delay.max / 1e6,
    p99Ms: delay.percentile(99) / 1e6,
    grownMiB: (most - before) / 2 ** 20,
  };
}
