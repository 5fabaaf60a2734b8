// The servers on h3, both majors, with every way of keeping a session there. Each has three routes:
// `/begin` makes a session, `/read` reads it, `/write` counts it up by one.

import { createHash, randomBytes } from "node:crypto";
import * as h3v1 from "h3-v1";
import * as h3v2 from "h3-v2";
import { toNodeHandler } from "h3-v2/node";
import { createStorage } from "unstorage-v1";
import fsDriver from "unstorage-v1/drivers/fs";
// By its path: a package.json beside the peers hides the package's own name.
import { useFileSession } from "../../../dist/index.js";
import { counted, newData } from "./visit.mjs";

/** What to give to `createServer`. `place` is a directory, or Redis's URL. */
export async function h3Listener(major, way, place) {
  const routes = await ways[way](major === 1 ? h3v1 : h3v2, place);
  if (major === 2) {
    const app = new h3v2.H3({ silent: true });
    for (const [name, handler] of Object.entries(routes)) app.get(`/${name}`, handler);
    return toNodeHandler(app);
  }
  const router = h3v1.createRouter();
  for (const [name, handler] of Object.entries(routes))
    router.get(`/${name}`, h3v1.eventHandler(handler));
  return h3v1.toNodeListener(h3v1.createApp().use(router));
}

const ways = {
  bare: (h3) => ({
    begin: (event) => begin(h3, event),
    read: () => ({ n: 0 }),
  }),

  Map: (h3) => {
    const sessions = new Map();
    const idOf = (token) => createHash("sha256").update(token).digest("hex");
    const find = (event) => sessions.get(idOf(h3.getCookie(event, "session")));
    return {
      begin: (event) => {
        sessions.set(idOf(begin(h3, event)), newData());
        return { n: 0 };
      },
      read: (event) => counted(find(event)),
      write: (event) => {
        const data = find(event);
        data.n++;
        return counted(data);
      },
    };
  },

  useFileSession: (_, dir) => ofFileSession({ fileDir: dir }),

  "RedisHandler, ioredis": async (_, url) => {
    const { RedisHandler } = await import("../../../dist/redis.js");
    return ofFileSession({ handler: new RedisHandler({ url }) });
  },

  "RedisHandler, node-redis": async (_, url) => {
    const { RedisHandler } = await import("../../../dist/redis.js");
    const { createClient } = await import("redis");
    return ofFileSession({ handler: new RedisHandler({ client: createClient({ url }) }) });
  },

  useSession: (h3) => {
    const password = "a password of more than thirty-two characters";
    const open = (event) => h3.useSession(event, { password, name: "session" });
    return {
      begin: async (event) => counted((await (await open(event)).update(newData())).data),
      read: async (event) => counted((await open(event)).data),
      write: async (event) => {
        const session = await open(event);
        await session.update((data) => ({ n: data.n + 1 }));
        return counted(session.data);
      },
    };
  },

  unstorage: (h3, dir) => ofStorage(h3, fsDriver({ base: dir })),

  "unstorage redis": async (h3, url) => {
    const { default: redisDriver } = await import("unstorage-v1/drivers/redis");
    return ofStorage(h3, redisDriver({ url, base: "sessions", ttl: 86_400 }));
  },
};

function ofFileSession(config) {
  const open = (event) => useFileSession(event, config);
  return {
    begin: async (event) => counted((await (await open(event)).replace(newData())).data),
    read: async (event) => counted((await open(event)).data),
    write: async (event) => {
      const session = await open(event);
      await session.update((data) => ({ n: data.n + 1 }));
      return counted(session.data);
    },
  };
}

/** As people do it by hand: what is under the cookie, read and written. */
function ofStorage(h3, driver) {
  const storage = createStorage({ driver });
  const keyOf = (event) => h3.getCookie(event, "session");
  return {
    begin: async (event) => {
      await storage.setItem(begin(h3, event), newData());
      return { n: 0 };
    },
    read: async (event) => counted(await storage.getItem(keyOf(event))),
    write: async (event) => {
      const data = await storage.getItem(keyOf(event));
      const { n } = counted(data); // not to write back what another writer had half written
      await storage.setItem(keyOf(event), { ...data, n: n + 1 });
      return { n: n + 1 };
    },
  };
}

function begin(h3, event) {
  const token = randomBytes(32).toString("base64url");
  h3.setCookie(event, "session", token);
  return token;
}
