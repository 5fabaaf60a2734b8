// servers.mjs: useFileSession in each server of h3 that this runtime has, from the first visit to the
// log-out; prints which servers it was, and what did not hold, as JSON.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { useFileSession } from "filesession";
import * as one from "h3-v1";
import * as two from "h3-v2";
import { toNodeHandler } from "h3-v2/node"; // what `h3-v2` gives on Bun and Deno has none

const { Bun, Deno } = globalThis;
const fileDir = mkdtempSync(join(tmpdir(), "filesession-"));
const use = (event) => useFileSession(event, { fileDir, cleanInterval: false });

const routes = {
  "/look": async (event) => {
    const { id, data } = await use(event);
    return { id, data };
  },
  "/log-in": async (event) => {
    const session = await use(event);
    await session.regenerate();
    await session.update({ user: "Ada" });
    return { id: session.id, ip: session.ip };
  },
  "/add": async (event) => {
    const { searchParams } = new URL(event.path ?? event.req.url, "http://localhost");
    await (await use(event)).update({ [searchParams.get("key")]: true });
    return {};
  },
  "/log-out": async (event) => {
    await (await use(event)).clear();
    return {};
  },
};

const servers = {
  "h3 1, node:http": () => overNode(one.toNodeListener(appOne())),
  "h3 1, fetch": () => overFetch(one.toWebHandler(appOne())),
  "h3 2, node:http": () => overNode(toNodeHandler(appTwo())),
  "h3 2, fetch": () => overFetch(appTwo().fetch),
  ...(Bun && {
    "h3 1, Bun.serve": () => overBun(one.toWebHandler(appOne())),
    "h3 2, Bun.serve": () => overBun(appTwo().fetch),
  }),
  ...(Deno && {
    "h3 1, Deno.serve": () => overDeno(one.toWebHandler(appOne())),
    "h3 2, Deno.serve": () => overDeno(appTwo().fetch),
  }),
};

const report = { passed: [], failures: [] };
for (const [title, serve] of Object.entries(servers)) {
  try {
    const { send, close } = await serve();
    try {
      await visit(send);
    } finally {
      await close();
    }
    report.passed.push(title);
  } catch (error) {
    report.failures.push({ title, why: String(error?.stack ?? error) });
  }
}
rmSync(fileDir, { recursive: true });
console.log(JSON.stringify(report));
process.exit();

async function visit(send) {
  const jar = new Map();
  const get = async (path, headers = {}) => {
    const cookie = [...jar].map((pair) => pair.join("=")).join("; ");
    const response = await send(path, { ...(cookie && { cookie }), ...headers });
    assert.equal(response.status, 200, path);
    const cookies = response.headers.getSetCookie();
    for (const text of cookies) jar.set(...text.split(";")[0].split("="));
    return { cookies, headers: response.headers, json: await response.json() };
  };
  const before = readdirSync(fileDir).length;

  const stranger = await get("/look");
  assert.deepEqual([stranger.cookies, stranger.json], [[], { data: {} }]);
  assert.equal(readdirSync(fileDir).length, before, "who stores nothing has a file");

  const begun = await get("/add?key=first");
  const [cookie, ...more] = begun.cookies;
  assert.deepEqual(more, []);
  assert.match(cookie, /^session=[\w-]{43}; /);
  assert.match(cookie, /; Path=\//);
  assert.match(cookie, /; HttpOnly/);
  assert.match(cookie, /; SameSite=Lax/);
  assert.doesNotMatch(cookie, /; Secure/, "plain http on localhost");
  assert.match(begun.headers.get("vary") ?? "", /Cookie/i);
  const early = jar.get("session");

  const loggedIn = await get("/log-in");
  assert.equal(loggedIn.cookies.length, 1);
  assert.notEqual(jar.get("session"), early);

  const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
  await Promise.all(keys.map((key) => get(`/add?key=${key}`)));
  const { data, id } = (await get("/look")).json;
  assert.deepEqual(Object.keys(data).sort(), ["first", "user", ...keys].sort());
  assert.equal(id, loggedIn.json.id);

  const late = await send("/look", { cookie: `session=${early}` });
  assert.deepEqual(await late.json(), { data: {} }, "the token from before the log-in");

  const [gone] = (await get("/log-out")).cookies;
  assert.match(gone, /; Max-Age=0/);
  const dead = await send("/look", { cookie: `session=${jar.get("session")}` });
  assert.deepEqual(await dead.json(), { data: {} }, "the token from before the log-out");
  jar.clear();

  const [secure] = (await get("/add?key=first", { host: "shop.example" })).cookies;
  assert.match(secure, /; Secure/);
}

function appOne() {
  const router = one.createRouter();
  for (const [path, handler] of Object.entries(routes)) router.get(path, one.eventHandler(handler));
  return one.createApp().use(router);
}

function appTwo() {
  const app = new two.H3({ silent: true });
  for (const [path, handler] of Object.entries(routes)) app.get(path, handler);
  return app;
}

async function overNode(listener) {
  const server = createServer(listener);
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    send: over(server.address().port),
    close: () => {
      server.closeAllConnections?.();
      return new Promise((closed) => server.close(closed));
    },
  };
}

function overFetch(fetch) {
  return {
    send: async (path, { host = "localhost", ...headers }) =>
      fetch(new Request(`http://${host}${path}`, { headers })),
    close() {},
  };
}

function overBun(fetch) {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: (request) => fetch(request) });
  return { send: over(server.port), close: () => server.stop(true) };
}

function overDeno(fetch) {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) =>
    fetch(request),
  );
  return { send: over(server.addr.port), close: () => server.shutdown() };
}

// Not `fetch`: it has its own opinion of the Host header.
function over(port) {
  return (path, headers) =>
    new Promise((resolve, reject) => {
      const to = { port, host: "127.0.0.1", path, headers: { host: "localhost", ...headers } };
      request({ ...to, agent: false }, (message) => {
        const chunks = [];
        message.on("data", (chunk) => chunks.push(chunk));
        message.on("error", reject);
        message.on("end", () => {
          const answer = new Headers();
          for (const [name, values] of Object.entries(message.headers))
            for (const value of [values].flat()) answer.append(name, value);
          resolve(
            new Response(Buffer.concat(chunks), { status: message.statusCode, headers: answer }),
          );
        });
      })
        .on("error", reject)
        .end();
    });
}
