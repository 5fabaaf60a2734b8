// The apps of playground/, installed with what was packed, built for production, and started.

import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { inject } from "vitest";
import { isWanted, runtimes } from "../runtimes/_runtimes.mjs";
import { place, root } from "./_pack.ts";

const run = promisify(execFile);

/** An app, built. */
export interface App {
  readonly name: string;
  /** Where it is installed and built. */
  readonly dir: string;
  /** What it was built with. */
  readonly node: string;
}

/** A server of an app, in a process of its own. */
export interface Server {
  readonly url: string;
  readonly pid: number;
  /** All that it has said so far. */
  output(): string;
  /** Ends it with this signal; gives its exit code, `null` when the signal has ended it. */
  kill(signal?: NodeJS.Signals): Promise<number | null>;
}

const generated = new Set([
  "node_modules",
  ".output",
  ".nuxt",
  ".nitro",
  ".next",
  ".astro",
  ".svelte-kit",
  "build",
  "dist",
  ".data",
]);

/**
 * Installs and builds `playground/<name>` as its `package.json` and lock file say. What has not changed
 * since the last run is not done again. Rejects with what npm had to say.
 */
export async function buildApp(name: string): Promise<App> {
  const source = join(root, "playground", name);
  const dir = join(place, "playground", name);
  const modules = join(dir, "node_modules");
  mkdirSync(dir, { recursive: true });
  for (const entry of readdirSync(dir))
    if (!generated.has(entry)) rmSync(join(dir, entry), { recursive: true });
  cpSync(source, dir, {
    recursive: true,
    filter: (path) =>
      path === source || !generated.has(path.slice(source.length + 1).split("/")[0]!),
  });
  const node = await nodeFor(dir);
  const env = {
    ...process.env,
    NODE_ENV: undefined,
    VITEST: undefined,
    PATH: `${dirname(node)}${delimiter}${process.env.PATH}`,
    NEXT_TELEMETRY_DISABLED: "1",
    NUXT_TELEMETRY_DISABLED: "1",
    ASTRO_TELEMETRY_DISABLED: "1",
  };
  const npm = async (...args: string[]): Promise<void> => {
    try {
      await run("npm", args, { cwd: dir, env, maxBuffer: 2 ** 26 });
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      throw new Error(`npm ${args.join(" ")}, in playground/${name}:\n${stdout}${stderr}`, {
        cause: error,
      });
    }
  };

  const lock = hash([join(dir, "package-lock.json")]);
  await doOnce(join(modules, ".installed"), lock, () => npm("ci", "--no-audit", "--no-fund"));
  // Not the link that npm has made of `file:../..`, but files, as an installed package has.
  const installed = join(modules, "filesession");
  rmSync(installed, { recursive: true, force: true });
  cpSync(join(place, "dist"), join(installed, "dist"), { recursive: true });
  cpSync(join(place, "package.json"), join(installed, "package.json"));

  const sources = filesOf(dir).map((file) => join(dir, file));
  const built = `${inject("packed")} ${hash(sources)} ${node}`;
  await doOnce(join(modules, ".built"), built, () => npm("run", "build"));
  return { name, dir, node };
}

/** Does what was not done for this `key` the last time. */
async function doOnce(stamp: string, key: string, work: () => Promise<void>): Promise<void> {
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === key) return;
  rmSync(stamp, { force: true });
  await work();
  writeFileSync(stamp, key);
}

function hash(files: string[]): string {
  const sum = createHash("sha256");
  for (const file of files) sum.update(file).update(readFileSync(file));
  return sum.digest("hex");
}

function filesOf(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true })
    .filter(({ name }) => !generated.has(name))
    .flatMap(({ name }) =>
      lstatSync(join(dir, name)).isDirectory()
        ? filesOf(join(dir, name)).map((file) => join(name, file))
        : [name],
    )
    .sort();
}

/**
 * This Node when it is new enough for the app's `engines`, otherwise Node 24, which is installed beside
 * these tests.
 */
async function nodeFor(dir: string): Promise<string> {
  const { engines } = JSON.parse(readFileSync(join(dir, "package.json"), "utf8")) as {
    engines?: { node?: string };
  };
  if (isWanted(process.versions.node, engines)) return process.execPath;
  const here = join(root, "test/apps");
  const node = join(here, "node_modules/node-24/bin/node");
  await (installing ??= installNode(here, node));
  return node;
}

let installing: Promise<void> | undefined;

async function installNode(here: string, node: string): Promise<void> {
  if (!existsSync(node))
    await run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: here });
}

/**
 * Starts the app in `cwd`, where it keeps its `.data`, on a free port, and resolves when it takes
 * connections. `serve` is the program, as a path in the app, and its arguments. Runs on the Node that
 * the app was built with, or on the runtime that the environment variable `APP_RUNTIME` names.
 */
export async function startApp(
  app: App,
  serve: readonly string[],
  { cwd = app.dir, env = {} }: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Server> {
  const port = await freePort();
  const [program = "", ...args] = serve;
  const { APP_RUNTIME } = process.env;
  const runtime = runtimes.find(({ name }) => name === APP_RUNTIME);
  if (APP_RUNTIME && !runtime) throw new Error(`no such runtime: APP_RUNTIME=${APP_RUNTIME}`);
  const child = spawn(
    runtime?.command ?? app.node,
    [...(runtime?.args ?? []), join(app.dir, program), ...args],
    {
      cwd,
      env: {
        ...process.env,
        NODE_ENV: "production",
        VITEST: undefined,
        HOST: "127.0.0.1",
        PORT: String(port),
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const exited = once(child, "exit") as Promise<[number | null]>;
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null;
  // A test run that ends early must not leave its servers.
  const end = (): void => void child.kill("SIGKILL");
  process.once("exit", end);
  void exited.then(() => process.off("exit", end));
  const kill = async (signal: NodeJS.Signals = "SIGKILL"): Promise<number | null> => {
    if (!isOver()) child.kill(signal);
    const [code] = await exited;
    return code;
  };
  const tooLate = Date.now() + 30_000;
  while (!(await takesConnections(port))) {
    if (isOver() || Date.now() > tooLate) {
      await kill();
      throw new Error(`playground/${app.name} does not listen.\n${output}`);
    }
    await sleep(50);
  }
  return { url: `http://localhost:${port}`, pid: child.pid!, output: () => output, kill };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
      .once("connect", () => resolve(socket.destroy() !== undefined))
      .once("error", () => resolve(false));
  });
}
