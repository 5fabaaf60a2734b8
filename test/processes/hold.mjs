// hold.mjs <fileDir> <id>: begins a change that never ends, and says `held` when it has the lock.
import { FileHandler } from "filesession";

const [fileDir, id] = process.argv.slice(2);
const alive = setInterval(() => {}, 1000);
await new FileHandler({ fileDir }).update(id, () => {
  console.log("held");
  return new Promise(() => {});
});
clearInterval(alive);
