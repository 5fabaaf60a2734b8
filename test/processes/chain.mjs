// chain.mjs <fileDir> <times>: moves the one session there is to a new id, adding one to `n`, until
// it has done so that many times.
import { randomUUID } from "node:crypto";
import { FileHandler } from "filesession";

const [fileDir, times] = process.argv.slice(2);
const handler = new FileHandler({ fileDir });
for (let done = 0; done < Number(times);) {
  for await (const oldId of handler.keys()) {
    const record = await handler.retrieve(oldId);
    if (record.id === undefined) continue;
    try {
      await handler.store(randomUUID(), { n: record.data.n + 1 }, { oldId, mustExist: true });
      done++;
    } catch (error) {
      if (error.code !== "ERR_SESSION_GONE") throw error;
    }
    break;
  }
}
await handler.close();
