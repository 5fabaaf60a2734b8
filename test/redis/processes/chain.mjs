// chain.mjs <urls> <times>: finds the one session there is, and moves it to a new id, adding one to `n`,
// that many times.
import { randomUUID } from "node:crypto";
import { RedisHandler } from "filesession/redis";

const [urls, times] = process.argv.slice(2);
const handler = new RedisHandler({ url: urls.split(","), timeout: 20 });
const add = (record) => ({ n: record.data.n + 1 });

async function anyId() {
  for await (const id of handler.keys()) return id;
  return undefined;
}

for (let moved = 0; moved < Number(times);) {
  const from = await anyId();
  try {
    if (from === undefined) continue; // on its way while it was looked for
    await handler.update(randomUUID(), add, { oldId: from, mustExist: true });
    moved++;
  } catch (error) {
    if (error.code !== "ERR_SESSION_GONE") throw error;
  }
}
await handler.close();
