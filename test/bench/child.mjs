// A program of the benchmark in a process of its own. It is asked by message, one thing at a time,
// and answers by message. It ends when it is stopped, and when the process that started it is gone.

import { spawn, spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

const children = new Set();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

/** Whether a process can be kept on a core of its own, apart from whoever puts the load on it. */
export const canPin =
  availableParallelism() > 1 && spawnSync("taskset", ["-c", "0", "true"]).status === 0;

/** Whether there is such a program. */
export function isInstalled(program) {
  return spawnSync(program, ["--version"]).error === undefined;
}

/** `spawn` on one core. Killed when this process exits. */
export function spawnOn(core, command, args, options) {
  const child = canPin
    ? spawn("taskset", ["-c", String(core), command, ...args], options)
    : spawn(command, args, options);
  return endWithUs(child);
}

/** Kills the child when this process exits. */
export function endWithUs(child) {
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

/**
 * Starts `file`, which calls `answer`, and waits until it does: `{ ask(what, value), stop() }`.
 * With `core` it stays there.
 */
export async function start(file, args = [], { core, flags = [] } = {}) {
  const command = [...flags, fileURLToPath(file), ...args];
  const options = { stdio: ["ignore", "ignore", "pipe", "ipc"] };
  const child =
    core === undefined
      ? endWithUs(spawn(process.execPath, command, options))
      : spawnOn(core, process.execPath, command, options);
  let said = "";
  child.stderr.on("data", (text) => (said = (said + text).slice(-2000)));
  const waiting = [];
  const heard = () => new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  child.on("message", ({ result, error }) => {
    const { resolve, reject } = waiting.shift();
    if (error === undefined) resolve(result);
    else reject(new Error(error));
  });
  const ended = new Promise((resolve) => {
    child.once("close", () => {
      for (const { reject } of waiting) reject(new Error(`${args.join(" ")} has ended: ${said}`));
      resolve();
    });
  });
  await heard();
  return {
    ask: (what, value) => {
      child.send({ what, value });
      return heard();
    },
    stop: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Says that this program is ready, and from then on what the function called `what` gives. */
export function answer(functions) {
  process.on("disconnect", () => process.exit());
  process.on("message", async ({ what, value }) => {
    try {
      process.send({ result: await functions[what](value) });
    } catch (error) {
      process.send({ error: String(error) });
    }
  });
  process.send({ result: "ready" });
}
