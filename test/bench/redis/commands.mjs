// What each operation asks of Redis, counted between the two: commands, each of which waits for the one
// before, so as many round trips; and bytes, without those of TCP.

import { setImmediate } from "node:timers/promises";
import { RedisHandler } from "../../../dist/redis.js";
import { sessionData, sessionId } from "../data.mjs";
import { ofUnstorage } from "../peers/redis-sessions.mjs";
import { relayTo } from "./relay.mjs";

const data = sessionData(300);
const counted = ({ data }) => ({ ...data, visits: data.visits + 1 });
const idleTimeout = 86_400;
let ids = 0;

/** Each operation on a session that is there, and the round trips that it may take. */
const operations = {
  "retrieve, not blocking": { run: (to, id) => to.retrieve(id, { blocking: false }), atMost: 1 },
  retrieve: { run: (to, id) => to.retrieve(id), atMost: 1 },
  store: { run: (to, id) => to.store(id, data, { idleTimeout }), atMost: 1 },
  "store, a new one": { run: (to) => to.store(newId(), data, { idleTimeout }), atMost: 1 },
  "store, with a tag": { run: (to, id) => to.store(id, data, { idleTimeout, tag: "user-1" }) },
  "update, sync": { run: (to, id) => to.update(id, counted), atMost: 2 },
  "update, async and so locked": {
    run: (to, id) =>
      to.update(id, async (record) => {
        await setImmediate();
        return counted(record);
      }),
  },
  touch: { run: (to, id) => to.touch(id), atMost: 1 },
  "store, moved to a new id": { run: (to, id) => to.store(newId(), data, { oldId: id }) },
  remove: { run: (to, id) => to.remove(id), atMost: 1 },
  "tagged, 1 session": { run: (to) => to.tagged("user-2") },
};

export async function measureCommands({ redis }) {
  const relay = await relayTo(redis.port);
  const rows = [];
  const figures = [];
  const note = (operation, by, { commands, sent, received }) =>
    rows.push({
      operation,
      by,
      "round trips": commands.length,
      commands: commands.join(", "),
      "bytes sent": sent,
      received,
    });
  const handler = new RedisHandler({ url: `redis://127.0.0.1:${relay.port}`, prefix: "count:" });
  const unstorage = ofUnstorage(`redis://127.0.0.1:${relay.port}`);
  try {
    await handler.store("tagged", data, { idleTimeout, tag: "user-2" });
    for (const [operation, { run, atMost }] of Object.entries(operations)) {
      let id;
      for (const _ of ["makes the script known", "counts"]) {
        id = newId();
        await handler.store(id, data, { idleTimeout });
        relay.take();
        await run(handler, id);
      }
      const taken = relay.take();
      note(operation, "RedisHandler", taken);
      const { length } = taken.commands;
      if (atMost !== undefined)
        figures.push({
          number: 17,
          what: `Redis: round trips of ${operation}`,
          measured: length,
          atMost,
        });
    }
    await unstorage.write("some", data);
    for (const operation of ["read", "write", "update"]) {
      relay.take();
      await unstorage[operation]("some", data);
      const names = { read: "getItem", write: "setItem", update: "getItem, setItem" };
      note(names[operation], unstorage.name, relay.take());
    }
  } finally {
    await handler.close();
    await unstorage.close();
    relay.close();
  }
  return { title: "Redis: round trips of each operation, sessions of 300 B", rows, figures };
}

function newId() {
  return sessionId(`count ${ids++}`);
}
