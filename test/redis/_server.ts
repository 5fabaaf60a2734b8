// Redis servers of the tests' own, real ones. The one that a system may run at 6379 is never used.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, realpathSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { call } from "./_call.ts";

export interface RedisServer extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** Of the process that runs, or ran last. */
  readonly pid: number;
  readonly dir: string;
  /** What it answers to one command, over a connection of its own. Rejects with what it answers with `-`. */
  call(...args: string[]): Promise<unknown>;
  /** Ends it as `kill -9` does. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Asks it to end, as an orderly restart does. Resolves when it is gone. */
  stop(): Promise<void>;
  /** Starts it again, with the same port, directory and arguments; stops it before when it runs. */
  restart(): Promise<void>;
  /** Has every command of every client wait that long, those of `call` too. */
  pause(ms: number): Promise<void>;
  /** Kills it and removes its directory. */
  close(): Promise<void>;
}

export interface RedisOptions {
  /** More arguments of `redis-server`; of two that say the same the later one is in force. */
  args?: string[];
  /** The text of a configuration file, which it may rewrite. */
  conf?: string;
  /** Where it keeps its files; it stays when the server is closed. Default: a temporary one of its own. */
  dir?: string;
  /** Default: a free one. */
  port?: number;
}

const defaults = {
  bind: "127.0.0.1",
  daemonize: "no",
  save: "",
  appendonly: "no",
  "repl-diskless-sync-delay": "0", // 5 seconds by default, until a replica gets anything
};

/** The arguments of `redis-server` that say so. */
export function argsOf(config: Record<string, string>): string[] {
  return Object.entries(config).flatMap(([name, value]) => [`--${name}`, value]);
}

/**
 * Starts `redis-server` on the loopback; it keeps nothing on disk unless `args` say so. Resolves when
 * it answers. It ends with the thread of the tests that started it, however that ends.
 */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const dir = options.dir ?? mkdtempSync(join(realpathSync(tmpdir()), "filesession-redis-"));
  try {
    const confFile = join(dir, "redis.conf");
    if (options.conf !== undefined) await writeFile(confFile, options.conf);
    const args = [
      ...(options.conf === undefined ? [] : [confFile]),
      ...argsOf({ ...defaults, dir }),
      ...(options.args ?? []),
    ];
    const { port, first } = await startAt(options.port, args);
    return serverOf(port, dir, args, first, options.dir === undefined);
  } catch (error) {
    if (options.dir === undefined) await rm(dir, { recursive: true });
    throw error;
  }
}

function serverOf(
  port: number,
  dir: string,
  args: string[],
  first: Running,
  ownsDir: boolean,
): RedisServer {
  let running = first;
  const server: RedisServer = {
    port,
    dir,
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return running.pid;
    },
    call: (...command) => call(port, command),
    kill: () => running.end("SIGKILL"),
    stop: () => running.end("SIGTERM"),
    async restart() {
      await running.end("SIGTERM");
      running = await run(port, args);
    },
    async pause(ms) {
      await call(port, ["CLIENT", "PAUSE", String(ms), "ALL"]);
    },
    async close() {
      await running.end("SIGKILL");
      if (ownsDir) await rm(dir, { recursive: true, force: true });
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
  return server;
}

/** A free port may be another's by the time the server asks for it: then it is tried with the next. */
async function startAt(
  fixed: number | undefined,
  args: string[],
): Promise<{ port: number; first: Running }> {
  for (let triesLeft = 5; ; triesLeft--) {
    const port = fixed ?? (await freePort());
    try {
      return { port, first: await run(port, args) };
    } catch (error) {
      if (fixed !== undefined || triesLeft === 0 || !/Failed listening/.test(String(error)))
        throw error;
    }
  }
}

/**
 * A port that is free, and so is the one 10000 above it, where a node of a cluster listens to the
 * others. Below those that Linux gives to connections (32768 to 60999): one of these, another's or a
 * client's own attempt to reconnect, would take the port of a server that is killed and restarted.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 12_000);
    if ((await isFree(port)) && (await isFree(port + 10_000))) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer().listen(port, "127.0.0.1");
  try {
    await once(probe, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw error;
  }
  probe.close();
  await once(probe, "close");
  return true;
}

interface Running {
  pid: number;
  /** Resolves when it is gone, at once when it is gone already. */
  end(signal: NodeJS.Signals): Promise<void>;
}

/**
 * Runs it. Resolves when it answers; rejects with what it said when it ends before that. `setpriv`
 * has the system kill it when the thread that started it is gone, even by `kill -9`.
 */
async function run(port: number, args: string[]): Promise<Running> {
  const command = ["redis-server", ...args, "--port", String(port)];
  const child = spawn("setpriv", ["--pdeathsig", "KILL", ...command], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = new Promise((resolve) => child.once("close", resolve));
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await closed;
  };
  const tooLate = setTimeout(() => child.kill("SIGKILL"), 10_000);
  try {
    let log = "";
    // Read to the end, so that the pipe never fills.
    child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
    const lines = createInterface(child.stdout);
    await new Promise<void>((resolve, reject) => {
      lines.on("line", (line) => {
        log += `${line}\n`;
        if (/Ready to accept connections|Sentinel ID is/.test(line)) resolve();
      });
      child.on("error", reject);
      child.on("close", () => reject(new Error(`redis-server ended before it was ready.\n${log}`)));
    });
    await call(port, ["PING"]);
    return { pid: child.pid!, end };
  } catch (error) {
    await end("SIGKILL");
    throw error;
  } finally {
    clearTimeout(tooLate);
  }
}

/** Waits until it is so, 20 seconds at most. What it throws before, it throws then. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`In 20 seconds it did not come to: ${isSo}`);
    await sleep(20);
  }
}
