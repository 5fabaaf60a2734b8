// server.mjs <major> <sessions> <place>: an app on h3 1 or 2 that keeps sessions in one of four ways;
// says its port. The place is a directory, or as JSON the two that sessions are moved between.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import * as h3v1 from "h3-v1";
import * as h3v2 from "h3-v2";
import { FileHandler, requireFileSession, useFileSession } from "filesession";
import { openHouse } from "./_house.mjs";

const [major, sessions, place] = process.argv.slice(2);
const h3 = major === "1" ? h3v1 : h3v2;
console.error = () => {}; // h3 1 reports what is thrown

const open = {
  filesession: (event) => useFileSession(event, { fileDir: place }),
  moving: (event) => useFileSession(event, { handler: house.handler }),
  useSession: (event) => h3.useSession(event, { password: "of more than thirty-two characters" }),
  careless,
}[sessions];

const house = sessions === "moving" ? openHouse(JSON.parse(place)) : undefined;

const routes = {
  "/": async (event) => (await open(event)).data,
  "/begin": async (event) => {
    await (await open(event)).update({ user: query(event).get("user") });
    return "";
  },
  "/add": async (event) => {
    const key = query(event).get("key");
    await (
      await open(event)
    ).update(query(event).has("late") ? () => ({ [key]: 1 }) : { [key]: 1 });
    return "";
  },
  "/slow": async (event) => {
    const session = await open(event);
    await atGate(event);
    await session.update({ slow: true });
    return "";
  },
  "/slow-change": async (event) => {
    const session = await open(event);
    await session.update(async () => {
      await atGate(event);
      return { slow: true };
    });
    return "";
  },
  "/regenerate": async (event) => {
    const session = await open(event);
    await atGate(event);
    await session.regenerate({ grace: Number(query(event).get("grace")) });
    return "";
  },
  "/count": async (event) => {
    const session = await requireFileSession(event, { handler: house.handler });
    const add = ({ n = 0 }) => ({ n: n + 1 });
    await session.update(query(event).has("late") ? async (data) => add(data) : add);
    return session.data;
  },
  "/logout": async (event) => {
    await (await open(event)).clear();
    return "";
  },
  "/settle": async (event) => {
    await house.settle(...["first", "last"].map((name) => Number(query(event).get(name))));
    return "";
  },
  "/copy": () => house.copy(({ copied, present, gone }) => console.log(copied + present + gone)),
  "/arrived": async (event) => {
    await gate(query(event).get("gate")).arrived;
    return "";
  },
  "/open": (event) => {
    gate(query(event).get("gate")).open();
    return "";
  },
};

const gates = new Map();

/** Where a request waits for another one, or for some milliseconds. */
async function atGate(event) {
  const name = query(event).get("gate");
  if (name === null) return sleep(Number(query(event).get("ms")));
  const { arrive, opened } = gate(name);
  arrive();
  await opened;
  gates.delete(name);
}

function gate(name) {
  if (!gates.has(name)) {
    const made = {};
    made.arrived = new Promise((resolve) => (made.arrive = resolve));
    made.opened = new Promise((resolve) => (made.open = resolve));
    gates.set(name, made);
  }
  return gates.get(name);
}

function query(event) {
  return new URL(event.path ?? event.url, "http://localhost").searchParams;
}

/** Sessions on the same handler, by somebody who has never asked whether they are still there. */
async function careless(event) {
  const handler = new FileHandler({ fileDir: place });
  const cookie = h3.getCookie(event, "careless");
  const data = cookie === undefined ? {} : ((await handler.retrieve(cookie)).data ?? {});
  const use = (id) => {
    h3.setCookie(event, "careless", id);
    return id;
  };
  return {
    data,
    update: async (change) => {
      const patch = typeof change === "function" ? await change() : change;
      const merge = (record) => ({ ...data, ...record.data, ...patch });
      await handler.update(use(cookie ?? randomUUID()), merge);
    },
    regenerate: () => handler.store(use(randomUUID()), data, { oldId: cookie }),
    clear: async () => {
      h3.deleteCookie(event, "careless");
      if (cookie !== undefined) await handler.remove(cookie);
    },
  };
}

// Connections stay open: on a busy machine one that is closed for being idle may just be in use again.
if (major === "1") {
  const router = h3v1.createRouter();
  for (const [path, handler] of Object.entries(routes))
    router.get(path, h3v1.eventHandler(handler));
  const server = createServer(h3v1.toNodeListener(h3v1.createApp().use(router)));
  server.keepAliveTimeout = 0;
  server.listen(0, "127.0.0.1", () => console.log(server.address().port));
} else {
  const app = new h3v2.H3({ silent: true });
  for (const [path, handler] of Object.entries(routes)) app.get(path, handler);
  const server = h3v2.serve(app, { port: 0, hostname: "127.0.0.1", silent: true });
  await server.ready();
  server.node.server.keepAliveTimeout = 0;
  console.log(new URL(server.url).port);
}
