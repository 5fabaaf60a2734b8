// What is done with one session in Redis, by its name, wherever that is counted or timed.

import { setImmediate } from "node:timers/promises";
import { sessionData } from "../data.mjs";

export const data = sessionData(300);
export const idleTimeout = 86_400;

const counted = ({ data }) => ({ ...data, visits: data.visits + 1 });

/** Each takes a handler, the id of a session that is there, and which time it is. */
export const onOne = {
  retrieve: (to, id) => to.retrieve(id),
  store: (to, id) => to.store(id, data, { idleTimeout }),
  "store, with a tag": (to, id, n = 1) =>
    to.store(id, data, { idleTimeout, tag: `user-${n % 1000}` }),
  "update, sync": (to, id) => to.update(id, counted),
  "update, async and so locked": (to, id) =>
    to.update(id, async (record) => {
      await setImmediate();
      return counted(record);
    }),
  touch: (to, id) => to.touch(id),
};
