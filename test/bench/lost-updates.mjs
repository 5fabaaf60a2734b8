// How many of 20 parallel requests that each add a key to one session leave their key in it. Every
// way of keeping sessions runs in a real server on this machine, asked by fetch; the median of 5
// rounds.

import { createServer } from "node:http";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as h3v1 from "h3-v1";
import * as h3v2 from "h3-v2";
import { toNodeHandler } from "h3-v2/node";
import { createStorage } from "unstorage-v1";
import fsDriver from "unstorage-v1/drivers/fs-lite";
import { useFileSession } from "filesession";

const parallel = 20;
const rounds = 5;
const dir = mkdtempSync(join(tmpdir(), "filesession-bench-"));
const password = "a password of more than thirty-two characters";
const storage = createStorage({ driver: fsDriver({ base: join(dir, "storage") }) });

const sessions = {
  filesession: (event) => useFileSession(event, { fileDir: join(dir, "sessions") }),
  "h3 1.15 useSession": (event) => h3v1.useSession(event, { password }),
  "h3 2.0 useSession": (event) => h3v2.useSession(event, { password }),
  "unstorage 1.17 fs-lite, by hand": async () => {
    // Parallel writes leave broken files; a reader then gets text instead of data.
    const data = (await storage.getItem("visitor")) ?? {};
    return { data, update: (patch) => storage.setItem("visitor", { ...Object(data), ...patch }) };
  },
};

for (const [name, open] of Object.entries(sessions)) {
  const kept = [];
  for (let round = 0; round < rounds; round++) kept.push(await keptBy(name, open));
  kept.sort((a, b) => a - b);
  console.log(`${name.padEnd(34)} ${kept[rounds >> 1]} of ${parallel}`);
}
rmSync(dir, { recursive: true });

async function keptBy(name, open) {
  const handler = async (event) => {
    const session = await open(event);
    const key = new URL(event.path ?? event.url, "http://localhost").searchParams.get("key");
    if (key) await session.update({ [key]: 1 });
    return Object.keys(session.data).filter((known) => known.startsWith("k"));
  };
  const server = createServer(
    name.startsWith("h3 2")
      ? toNodeHandler(new h3v2.H3().get("/", handler))
      : h3v1.toNodeListener(h3v1.createApp().use("/", h3v1.eventHandler(handler))),
  );
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const url = `http://localhost:${server.address().port}/`;
  const jar = new Map();
  const visit = async (path) => {
    const cookie = [...jar].map(([key, value]) => `${key}=${value}`).join("; ");
    const response = await fetch(url + path, { headers: { cookie } });
    for (const header of response.headers.getSetCookie()) {
      const [, key, value] = /^([^=]+)=([^;]*)/.exec(header);
      jar.set(key, value);
    }
    return response.json();
  };
  await storage.removeItem("visitor");
  await visit("?key=first");
  await Promise.all(Array.from({ length: parallel }, (_, n) => visit(`?key=k${n}`)));
  const keys = await visit("");
  server.closeAllConnections();
  server.close();
  return keys.length;
}
