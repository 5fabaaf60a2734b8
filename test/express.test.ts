import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import express, { type Request } from "express";
import session from "express-session";
import sessionFileStore from "session-file-store";
import { describe, it, onTestFinished, vi } from "vitest";
import {
  type ExpressSession,
  fileStore,
  type FileStore,
  type FileStoreOptions,
} from "../src/express.ts";
import { FileHandler } from "../src/file/handler.ts";
import { moveClock } from "../src/testing/clock.ts";
import { filesIn, tempDir } from "./_dir.ts";
import { startWorker, type Worker } from "./_process.ts";
import { has } from "./_needs.ts";

interface Data {
  user?: string;
  visits?: number;
  keys?: Record<string, string>;
  __lastAccess?: number;
}

// A type test: express-session takes it for a store of its own.
const asStore: (options: FileStoreOptions) => session.Store & FileStore = (options) =>
  fileStore(session, options);

function newStore(options?: FileStoreOptions) {
  const fileDir = join(tempDir(), "sessions");
  const store = asStore({ fileDir, ...options });
  onTestFinished(() => store.close());
  return { store, fileDir: options?.fileDir ?? fileDir };
}

const call = {
  get: (store: session.Store, sid: string) =>
    new Promise<ExpressSession | null>((done, fail) =>
      store.get(sid, (error, session) => (error ? fail(error) : done(session ?? null))),
    ),
  set: (store: session.Store, sid: string, session: object) =>
    new Promise<void>((done, fail) =>
      store.set(sid, session as session.SessionData, (error) => (error ? fail(error) : done())),
    ),
  touch: (store: FileStore, sid: string, session: object) =>
    new Promise<void>((done, fail) =>
      store.touch(sid, session as ExpressSession, (error) => (error ? fail(error) : done())),
    ),
  destroy: (store: session.Store, sid: string) =>
    new Promise<void>((done, fail) =>
      store.destroy(sid, (error) => (error ? fail(error) : done())),
    ),
  all: (store: FileStore) =>
    new Promise<ExpressSession[]>((done, fail) =>
      store.all((error: unknown, all?: unknown) =>
        error ? fail(error) : done(all as ExpressSession[]),
      ),
    ),
  length: (store: FileStore) =>
    new Promise<number>((done, fail) =>
      store.length((error: unknown, length = -1) => (error ? fail(error) : done(length))),
    ),
  clear: (store: FileStore) =>
    new Promise<void>((done, fail) =>
      store.clear((error: unknown) => (error ? fail(error) : done())),
    ),
};

const cookieOf = (seconds: number) => ({
  originalMaxAge: seconds * 1000,
  expires: new Date(Date.now() + seconds * 1000).toISOString(),
  httpOnly: true,
  path: "/",
});

/** What the requests that are held wait for. */
interface Gate {
  arrived: Promise<void>;
  arrive: () => void;
  opened: Promise<void>;
  open: () => void;
}

function newGate(): Gate {
  let arrive = (): void => {};
  let open = (): void => {};
  const arrived = new Promise<void>((resolve) => (arrive = resolve));
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { arrived, arrive, opened, open };
}

const dataOf = (req: Request) => req.session as session.Session & Data;

/** A server that keeps its sessions in `store`, and its address. */
async function serve(
  store: session.Store,
  options: Partial<session.SessionOptions> = {},
  gate = newGate(),
) {
  const app = express();
  app.use(session({ store, secret: "signs", resave: false, saveUninitialized: false, ...options }));
  app.get("/login/:user", (req, res, next) => {
    req.session.regenerate((error: unknown) => {
      if (error) return next(error);
      dataOf(req).user = String(req.params.user);
      res.json({ sid: req.sessionID });
    });
  });
  app.get("/visit", (req, res) => {
    const data = dataOf(req);
    data.visits = (data.visits ?? 0) + 1;
    res.json({ user: data.user, visits: data.visits });
  });
  app.get("/key/:key", (req, res) => {
    const data = dataOf(req);
    data.keys = { ...data.keys, [String(req.params.key)]: "x".repeat(2000) };
    res.json({});
  });
  app.get("/slow/:what", (req, res) => {
    gate.arrive();
    void gate.opened.then(() => {
      if (req.params.what === "visit") dataOf(req).visits = 1000;
      res.json({});
    });
  });
  app.get("/remember", (req, res) => {
    req.session.cookie.maxAge = 1_000_000;
    res.json({});
  });
  app.get("/logout", (req, res, next) => {
    req.session.destroy((error: unknown) => (error ? next(error) : res.json({})));
  });
  app.get("/", (req, res) => {
    const { user, visits, keys } = dataOf(req);
    res.json({ user, visits, keys });
  });
  const server = app.listen(0, "127.0.0.1");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A browser, as far as it has one cookie. */
function visitor(cookie = "") {
  return {
    get cookie() {
      return cookie;
    },
    async get(url: string): Promise<Data & { sid?: string }> {
      const response = await fetch(url, { headers: { cookie } });
      const [set] = response.headers.getSetCookie();
      if (set !== undefined) cookie = set.split(";")[0]!;
      assert.equal(response.status, 200);
      return (await response.json()) as Data;
    },
  };
}

describe("fileStore() under express-session", () => {
  it("keeps a session from log-in to log-out", async () => {
    const { store, fileDir } = newStore();
    const url = await serve(store);
    const ada = visitor();

    await ada.get(`${url}/`);
    assert.deepEqual([ada.cookie, filesIn(fileDir)], ["", []]);
    await ada.get(`${url}/login/ada`);
    await ada.get(`${url}/visit`);

    assert.deepEqual(await ada.get(`${url}/visit`), { user: "ada", visits: 2 });
    const old = visitor(ada.cookie);
    await ada.get(`${url}/logout`);
    assert.deepEqual(await old.get(`${url}/`), {});
    assert.deepEqual(filesIn(fileDir), []);
  });

  it("leaves no sid on disk", async () => {
    const { store, fileDir } = newStore();
    const { sid = "" } = await visitor().get(`${await serve(store)}/login/ada`);

    const files = filesIn(fileDir);

    assert.deepEqual(files, [`sess_${createHash("sha256").update(sid).digest("hex")}`]);
    assert.ok(!readFileSync(join(fileDir, files[0]!), "latin1").includes(sid));
  });

  it("leaves nothing of the old session when it is regenerated", async () => {
    const { store } = newStore();
    const url = await serve(store);
    const ada = visitor();
    await ada.get(`${url}/visit`);
    const old = visitor(ada.cookie);

    await ada.get(`${url}/login/ada`);

    assert.deepEqual(await old.get(`${url}/`), {});
    assert.equal(await call.length(store), 1);
  });

  it("lets a session live on with each request, and end after maxAge", async () => {
    const clock = moveClock();
    onTestFinished(clock.restore);
    const { store } = newStore();
    const url = await serve(store, { rolling: true, cookie: { maxAge: 60_000 } });
    const ada = visitor();
    await ada.get(`${url}/login/ada`);

    for (let minute = 0; minute < 5; minute++) {
      clock.advance(59);
      assert.deepEqual(await ada.get(`${url}/`), { user: "ada" });
    }
    clock.advance(61);

    assert.deepEqual(await ada.get(`${url}/`), {});
  });

  it("lets a session live for `ttl` when its cookie has no end", async () => {
    const clock = moveClock();
    onTestFinished(clock.restore);
    const { store } = newStore({ ttl: 100 });
    const url = await serve(store);
    const ada = visitor();
    await ada.get(`${url}/login/ada`);

    clock.advance(99);
    assert.deepEqual(await ada.get(`${url}/`), { user: "ada" });
    clock.advance(99);
    assert.deepEqual(await ada.get(`${url}/`), { user: "ada" });
    clock.advance(101);

    assert.deepEqual(await ada.get(`${url}/`), {});
  });

  it("gives a whole version to everybody, however many write", async () => {
    const { store } = newStore();
    const url = await serve(store);
    const ada = visitor();
    await ada.get(`${url}/login/ada`);

    const urls = Array.from({ length: 20 }, (_, n) => [`${url}/key/${n}`, `${url}/`]).flat();
    const seen = await Promise.all(urls.map((each) => ada.get(each)));

    for (const { user, keys = {} } of [
      ...seen.filter((one) => "user" in one),
      await ada.get(`${url}/`),
    ]) {
      assert.equal(user, "ada");
      for (const value of Object.values(keys)) assert.equal(value, "x".repeat(2000));
    }
    assert.ok(Object.keys((await ada.get(`${url}/`)).keys ?? {}).length >= 1);
  });

  for (const path of ["visit", "look"])
    it(`a slow ${path} does not bring back what was destroyed`, async () => {
      const { store, fileDir } = newStore();
      const gate = newGate();
      const url = await serve(store, {}, gate);
      const ada = visitor();
      await ada.get(`${url}/login/ada`);
      const tab = visitor(ada.cookie);

      const slow = tab.get(`${url}/slow/${path}`);
      await gate.arrived;
      await ada.get(`${url}/logout`);
      gate.open();
      await slow;

      assert.deepEqual(filesIn(fileDir), []);
      assert.deepEqual(await tab.get(`${url}/`), {});
    });

  it("a session that is new and saved twice does not come back either", async () => {
    const { store } = newStore();
    const req = { sessionID: "a" } as Request;
    const { Session } = session as unknown as { Session: new (req: Request) => session.Session };
    const begun = Object.assign(new Session(req), { cookie: cookieOf(60) });
    await call.set(store, "a", begun);

    await call.destroy(store, "a");
    await call.set(store, "a", begun);

    assert.equal(await call.get(store, "a"), null);
  });

  it("a touch loses nothing of a parallel request", async () => {
    const { store } = newStore();
    const gate = newGate();
    const url = await serve(store, {}, gate);
    const ada = visitor();
    await ada.get(`${url}/login/ada`);

    const slow = ada.get(`${url}/slow/look`);
    await gate.arrived;
    await ada.get(`${url}/visit`);
    gate.open();
    await slow;

    assert.deepEqual(await ada.get(`${url}/`), { user: "ada", visits: 1 });
  });

  it("a cookie that a request has changed stays so, whatever a slower one had read", async () => {
    const clock = moveClock();
    onTestFinished(clock.restore);
    const { store } = newStore({ ttl: 100 });
    const gate = newGate();
    const url = await serve(store, {}, gate);
    const ada = visitor();
    await ada.get(`${url}/login/ada`);

    const slow = ada.get(`${url}/slow/look`);
    await gate.arrived;
    await ada.get(`${url}/remember`);
    gate.open();
    await slow;
    clock.advance(900);

    assert.deepEqual(await ada.get(`${url}/`), { user: "ada" });
  });

  it("a place that fails is a 503, and not a new session", async () => {
    const { store } = newStore();
    const url = await serve(store);
    const ada = visitor();
    await ada.get(`${url}/login/ada`);
    await store.close();

    const response = await fetch(`${url}/`, { headers: { cookie: ada.cookie } });

    assert.equal(response.status, 503);
    assert.deepEqual(response.headers.getSetCookie(), []);
  });

  it("is shared by two processes", async () => {
    const [fileDir, legacyDir] = [join(tempDir(), "sessions"), tempDir()];
    const workers = [1, 2].map(() => startWorker("express.mjs", fileDir, legacyDir));
    const [one, two] = (await Promise.all(workers.map(urlOf))) as [string, string];
    const ada = visitor();

    for (const url of [one, two, one, two]) await ada.get(`${url}/visit`);

    assert.deepEqual(await ada.get(`${one}/`), { visits: 4 });
    await ada.get(`${two}/logout`);
    assert.deepEqual(await ada.get(`${one}/`), {});
  });
});

async function urlOf(worker: Worker): Promise<string> {
  return `http://127.0.0.1:${await worker.line()}`;
}

describe("fileStore()", () => {
  it("is a Store of the express-session that it was given", () => {
    assert.ok(newStore().store instanceof session.Store);
  });

  it("get() of a miss is null, and creates nothing", async () => {
    const { store, fileDir } = newStore();

    assert.equal(await call.get(store, "a"), null);
    assert.equal(await call.get(store, "../../etc/passwd"), null);
    assert.deepEqual(filesIn(fileDir), []);
  });

  it("get() gives what JSON made of the session that was set", async () => {
    const { store } = newStore();
    const at = new Date(0);

    await call.set(store, "a", { cookie: { path: "/" }, at, no: undefined });

    assert.deepEqual(await call.get(store, "a"), { cookie: { path: "/" }, at: at.toISOString() });
  });

  it("set() of plain sessions replaces, and creates again what was destroyed", async () => {
    const { store } = newStore();
    const plain = { cookie: cookieOf(60), n: 1 };

    for (let time = 0; time < 2; time++) {
      await call.set(store, "a", plain);
      await call.set(store, "a", plain);
      assert.deepEqual(await call.get(store, "a"), plain);
      await call.destroy(store, "a");
      assert.equal(await call.get(store, "a"), null);
    }
  });

  it("set() with a cookie that has ended removes", async () => {
    const { store, fileDir } = newStore();
    await call.set(store, "a", { cookie: cookieOf(60) });

    await call.set(store, "a", { cookie: cookieOf(-1) });

    assert.deepEqual(filesIn(fileDir), []);
  });

  it("set() of what cannot be stored calls back with why", async () => {
    const { store } = newStore({ maxBytes: 1000 });
    const loop: Record<string, unknown> = { cookie: {} };
    loop.loop = loop;

    await assert.rejects(call.set(store, "a", loop), TypeError);
    await assert.rejects(call.set(store, "a", { cookie: {}, text: "x".repeat(2000) }), {
      code: "ERR_SESSION_TOO_LARGE",
      status: 413,
    });
  });

  it("touch() stores the cookie and nothing else, and creates nothing", async () => {
    const { store, fileDir } = newStore();
    await call.set(store, "a", { cookie: cookieOf(60), n: 1 });
    const cookie = cookieOf(120);

    await call.touch(store, "a", { cookie, n: 0 });
    await call.touch(store, "b", { cookie });

    assert.deepEqual(await call.get(store, "a"), { cookie, n: 1 });
    assert.equal(filesIn(fileDir).length, 1);
  });

  it("destroy() of what is gone is no error", async () => {
    await call.destroy(newStore().store, "a");
  });

  it("all(), length() and clear() are about those that live", async () => {
    const clock = moveClock();
    onTestFinished(clock.restore);
    const { store, fileDir } = newStore();
    for (const [n, seconds] of [60, 60, 10].entries())
      await call.set(store, String(n), { cookie: { expires: cookieOf(seconds).expires }, n });
    clock.advance(20);

    const ns = (await call.all(store)).map((one) => (one as { n?: number }).n);
    assert.deepEqual(ns.sort(), [0, 1]);
    assert.equal(await call.length(store), 2);
    await call.clear(store);

    assert.deepEqual([await call.all(store), await call.length(store)], [[], 0]);
    assert.deepEqual(filesIn(fileDir), []);
  });

  it("works without callbacks, and then warns of errors", async () => {
    const { store } = newStore({ maxBytes: 1000 });
    const warned = once(process, "warning") as Promise<Error[]>;

    store.set("a", { cookie: {}, text: "x".repeat(2000) } as ExpressSession);

    assert.match((await warned)[0]!.message, /express-session.*1000/);
  });

  it("removes ended sessions every `cleanInterval`, and no others", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    onTestFinished(() => void vi.useRealTimers());
    const clock = moveClock();
    onTestFinished(clock.restore);
    const { store, fileDir } = newStore({ cleanInterval: 60 });
    for (const seconds of [10, 1000])
      await call.set(store, String(seconds), { cookie: cookieOf(seconds) });
    await store.handler.store("of somebody else", {});
    const cleaned = new Promise((resolve) => {
      const { clean } = FileHandler.prototype;
      const spy = vi.spyOn(FileHandler.prototype, "clean");
      onTestFinished(() => spy.mockRestore());
      spy.mockImplementation(async function (this: FileHandler, ...args) {
        const result = await clean.apply(this, args);
        resolve(result);
        return result;
      });
    });

    clock.advance(500);
    vi.advanceTimersByTime(60_000);

    assert.deepEqual(await cleaned, { removed: 1, kept: 2, skipped: 0 });
    await store.close();
    assert.equal(filesIn(fileDir).length, 2);
    assert.equal(vi.getTimerCount(), 0);
  });

  it("encrypts with `secret`", async () => {
    const { store, fileDir } = newStore({ secret: "s".repeat(32) });
    await call.set(store, "a", { cookie: {}, user: "Ada Lovelace" });

    const [file = ""] = filesIn(fileDir);

    assert.ok(!readFileSync(join(fileDir, file), "latin1").includes("Lovelace"));
    assert.deepEqual(await call.get(store, "a"), { cookie: {}, user: "Ada Lovelace" });
    await call.touch(store, "a", { cookie: { path: "/" } });
    assert.deepEqual(await call.get(store, "a"), { cookie: { path: "/" }, user: "Ada Lovelace" });
  });

  it("refuses options that make no sense", () => {
    const bad: [FileStoreOptions, RegExp][] = [
      [{ ttl: 0 }, /`ttl`.*0/],
      [{ ttl: "1d" as unknown as number }, /`ttl`.*"1d"/],
      [{ cleanInterval: -1 }, /`cleanInterval`.*-1/],
      [{ legacyDir: join(tempDir(), "none") }, /`legacyDir`.*none/],
      [{ secret: undefined }, /`secret`/],
    ];
    for (const [options, message] of bad)
      assert.throws(() => asStore({ fileDir: tempDir(), ...options }), {
        code: "ERR_SESSION_OPTION",
        message,
      });
  });
});

describe("legacyDir", () => {
  const OldStore = sessionFileStore(session as never);
  const oldStore = (path: string): session.Store =>
    new OldStore({ path, reapInterval: -1, retries: 0, logFn: () => {} });

  it("logs nobody out who has a session of session-file-store", async () => {
    const legacyDir = tempDir();
    const before = await serve(oldStore(legacyDir));
    const users = ["ada", "bob", "cyd"];
    const visitors = users.map(() => visitor());
    for (const [n, user] of users.entries()) {
      await visitors[n]!.get(`${before}/login/${user}`);
      await visitors[n]!.get(`${before}/visit`);
    }
    assert.equal(filesIn(legacyDir).length, 3);
    const { store, fileDir } = newStore({ legacyDir });
    const after = await serve(store);

    for (const [n, user] of users.entries())
      assert.deepEqual(await visitors[n]!.get(`${after}/visit`), { user, visits: 2 });

    assert.deepEqual(filesIn(legacyDir), []);
    assert.equal(filesIn(fileDir).length, 3);
    for (const { __lastAccess } of (await call.all(store)) as (ExpressSession & Data)[])
      assert.equal(__lastAccess, undefined);
  });

  it("takes over what is left of a session's life", async () => {
    const clock = moveClock();
    onTestFinished(clock.restore);
    const legacyDir = tempDir();
    const old = oldStore(legacyDir);
    for (const sid of ["a", "b"]) await call.set(old, sid, { cookie: cookieOf(100), sid });
    await call.set(old, "c", { cookie: {}, sid: "c" });
    const { store } = newStore({ legacyDir, ttl: 200 });

    clock.advance(90);
    assert.equal((await call.get(store, "a")) !== null, true);
    clock.advance(20);

    assert.equal(await call.get(store, "a"), null);
    assert.equal(await call.get(store, "b"), null);
    clock.advance(80);
    assert.equal((await call.get(store, "c")) !== null, true);
    clock.advance(20);
    assert.equal(await call.get(store, "c"), null);
  });

  it("makes one session of it, also in two processes", async () => {
    const [fileDir, legacyDir] = [join(tempDir(), "sessions"), tempDir()];
    const ada = visitor();
    await ada.get(`${await serve(oldStore(legacyDir))}/login/ada`);
    const workers = [1, 2].map(() => startWorker("express.mjs", fileDir, legacyDir));
    const urls = await Promise.all(workers.map(urlOf));

    const seen = await Promise.all(
      Array.from({ length: 20 }, (_, n) => ada.get(`${urls[n % 2]}/`)),
    );

    assert.deepEqual(
      seen,
      Array.from({ length: 20 }, () => ({ user: "ada" })),
    );
    assert.deepEqual([filesIn(fileDir).length, filesIn(legacyDir)], [1, []]);
    await ada.get(`${urls[0]}/logout`);
    assert.deepEqual(await ada.get(`${urls[1]}/`), {});
  });

  it("finds a session that somebody has taken over between two looks", async () => {
    const legacyDir = tempDir();
    await call.set(oldStore(legacyDir), "a", { cookie: cookieOf(100), visits: 1 });
    const { store, fileDir } = newStore({ legacyDir });
    const { store: other } = newStore({ fileDir, legacyDir });
    const retrieve = store.handler.retrieve.bind(store.handler);
    vi.spyOn(store.handler, "retrieve").mockImplementationOnce(async (...args) => {
      const missed = await retrieve(...args);
      await call.get(other, "a");
      return missed;
    });

    assert.equal(((await call.get(store, "a")) as { visits?: number } | null)?.visits, 1);
    assert.deepEqual(filesIn(legacyDir), []);
  });

  it("does not replace a session that somebody has taken over meanwhile", async () => {
    const legacyDir = tempDir();
    await call.set(oldStore(legacyDir), "a", { cookie: cookieOf(100), visits: 1 });
    const { store } = newStore({ legacyDir });
    const { handler } = store;
    const gate = newGate();
    const theirs = { cookie: cookieOf(100), visits: 2 };
    const id = createHash("sha256").update("a").digest("hex");
    const taking = handler.update(id, () => gate.opened.then(() => theirs));
    const update = handler.update.bind(handler);
    vi.spyOn(handler, "update").mockImplementation((...args) => {
      gate.arrive();
      return update(...args);
    });

    const seen = call.get(store, "a");
    await gate.arrived; // it has seen no session, and the file
    gate.open();

    assert.deepEqual(await seen, theirs);
    await taking;
    assert.deepEqual(await call.get(store, "a"), theirs);
  });

  it("does not bring back a session that is destroyed while it is taken over", async () => {
    const legacyDir = tempDir();
    await call.set(oldStore(legacyDir), "a", { cookie: cookieOf(100) });
    const { store, fileDir } = newStore({ legacyDir });
    const update = store.handler.update.bind(store.handler);
    vi.spyOn(store.handler, "update").mockImplementation(async (...args) => {
      await call.destroy(store, "a"); // another request: ours has seen the file
      return update(...args);
    });

    assert.equal(await call.get(store, "a"), null);

    assert.deepEqual([filesIn(fileDir), filesIn(legacyDir)], [[], []]);
  });

  it("what was written by an older express-session lives on with each request, too", async () => {
    const clock = moveClock();
    onTestFinished(clock.restore);
    const legacyDir = tempDir();
    const { expires, originalMaxAge } = cookieOf(100);
    await call.set(oldStore(legacyDir), "a", { cookie: { expires, originalMaxAge, path: "/" } });
    const { store } = newStore({ legacyDir });

    for (let request = 0; request < 3; request++) {
      clock.advance(60);
      const read = (await call.get(store, "a")) as session.SessionData | null;
      assert.ok(read);
      const req = { sessionID: "a" } as Request;
      await call.touch(store, "a", store.createSession(req, read).touch());
    }
  });

  it("what no session may hold, or is too large, is a miss and stays", async () => {
    const legacyDir = tempDir();
    const cookie = JSON.stringify(cookieOf(100));
    for (const [sid, more] of Object.entries({
      a: '"__proto__":{}',
      b: `"b":"${"b".repeat(2000)}"`,
    })) {
      const text = `{"cookie":${cookie},"__lastAccess":${Date.now()},${more}}`;
      writeFileSync(join(legacyDir, `${sid}.json`), text);
    }
    const { store } = newStore({ legacyDir, maxBytes: 1000 });

    for (const sid of ["a", "b"]) assert.equal(await call.get(store, sid), null);

    assert.deepEqual(filesIn(legacyDir), ["a.json", "b.json"]);
  });

  it("may be the directory of the new sessions, too", async () => {
    const fileDir = tempDir();
    await call.set(oldStore(fileDir), "a", { cookie: cookieOf(100), n: 1 });
    const { store } = newStore({ fileDir, legacyDir: fileDir });
    await call.set(store, "b", { cookie: cookieOf(100) });

    assert.equal(((await call.get(store, "a")) as { n?: number } | null)?.n, 1);

    assert.equal(await call.length(store), 2);
    assert.ok(filesIn(fileDir).every((name) => name.startsWith("sess_")));
    await call.clear(store);
    assert.deepEqual(filesIn(fileDir), []);
  });

  it("is opened once: a session that was destroyed does not come back from it", async () => {
    const legacyDir = tempDir();
    const old = oldStore(legacyDir);
    for (const sid of ["a", "b"]) await call.set(old, sid, { cookie: cookieOf(100) });
    const { store } = newStore({ legacyDir });
    await call.get(store, "a");

    for (const sid of ["a", "b"]) {
      await call.destroy(store, sid);
      assert.equal(await call.get(store, sid), null);
    }
  });

  it("clear() removes what is in it, and what is no session stays", async () => {
    const legacyDir = tempDir();
    await call.set(oldStore(legacyDir), "a", { cookie: cookieOf(100) });
    for (const name of ["package.json", "notes.txt"]) writeFileSync(join(legacyDir, name), "{}");
    const { store } = newStore({ legacyDir });

    await call.clear(store);

    assert.equal(await call.get(store, "a"), null);
    assert.deepEqual(filesIn(legacyDir), ["notes.txt", "package.json"]);
  });

  it.runIf(has("posix"))("is never left, whatever the sid", async () => {
    const base = tempDir();
    const legacyDir = join(base, "sessions");
    mkdirSync(legacyDir);
    const text = JSON.stringify({ cookie: cookieOf(100), __lastAccess: Date.now() });
    writeFileSync(join(base, "secret.json"), text);
    symlinkSync(base, join(legacyDir, "up"));
    const { store } = newStore({ legacyDir });

    for (const sid of ["../secret", "up/secret", "./../secret", "a\0", "", "x".repeat(129)]) {
      assert.equal(await call.get(store, sid), null);
      await call.destroy(store, sid);
    }
    assert.ok(filesIn(base).includes("secret.json"));
  });

  it("what cannot be read is a miss and stays; an error does not show the sid", async () => {
    const legacyDir = tempDir();
    for (const [sid, text] of Object.entries({ bad: "{", encrypted: '{"ct":"00"}', none: "null" }))
      writeFileSync(join(legacyDir, `${sid}.json`), text);
    mkdirSync(join(legacyDir, "secretsid.json"));
    const { store } = newStore({ legacyDir });

    for (const sid of ["bad", "encrypted", "none"]) assert.equal(await call.get(store, sid), null);

    assert.equal(filesIn(legacyDir).length, 4);
    await assert.rejects(call.get(store, "secretsid"), (error: Error & { code: string }) => {
      assert.equal(error.code, "ERR_SESSION_DIR");
      assert.ok(!`${error.stack}${String(error.cause)}`.includes("secretsid"));
      return true;
    });
  });
});
