// A thread of the built package, whose clock the test can move and whose disk it can make slow, or
// fatal. What the test says of both it says by `setEnvironmentData`, before the thread is started.

import { getEnvironmentData } from "node:worker_threads";
import { intercept } from "./_calls.mjs";
import { setClock } from "./processes/_clock.mjs";
import { slowly } from "./_slow.mjs";

const clock = getEnvironmentData("clock");
if (clock !== undefined) {
  const [shiftMs] = [new Float64Array(clock)];
  const { now } = Date;
  setClock(0);
  Date.now = () => now() + shiftMs[0];
}

const slow = getEnvironmentData("slow");
if (slow !== undefined) slowly(slow.dir, slow.ms, slow.ms);

const fatal = getEnvironmentData("fatal");
if (fatal !== undefined)
  intercept(fatal.dir, ({ name }, proceed) => {
    if (name === "linkSync") process.exit(1);
    return proceed();
  });

await import("../dist/thread.js");
