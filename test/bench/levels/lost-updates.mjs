// How many of 20 parallel requests that each add a key to one session leave their key in it. Every
// way of keeping sessions runs in a real server on this machine, asked by fetch.

import { createServer } from "node:http";
import { join } from "node:path";
import * as h3v1 from "h3-v1";
import * as h3v2 from "h3-v2";
import { toNodeHandler } from "h3-v2/node";
import { createStorage } from "unstorage-v1";
import fsDriver from "unstorage-v1/drivers/fs-lite";
// By its path: a package.json beside the peers hides the package's own name.
import { useFileSession } from "../../../dist/index.js";
import { interleave, median } from "../measure.mjs";

export const title = "Lost updates: 20 parallel requests, each adds a key to one session";

const parallel = 20;
const password = "a password of more than thirty-two characters";

export async function measure({ dir, rounds, log }) {
  const storage = createStorage({ driver: fsDriver({ base: join(dir, "storage") }) });
  const ways = [
    {
      name: "filesession, h3 1.15",
      h3: h3v1,
      open: (event) => useFileSession(event, { fileDir: join(dir, "sessions") }),
    },
    {
      name: "filesession, h3 2.0",
      h3: h3v2,
      open: (event) => useFileSession(event, { fileDir: join(dir, "sessions") }),
    },
    {
      name: "h3 1.15 useSession",
      h3: h3v1,
      open: (event) => h3v1.useSession(event, { password }),
    },
    {
      name: "h3 2.0 useSession",
      h3: h3v2,
      open: (event) => h3v2.useSession(event, { password }),
    },
    {
      name: "unstorage 1.17 fs-lite, by hand",
      h3: h3v1,
      open: async () => {
        // Parallel writes leave broken files; a reader then gets text instead of data.
        const data = (await storage.getItem("visitor")) ?? {};
        return {
          data,
          update: (patch) => storage.setItem("visitor", { ...Object(data), ...patch }),
        };
      },
    },
  ];
  let announced;
  const kept = await interleave(ways, rounds, async (way, round) => {
    if (round !== announced) log(`lost-updates: round ${(announced = round)}`);
    await storage.removeItem("visitor");
    return keptBy(way);
  });
  const rows = ways.map((way) => ({
    way: way.name,
    "keys kept": median(kept.get(way)),
    fewest: Math.min(...kept.get(way)),
    of: parallel,
  }));
  const figures = rows.slice(0, 2).map((row) => ({
    number: 8,
    what: `${row.way}: keys lost of ${parallel}, in any round`,
    measured: parallel - row.fewest,
    atMost: 0,
  }));
  return { rows, figures };
}

async function keptBy({ h3, open }) {
  const handler = async (event) => {
    const session = await open(event);
    const key = new URL(event.path ?? event.url, "http://localhost").searchParams.get("key");
    if (key) await session.update({ [key]: 1 });
    return Object.keys(session.data).filter((known) => known.startsWith("k"));
  };
  const server = createServer(
    h3 === h3v2
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
  await visit("?key=first");
  await Promise.all(Array.from({ length: parallel }, (_, n) => visit(`?key=k${n}`)));
  const keys = await visit("");
  server.closeAllConnections();
  server.close();
  return keys.length;
}
