// Other processes, real ones: they run a module of test/processes and speak by lines.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach } from "vitest";

const running: ChildProcess[] = [];

afterEach(() => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
});

export interface Worker {
  child: ChildProcess;
  /** The next line it prints. */
  line: () => Promise<string>;
  /** Resolves when it has ended well; rejects with what it wrote to stderr otherwise. */
  done: Promise<void>;
}

/** Runs `test/processes/<name>` with the built package. */
export function startWorker(name: string, ...args: string[]): Worker {
  return start(process.execPath, [
    fileURLToPath(new URL(`processes/${name}`, import.meta.url)),
    ...args,
  ]);
}

export function start(command: string, args: string[]): Worker {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
  running.push(child);
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const done = once(child, "close").then(([code, signal]: unknown[]) => {
    if (code !== 0) throw new Error(`${command} ended with ${code ?? signal}: ${complaint}`);
  });
  // Whoever waits for it sees the rejection; one that was killed on purpose has nobody waiting.
  done.catch(() => undefined);
  return { child, done, line: async () => String((await lines.next()).value) };
}
