// increment.mjs <urls> <times> <how>: adds one to `n` of session "counter", that many times, 25 at once.
// `how` is `sync`, `async`, or `mixed` for both. Prints the longest wait in milliseconds.
import { RedisHandler } from "filesession/redis";

const [urls, times, how] = process.argv.slice(2);
const handler = new RedisHandler({ url: urls.split(","), lockTimeout: 60, timeout: 20 });
const add = (record) => ({ n: (record.data?.n ?? 0) + 1 });
const addLater = async (record) => add(record);
let longest = 0;
let left = Number(times);

await Promise.all(
  Array.from({ length: 25 }, async (_, caller) => {
    const change = how === "async" || (how === "mixed" && caller % 5 === 0) ? addLater : add;
    while (left-- > 0) {
      const begun = performance.now();
      await handler.update("counter", change);
      longest = Math.max(longest, performance.now() - begun);
    }
  }),
);
await handler.close();
console.log(longest.toFixed(0));
