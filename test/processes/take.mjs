// take.mjs <fileDir> <id>: says `ready`; on a line from us tries the lock once and says `mine` or
// `busy`; gives it back on the next line.
import { createInterface } from "node:readline";
import { FileHandler } from "filesession";

const [fileDir, id] = process.argv.slice(2);
const handler = new FileHandler({ fileDir });
const orders = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
console.log("ready");
await orders.next();
console.log((await handler._acquireLock(id, false)) ? "mine" : "busy");
await orders.next();
await handler.close();
process.exit();
