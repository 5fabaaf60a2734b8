// What each operation asks of Redis, counted between the two: commands, each of which waits for the one
// before, so as many round trips; and bytes, without those of TCP.

import { RedisHandler } from "../../../dist/redis.js";
import { sessionId } from "../data.mjs";
import { ofUnstorage } from "../peers/redis-sessions.mjs";
import { data, idleTimeout, onOne } from "./on-one.mjs";
import { relayTo } from "./relay.mjs";

let ids = 0;

/** Each operation on a session that is there. */
const operations = {
  "retrieve, not blocking": (to, id) => to.retrieve(id, { blocking: false }),
  ...onOne,
  "store, a new one": (to) => onOne.store(to, newId()),
  "store, moved to a new id": (to, id) => to.store(newId(), data, { oldId: id }),
  remove: (to, id) => to.remove(id),
  "tagged, 1 session": (to) => to.tagged("user-2"),
};

/** The round trips that it may take. */
const bounds = {
  "retrieve, not blocking": 1,
  retrieve: 1,
  store: 1,
  "store, a new one": 1,
  "update, sync": 2,
  touch: 1,
  remove: 1,
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
    for (const [operation, run] of Object.entries(operations)) {
      const atMost = bounds[operation];
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
