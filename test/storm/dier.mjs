// dier.mjs <fileDir> <sessions...>: dies in the middle of an update of each, at another call each
// time, then for good. The locks are left as a killed process leaves them.

import { intercept, systemError } from "../_calls.mjs";
import { FileHandler } from "filesession";

const [fileDir, ...sessions] = process.argv.slice(2);
const handler = new FileHandler({ fileDir });
let left = Infinity;
intercept(fileDir, (call, proceed) => {
  if (call.name === "closeSync") return proceed(); // as the system does when a process dies
  if (left-- <= 0) throw systemError("EIO", call);
  return proceed();
});

for (const [index, session] of sessions.entries()) {
  const change = () => {
    left = index % 5;
    return { pad: "x".repeat(index % 3 === 0 ? 5000 : 5) };
  };
  left = Infinity;
  await handler.store(session, { pad: "" });
  await handler.update(session, change).catch(() => undefined);
}
console.log("died");
process.kill(process.pid, "SIGKILL");
