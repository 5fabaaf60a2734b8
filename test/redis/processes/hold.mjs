// hold.mjs <url>: holds session "a" for ever. Prints `held`.
import { RedisHandler } from "filesession/redis";

const [url] = process.argv.slice(2);
const handler = new RedisHandler({ url });
await handler.update("a", async () => {
  console.log("held");
  await new Promise((resolve) => setTimeout(resolve, 2 ** 30));
});
