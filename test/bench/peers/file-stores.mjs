// What else keeps sessions in files, each used as its documentation says. None of them locks;
// session-file-store alone writes atomically, and syncs each write.

import { parse, stringify, unflatten } from "devalue";
import { createStorage } from "unstorage-v1";
import fsDriver from "unstorage-v1/drivers/fs";
import fsLiteDriver from "unstorage-v1/drivers/fs-lite";

const itself = (data) => data;

export function openUnstorageFs(dir) {
  return openUnstorage("unstorage fs", fsDriver({ base: dir }));
}

export function openUnstorageFsLite(dir) {
  return openUnstorage("unstorage fs-lite", fsLiteDriver({ base: dir }));
}

function openUnstorage(name, driver) {
  const storage = createStorage({ driver });
  return [
    {
      name,
      read: (id) => storage.getItem(id),
      dataOf: itself,
      write: (id, data) => storage.setItem(id, data),
      close: () => storage.dispose(),
    },
  ];
}

/** As astro/core/session.ts does it: a Map in devalue's words in unstorage. */
export function openAstro(dir) {
  const storage = createStorage({ driver: fsLiteDriver({ base: dir }) });
  return [
    {
      name: "Astro's way",
      // unstorage parses what looks like JSON, so an array comes back.
      read: async (id) => {
        const raw = await storage.getItem(id);
        return typeof raw === "string" ? parse(raw) : unflatten(raw);
      },
      dataOf: (map) => Object.fromEntries(map),
      write: (id, data) => storage.setItem(id, stringify(new Map(Object.entries(data)))),
      close: () => storage.dispose(),
    },
  ];
}

export async function openSessionFileStore(dir) {
  const { default: session } = await import("express-session");
  const { default: fileStore } = await import("session-file-store");
  const Store = fileStore(session);
  const store = new Store({ path: dir, reapInterval: -1, logFn: () => {} });
  const cookie = { originalMaxAge: 86_400_000, httpOnly: true, path: "/" };
  return [
    {
      name: "session-file-store",
      read: (id) =>
        new Promise((resolve, reject) =>
          store.get(id, (error, data) => (error ? reject(error) : resolve(data))),
        ),
      dataOf: itself,
      write: (id, data) =>
        new Promise((resolve, reject) =>
          store.set(id, { cookie, ...data }, (error) => (error ? reject(error) : resolve())),
        ),
      close: () => {},
    },
  ];
}

/** With a cookie that holds the id as it is: what signing costs is not asked here. */
export async function openRemix(dir) {
  const { createFileSessionStorage, createSession } = await import("@remix-run/node");
  const asItIs = async (id) => id;
  const cookie = { name: "session", isSigned: true, parse: asItIs, serialize: asItIs };
  const storage = createFileSessionStorage({ dir, cookie });
  const own = (id) => id.slice(0, 16); // its ids have 16 hex characters
  return [
    {
      name: "Remix file sessions",
      read: (id) => storage.getSession(own(id)),
      dataOf: (session) => session.data,
      write: (id, data) => storage.commitSession(createSession(data, own(id))),
      close: () => {},
    },
  ];
}
