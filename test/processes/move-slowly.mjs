// move-slowly.mjs <fileDir> <oldId> <id> <staleAfter> <when> <done>: moves a session, and stops
// itself just before the old one is ended (<when> is `ending`) or just after (`ended`). Once it is
// continued it makes the file <done>, which says how it went.
import { writeFileSync } from "node:fs";
import { FileHandler } from "filesession";
import { intercept } from "../_calls.mjs";

const [fileDir, oldId, id, staleAfter, when, done] = process.argv.slice(2);
const handler = new FileHandler({ fileDir, staleAfter: Number(staleAfter) });
const old = handler._sessionFile(oldId);
let hasEnded = false;
intercept(fileDir, ({ name, path }, proceed) => {
  if (name !== "writeSync") return proceed();
  const isEnd = path === old;
  if (when === (isEnd ? "ending" : hasEnded && "ended")) {
    console.log("stopped");
    process.kill(process.pid, "SIGSTOP");
  }
  hasEnded ||= isEnd;
  return proceed();
});
let outcome = "moved";
try {
  await handler.store(id, "moved", { oldId });
} catch (error) {
  outcome = error.code;
}
writeFileSync(done, outcome);
