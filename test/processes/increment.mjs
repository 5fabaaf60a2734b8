// increment.mjs <fileDir> <id> <times>: adds one to `n`, that many times, 25 at once.
import { FileHandler } from "filesession";

const [fileDir, id, times] = process.argv.slice(2);
const handler = new FileHandler({ fileDir });
const add = (record) => ({ n: (record.data?.n ?? 0) + 1 });
for (let left = Number(times); left > 0; left -= 25)
  await Promise.all(Array.from({ length: Math.min(left, 25) }, () => handler.update(id, add)));
await handler.close();
