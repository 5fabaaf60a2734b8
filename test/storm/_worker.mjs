// What every process of a storm begins with: its orders, its handler, the log, and the blows that
// fall between two of its system calls.

import { openSync, readdirSync, writeSync } from "node:fs";
import { hrtime } from "node:process";
import { intercept } from "../_calls.mjs";
import { openHandler } from "./handlers.mjs";

/** The `Orders` of _storm.ts. */
export const orders = JSON.parse(process.argv[2]);

const { pid } = process;
if (orders.pid !== undefined) Object.defineProperty(process, "pid", { value: orders.pid });

export const handler = openHandler(orders);

/** Milliseconds of a clock that all processes of a machine share. */
export function now() {
  const [seconds, nanoseconds] = hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

const out = openSync(orders.log, "a");

/**
 * One line of the log. It begins with its own newline and ends with a semicolon: one that was cut
 * off by a kill spoils no other and is told from a whole one.
 */
export function log(kind, at, ...what) {
  writeSync(out, `\n${[kind, orders.worker, orders.session, at.toFixed(3), ...what].join(" ")};`);
}

let isOver = false;
process.on("SIGTERM", () => (isOver = true));

const parent = process.ppid;

/** Whether the storm is over. The event loop must turn now and then, or nobody hears of it. */
export const over = () => isOver || process.ppid !== parent;

intercept(orders.fileDir, (call, proceed) => {
  if (isOver) return proceed();
  const { killEach = 0, stopEach = 0, shortEach = 0, sparesWaiting = false } = orders;
  // Whoever waits looks at the lock over and over; what happens but once should be hit as well.
  const isLook = call.path.endsWith(".lock");
  const chance = isLook && sparesWaiting ? 1 : Math.random() * (isLook ? 5 : 1);
  if (chance < killEach) {
    log("kill", now());
    process.kill(pid, "SIGKILL");
  } else if (chance < killEach + stopEach) {
    log("stop", now());
    process.kill(pid, "SIGSTOP");
  }
  if (call.name === "writeSync" && Math.random() < shortEach)
    return proceed(...shortened(call.args));
  return proceed();
});

// write(2) may write less than it was asked to, and says so: on a disk that is almost full, for one.
function shortened([fd, what, ...rest]) {
  if (typeof what === "string") return [fd, what.slice(0, what.length / 2), ...rest];
  const [offset = 0, length = what.length - offset, position = null] = rest;
  return [fd, what, offset, Math.ceil(Math.random() * length), position];
}

/** How many files this process has open. */
export const descriptors = () => readdirSync("/proc/self/fd").length;

/** The data of a session that has been added to `n` times. */
export const dataOf = (n, length) => ({ n, pad: String(n % 10).repeat(length), length, again: n });

/** Whether all of this has been stored in one piece. */
export const isWhole = ({ n, pad, length, again }) =>
  n === again && pad.length === length && pad === String(n % 10).repeat(length);

/** Notes an error, or that a file was torn. */
export function complain(error) {
  if (error.name === "SyntaxError" || error.name === "Torn") log("torn", now());
  else log("error", now(), error.code ?? error.name);
}

/** The number in `data`, which is 0 when there is none. Throws when it has been torn. */
export function numberIn(data) {
  if (data === undefined) return 0;
  if (isWhole(data)) return data.n;
  throw Object.assign(new Error("torn"), { name: "Torn" });
}
