// slow.mjs <fileDir> <id> <fromMs> <toMs>: updates a session for ever, on a disk where each call
// takes so long. Says `at it` when it begins.

import { FileHandler } from "filesession";
import { slowly } from "../_slow.mjs";

const [fileDir, id, fromMs, toMs] = process.argv.slice(2);
const handler = new FileHandler({ fileDir });
slowly(handler.fileDir, Number(fromMs), Number(toMs));
console.log("at it");
for (let n = 0; ; n++) await handler.update(id, () => n);
