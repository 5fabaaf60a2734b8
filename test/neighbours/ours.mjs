// ours.mjs <fileDir> <id> <counter> <times>: adds one to the counter, that many times, under the
// session's lock: every other time as part of an update, which adds one to the session too. Says
// `ready`, begins on a line from us, and says in how many of the holds the lock file was there.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { FileHandler } from "filesession";

const [fileDir, id, counter, times] = process.argv.slice(2);
const handler = new FileHandler({ fileDir });
let visible = 0;
const add = () => {
  if (existsSync(handler._lockFile(id))) visible++;
  writeFileSync(counter, String(Number(readFileSync(counter, "utf8")) + 1));
};

console.log("ready");
await once(process.stdin, "data");
for (let n = 0; n < Number(times); n++) {
  if (n % 2 === 0) {
    await handler._acquireLock(id);
    add();
    await handler._releaseLock(id);
  } else {
    await handler.update(id, ({ data }) => {
      add();
      return { n: (data?.n ?? 0) + 1 };
    });
  }
}
await handler.close();
console.log(visible);
process.stdin.destroy();
