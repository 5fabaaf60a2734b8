// increment.mjs <port>: callers that count one session in Redis up.

import { setImmediate } from "node:timers/promises";
import { RedisHandler } from "../../../dist/redis.js";
import { answer } from "../child.mjs";
import { answersOf } from "../contention/contend.mjs";
import { ofUnstorage } from "../peers/redis-sessions.mjs";

const url = `redis://127.0.0.1:${process.argv[2]}`;
const handler = new RedisHandler({ url, prefix: "contended:" });
const unstorage = ofUnstorage(url);
const ofOurs = (increment) => ({
  begin: (id) => handler.store(id, { visits: 0 }),
  increment,
  count: async (id) => (await handler.retrieve(id)).data.visits,
});

answer(
  answersOf({
    "RedisHandler, sync change": ofOurs((id) =>
      handler.update(id, ({ data }) => ({ visits: data.visits + 1 })),
    ),
    "RedisHandler, async change": ofOurs((id) =>
      handler.update(id, async ({ data }) => {
        await setImmediate();
        return { visits: data.visits + 1 };
      }),
    ),
    "unstorage redis": {
      begin: (id) => unstorage.write(id, { visits: 0 }),
      increment: (id) => unstorage.update(id),
      count: async (id) => (await unstorage.read(id)).visits,
    },
  }),
);
