// A disk where every call takes 20 ms, and what it does to requests of the same server that want no
// session. strace(1) makes it so: each call that the server makes on files begins that much later,
// once its threads are there.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { endWithUs, isInstalled, start } from "../child.mjs";
import { round } from "../measure.mjs";

export const title = "Stall: requests without a session, beside 16 visitors that change theirs";

const visitors = 16;
const onlookers = 4;
const callMs = 20;
/** What is asked of files, by the names the kernel has for it. Nothing asks it of sockets. */
const calls =
  "openat,close,statx,pread64,pwrite64,link,linkat,unlink,unlinkat,rename,renameat2,utimensat,fsync";

export async function measure({ dir, quick, log }) {
  const notes = [];
  const rows = [];
  const canSlow = isInstalled("strace");
  if (!canSlow) notes.push("no strace, so no slow disk: apt-get install strace");
  for (const isSlow of canSlow ? [false, true] : [false])
    for (const threads of [0, 4]) {
      const name = isSlow ? `${callMs} ms a call` : "as it is";
      log(`stall: ${name}, threads ${threads}`);
      const place = `${dir}/${isSlow}-${threads}`;
      rows.push({ disk: name, threads, ...(await watch(place, threads, isSlow, quick ? 2 : 8)) });
    }
  const slow = rows.find((row) => row.disk !== "as it is" && row.threads === 4);
  const what = `${callMs} ms a call, threads 4: p99 of other requests, ms`;
  const why = { why: "no strace" };
  const figures = [{ number: 13, what, measured: slow?.["p99 ms"], atMost: 10, ...(!slow && why) }];
  return { rows, figures, notes };
}

async function watch(dir, threads, isSlow, seconds) {
  const server = await start(new URL("../stall/serve.mjs", import.meta.url), [dir, threads]);
  const agent = new Agent({ keepAlive: true });
  const others = new Agent({ keepAlive: true });
  let slowing;
  let isOver = false;
  try {
    const base = `http://127.0.0.1:${await server.ask("port")}`;
    const cookies = [];
    while (cookies.length < visitors) {
      const { headers } = await visit(`${base}/session`, agent);
      cookies.push(headers["set-cookie"][0].split(";")[0]);
    }
    const warmUp = () => visit(`${base}/other`, others); // and opens the connections
    for (let time = 0; time < 100; time++)
      await Promise.all(Array.from({ length: onlookers }, warmUp));
    if (isSlow) slowing = await slowDown(await server.ask("pid"));

    let changes = 0;
    const visits = cookies.map(async (cookie) => {
      while (!isOver) {
        await visit(`${base}/session`, agent, { cookie });
        changes++;
      }
    });
    const took = [];
    const end = performance.now() + seconds * 1000;
    const look = async () => {
      while (performance.now() < end) {
        const begun = performance.now();
        await visit(`${base}/other`, others);
        took.push(performance.now() - begun);
        await sleep(10);
      }
    };
    await Promise.all(Array.from({ length: onlookers }, look));
    isOver = true;
    const perSecond = changes / seconds;
    slowing?.kill("SIGINT");
    await Promise.all(visits);
    took.sort((a, b) => a - b);
    const at = (share) => round(took[Math.ceil(share * took.length) - 1]);
    return {
      requests: took.length,
      "p50 ms": at(0.5),
      "p99 ms": at(0.99),
      "worst ms": at(1),
      "changes/s": round(perSecond),
    };
  } finally {
    isOver = true;
    slowing?.kill("SIGKILL");
    agent.destroy();
    others.destroy();
    await server.stop();
  }
}

async function slowDown(pid) {
  const inject = `inject=${calls}:delay_enter=${callMs}ms`;
  const options = ["-f", "-o", "/dev/null", "-e", `trace=${calls}`, "-e", inject, "-p", pid];
  const strace = endWithUs(spawn("strace", options, { stdio: ["ignore", "ignore", "pipe"] }));
  await once(strace.stderr, "data"); // it says which threads it has
  return strace;
}

function visit(url, agent, headers = {}) {
  return new Promise((resolve, reject) => {
    get(url, { agent, headers }, (response) => {
      response.resume();
      response.once("end", () => resolve(response));
    }).once("error", reject);
  });
}
