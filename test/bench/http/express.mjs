// The servers on express, with express-session and the two stores most people put under it. The
// routes are those of h3.mjs.

import express from "express";
import session from "express-session";
import { counted, newData } from "./visit.mjs";

const stores = {
  bare: () => undefined,

  "session-file-store": async (dir) => {
    const { default: fileStore } = await import("session-file-store");
    return new (fileStore(session))({ path: dir, ttl: 86_400, logFn: () => {} });
  },

  "connect-redis": async (place) => {
    const { RedisStore } = await import("connect-redis");
    const { createClient } = await import("redis");
    const isUrl = place.startsWith("redis:");
    const client = createClient(isUrl ? { url: place } : { socket: { path: place } });
    await client.connect();
    return new RedisStore({ client });
  },
};

/** What to give to `createServer`. `place` is the store's directory, or Redis's socket or URL. */
export async function expressListener(way, place) {
  const app = express();
  app.set("env", "test"); // what is thrown is answered, not printed
  const store = await stores[way](place);
  if (store === undefined) {
    app.get("/begin", (_, response) => response.cookie("session", "x".repeat(43)).json({ n: 0 }));
    app.get("/read", (_, response) => response.json({ n: 0 }));
    return app;
  }
  const secret = "a secret of more than thirty-two characters";
  app.use(session({ store, secret, name: "session", resave: false, saveUninitialized: false }));
  app.get("/begin", (request, response) => {
    Object.assign(request.session, newData());
    response.json(counted(request.session));
  });
  app.get("/read", (request, response) => response.json(counted(request.session)));
  app.get("/write", (request, response) => {
    request.session.n++;
    response.json(counted(request.session));
  });
  return app;
}
