// A slow disk: each call takes its time, and its process with it.

import { intercept } from "./_calls.mjs";

const never = new Int32Array(new SharedArrayBuffer(4));

/** Makes each call in `dir` take from `fromMs` to `toMs` milliseconds. Gives what ends it. */
export function slowly(dir, fromMs, toMs) {
  return intercept(dir, (call, proceed) => {
    Atomics.wait(never, 0, 0, fromMs + Math.random() * (toMs - fromMs));
    return proceed();
  });
}
