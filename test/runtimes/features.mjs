// features.mjs: what neither the contract of handlers nor a plain visit needs of a runtime; prints
// what did not hold, as JSON.

import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { channel, subscribe, tracingChannel } from "node:diagnostics_channel";
import { mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FileHandler, fileSessions, useFileSession } from "filesession";
import driver from "filesession/driver";
import { sessionCookie } from "filesession/testing";
import * as h3 from "h3-v2";
import { createStorage } from "unstorage-v1";

const password = "a password of h3 that is long enough for it";

const facts = {
  "operations are seen on tracing channels": async (fileDir) => {
    const seen = [];
    tracingChannel("filesession:update").subscribe({
      start: () => seen.push("start"),
      asyncEnd: ({ id, duration }) => seen.push(id, duration >= 0),
    });
    await new FileHandler({ fileDir }).update("a", () => 1);
    assert.deepEqual(seen, ["start", "a", true]);
  },

  "events of a thread are seen": async (fileDir) => {
    const seen = [];
    const stale = channel("filesession:stale-lock"); // held, see _known.mjs
    stale.subscribe(({ id }) => seen.push(id));
    const handler = new FileHandler({ fileDir, threads: 2 });
    writeFileSync(handler._lockFile("a"), "");
    utimesSync(handler._lockFile("a"), 1, 1);
    await handler.store("a", 1);
    await handler.close();
    assert.deepEqual([stale.hasSubscribers, seen], [true, ["a"]]);
  },

  "a channel that nobody holds keeps its subscribers": async () => {
    subscribe("filesession:reuse", () => {});
    await sleep(1);
    globalThis.Bun?.gc(true);
    assert.ok(channel("filesession:reuse").hasSubscribers);
  },

  "a damaged session is set aside, with a warning": async (fileDir) => {
    const warned = new Promise((hear) => process.once("warning", hear));
    const handler = new FileHandler({ fileDir });
    await handler.store("a", 1);
    writeFileSync(handler._sessionFile("a"), "damaged");
    assert.equal((await handler.retrieve("a")).data, undefined);
    const { name } = await Promise.race([warned, sleep(2000, {})]);
    assert.equal(name, "SessionWarning");
  },

  "a change keeps its asynchronous context, threads or none": async (fileDir) => {
    const context = new AsyncLocalStorage();
    for (const threads of [0, 2]) {
      const handler = new FileHandler({ fileDir, threads });
      const see = (who) => context.run(who, () => handler.update("a", () => context.getStore()));
      const records = await Promise.all(["Ada", "Grace"].map(see));
      assert.deepEqual(
        records.map(({ data }) => data),
        ["Ada", "Grace"],
      );
      await handler.close();
    }
  },

  "files are 0600 and the directory 0700": async (fileDir) => {
    const handler = new FileHandler({ fileDir });
    await handler.store("a", 1);
    const modes = [handler._sessionFile("a"), fileDir].map((path) => statSync(path).mode & 0o777);
    assert.deepEqual(modes, [0o600, 0o700]);
  },

  "data is encrypted with a secret": async (fileDir) => {
    const config = { fileDir, secret: "s".repeat(32), cleanInterval: false };
    const { header } = await sessionCookie("http://localhost", { n: 41 }, config);
    assert.equal(await visit(config, header), 42);
  },

  "a cookie of h3's useSession is taken over": async (fileDir) => {
    const old = await new h3.H3()
      .get("/", async (event) => {
        const session = await h3.useSession(event, { password, name: "session" });
        await session.update({ n: 41 });
        return "";
      })
      .fetch(new Request("http://localhost/"));
    const [cookie] = old.headers.getSetCookie();
    const config = { fileDir, adopt: { password }, name: "session", cleanInterval: false };
    assert.equal(await visit(config, cookie.split(";")[0]), 42);
  },

  "unstorage reads what was stored": async (fileDir) => {
    await new FileHandler({ fileDir }).store("a", { n: 1 });
    const storage = createStorage({ driver: driver({ fileDir }) });
    assert.deepEqual(await storage.getItem("a"), { n: 1 });
    await storage.dispose();
  },

  "ended sessions are removed by another thread": async (fileDir) => {
    const handler = new FileHandler({ fileDir });
    await handler.store("a", 1);
    utimesSync(handler._sessionFile("a"), 1e9, 1e9);
    const { removed } = await fileSessions({ fileDir }).clean();
    assert.equal(removed, 1);
  },
};

const report = { passed: 0, failures: [] };
for (const [title, fact] of Object.entries(facts)) {
  const base = mkdtempSync(join(tmpdir(), "filesession-"));
  try {
    await fact(join(base, "sessions"));
    report.passed++;
  } catch (error) {
    report.failures.push({ title, why: String(error?.stack ?? error) });
  }
  rmSync(base, { recursive: true });
}
console.log(JSON.stringify(report));
process.exit();

/** The number that a visitor with this cookie sees, who adds one to it. */
async function visit(config, cookie) {
  const app = new h3.H3().get("/", async (event) => {
    const session = await useFileSession(event, config);
    await session.update(({ n }) => ({ n: n + 1 }));
    return session.data;
  });
  const response = await app.fetch(new Request("http://localhost/", { headers: { cookie } }));
  return (await response.json()).n;
}
