import { FileHandler, useFileSession } from "filesession";
import driver from "filesession/driver";
import { sessionCookie, testHandler } from "filesession/testing";
import * as h3 from "h3";
import { createStorage } from "unstorage";

const storage = createStorage({ driver: driver({ fileDir: "sessions" }) });
const handler = h3.defineEventHandler(async (event) => {
  const session = await useFileSession(event, { fileDir: "sessions" });
  await session.update((data) => ({ n: (data.n ?? 0) + 1 }));
  return { id: session.id, n: session.data.n };
});
const serve =
  "toWebHandler" in h3
    ? h3.toWebHandler(h3.createApp().use("/", handler))
    : (request) => new h3.H3().get("/", handler).fetch(request);

const first = await serve(new Request("http://localhost/"));
const [cookie = ""] = first.headers.getSetCookie();
const second = await serve(new Request("http://localhost/", { headers: { cookie } }));
const { id, n } = await second.json();
const { header } = await sessionCookie("http://localhost", { n: 41 }, { fileDir: "sessions" });
const third = await serve(new Request("http://localhost/", { headers: { cookie: header } }));
if ((await third.json()).n !== 42) throw new Error("a ready-made session was not found");
const stored = await storage.getItem(id);
const files = new FileHandler({ fileDir: "sessions" });
if (n !== 2 || stored?.n !== 2 || !(await files.remove(id)) || typeof testHandler !== "function")
  throw new Error(`two visits made ${n}, and ${JSON.stringify(stored)} is stored`);
console.log("two visits, one session, two doors");
