// A Redis of our own, on a unix socket and nothing else, which keeps nothing on disk.

import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { spawnOn } from "../child.mjs";

/** Starts one, on the core that is not the server's: `{ socket, stop() }`. */
export async function startRedis() {
  const dir = mkdtempSync(join(tmpdir(), "filesession-redis-")); // a socket's name has to be short
  const socket = join(dir, "socket");
  const removed = () => rmSync(dir, { recursive: true, force: true });
  process.once("exit", removed);
  const nowhere = ["--port", "0", "--unixsocket", socket, "--dir", dir];
  const child = spawnOn(1, "redis-server", [...nowhere, "--save", "", "--appendonly", "no"], {
    stdio: "ignore",
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  for (let tries = 0; !(await answers(socket)); tries++) {
    if (tries === 100) throw new Error("redis-server does not answer after 5 s");
    await sleep(50);
  }
  return {
    socket,
    stop: async () => {
      child.kill("SIGKILL");
      await ended;
      removed();
      process.off("exit", removed);
    },
  };
}

function answers(socket) {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.once("connect", () => resolve(true));
    connection.once("error", () => resolve(false));
    connection.once("connect", () => connection.destroy());
  });
}
