import { AsyncLocalStorage } from "node:async_hooks";
import { execFileSync } from "node:child_process";
import { tracingChannel } from "node:diagnostics_channel";
import { existsSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { inspect } from "node:util";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { emit, traced } from "../src/core/diagnostics.ts";
import {
  FileHandler,
  type FileHandlerOptions,
  type FileSessionConfig,
  type SessionTraces,
  useFileSession,
} from "../src/index.ts";
import { intercept } from "./_calls.mjs";
import { events, heard, listen, parts } from "./_channels.ts";
import { tempDir } from "./_dir.ts";
import { describeH3 } from "./_h3.ts";
import { BareRequest, begin } from "./_tokens.ts";

const whole = ["start", "end", "asyncStart", "asyncEnd"];
const failed = ["start", "end", "error", "asyncStart", "asyncEnd"];
const traces = ["retrieve", "store", "update", "lock.wait", "clean", "regenerate"] as const;
const happenings = ["reuse", "corrupt", "stale-lock", "ip-changed"] as const;

/** A handler with these options, closed when the test is over. */
function opened(options: FileHandlerOptions = {}): FileHandler {
  const handler = new FileHandler({ fileDir: tempDir(), ...options });
  onTestFinished(() => handler.close());
  return handler;
}

/** Has somebody else, who follows the protocol, hold the lock of a session. Gives what ends it. */
function lockedElsewhere(handler: FileHandler, id: string): () => void {
  const path = handler._lockFile(id);
  writeFileSync(path, "", { flag: "wx" });
  return () => unlinkSync(path);
}

/** Has the clock that durations are measured by stand still, until it is moved or the test is over. */
function movedClock(): { move: (ms: number) => void } {
  let now = 1000;
  const spy = vi.spyOn(performance, "now").mockImplementation(() => now);
  onTestFinished(() => spy.mockRestore());
  return { move: (ms) => void (now += ms) };
}

/** A message as it is in the end; `duration` is a number. */
function ended<T extends object>(message: T): T & { duration: number } {
  return { ...message, duration: expect.any(Number) as number };
}

describe("filesession:retrieve", () => {
  it("tells of a session that was found", async () => {
    const handler = opened();
    await handler.store("a", 1);
    const all = heard("retrieve");
    await handler.retrieve("a");
    expect(all).toEqual([
      { on: whole, message: ended({ handler: "file", id: "a", outcome: "value" }) },
    ]);
  });

  it("tells of one that is remembered", async () => {
    const clock = movedClock();
    const handler = opened();
    await handler.store("a", 1);
    await handler.retrieve("a");
    clock.move(100);
    await handler.retrieve("a");
    const all = heard("retrieve");
    const calls: string[] = [];
    const end = intercept(handler.fileDir, ({ name }, proceed) => (calls.push(name), proceed()));
    onTestFinished(end);
    await handler.retrieve("a", { blocking: false });
    expect(calls).toEqual(["lstatSync"]);
    expect(all.map(({ message }) => message.outcome)).toEqual(["value"]);
  });

  it("tells of a miss", async () => {
    const handler = opened();
    const all = heard("retrieve");
    await handler.retrieve("a");
    expect(all.map(({ message }) => message.outcome)).toEqual(["miss"]);
  });

  it("tells of an error", async () => {
    const handler = opened();
    const all = heard("retrieve");
    const error: unknown = await handler.retrieve("").catch((reason: unknown) => reason);
    expect(all).toEqual([{ on: failed, message: ended({ handler: "file", id: "", error }) }]);
    expect(error).toMatchObject({ code: "ERR_SESSION_ID" });
  });
});

describe("filesession:store", () => {
  it("tells of a session that was stored", async () => {
    const handler = opened();
    const all = heard("store");
    await handler.store("a", 1);
    expect(all).toEqual([{ on: whole, message: ended({ handler: "file", id: "a" }) }]);
  });

  it("tells of a move", async () => {
    const handler = opened();
    await handler.store("a", 1);
    const all = heard("store");
    await handler.store("b", 1, { oldId: "a" });
    expect(all.map(({ message }) => message)).toEqual([
      ended({ handler: "file", id: "b", oldId: "a" }),
    ]);
  });

  it("tells of an error", async () => {
    const handler = opened();
    const all = heard("store");
    const error: unknown = await handler.store("a", () => 1).catch((reason: unknown) => reason);
    expect(all).toEqual([{ on: failed, message: ended({ handler: "file", id: "a", error }) }]);
    expect(error).toMatchObject({ code: "ERR_SESSION_DATA" });
  });
});

describe("filesession:update", () => {
  it("tells of a session that was changed", async () => {
    const handler = opened();
    const all = heard("update");
    await handler.update("a", () => 1);
    expect(all).toEqual([
      { on: whole, message: ended({ handler: "file", id: "a", outcome: "value" }) },
    ]);
  });

  it("tells of a miss that was left one", async () => {
    const handler = opened();
    const all = heard("update");
    await handler.update("a", () => undefined);
    expect(all.map(({ message }) => message.outcome)).toEqual(["miss"]);
  });

  it("tells of what the change throws", async () => {
    const handler = opened();
    const error = new Error("no");
    const all = heard("update");
    const failing = handler.update("a", () => Promise.reject(error));
    await expect(failing).rejects.toBe(error);
    expect(all).toEqual([{ on: failed, message: ended({ handler: "file", id: "a", error }) }]);
  });

  it("says how long it took, in milliseconds", async () => {
    const clock = movedClock();
    const handler = opened();
    const all = heard("update");
    await handler.update("a", () => clock.move(1500));
    expect(all.map(({ message }) => message.duration)).toEqual([1500]);
  });

  it("has its context inside, also after an await, and nowhere else", async () => {
    const handler = opened();
    const { start } = tracingChannel("filesession:update");
    const storage = new AsyncLocalStorage<unknown>();
    start.bindStore(storage, (message) => (message as SessionTraces["update"]).id);
    onTestFinished(() => void start.unbindStore(storage));
    const seen: unknown[] = [];
    const change = async (): Promise<number> => {
      seen.push(storage.getStore());
      await new Promise((done) => setImmediate(done));
      seen.push(storage.getStore());
      return 1;
    };
    const updating = handler.update("a", change);
    seen.push(storage.getStore());
    await updating;
    seen.push(storage.getStore());
    expect(seen).toEqual([undefined, "a", "a", undefined]);
  });
});

describe("filesession:clean", () => {
  it("tells how many went", async () => {
    const handler = opened();
    await handler.store("a", 1);
    const all = heard("clean");
    await handler.clean(0);
    const counts = { removed: 1, kept: 0, skipped: 0 };
    expect(all).toEqual([
      { on: whole, message: ended({ handler: "file", timeout: 0, ...counts }) },
    ]);
  });

  it("tells of an error", async () => {
    const handler = opened();
    const all = heard("clean");
    const error: unknown = await handler.clean(-1).catch((reason: unknown) => reason);
    expect(all).toEqual([{ on: failed, message: ended({ handler: "file", timeout: -1, error }) }]);
    expect(error).toMatchObject({ code: "ERR_SESSION_OPTION" });
  });
});

describe("filesession:lock.wait", () => {
  it.each([
    ["update", (handler: FileHandler) => handler.update("a", () => 1)],
    ["retrieve", (handler: FileHandler) => handler.retrieve("a")],
    ["_acquireLock", (handler: FileHandler) => handler._acquireLock("a")],
  ])("tells of %s that waits for somebody else's lock", async (_, call) => {
    const handler = opened({ lockTimeout: 5 });
    const unlock = lockedElsewhere(handler, "a");
    const all = heard("lock.wait");
    listen("tracing:filesession:lock.wait:start", unlock);
    await call(handler);
    expect(all).toEqual([{ on: whole, message: ended({ handler: "file", id: "a", at: "lock" }) }]);
  });

  it.each([
    ["update", (handler: FileHandler) => handler.update("a", () => 1)],
    ["retrieve", (handler: FileHandler) => handler.retrieve("a")],
    ["_acquireLock", (handler: FileHandler) => handler._acquireLock("a")],
  ])("tells of %s that waits for its turn in this process", async (_, call) => {
    const handler = opened({ lockTimeout: 5 });
    const other = opened({ fileDir: handler.fileDir });
    await other._acquireLock("a");
    const all = heard("lock.wait");
    listen("tracing:filesession:lock.wait:start", () => void other._releaseLock("a"));
    await call(handler);
    expect(all).toEqual([{ on: whole, message: ended({ handler: "file", id: "a", at: "queue" }) }]);
  });

  it("tells of one that was not had in time", async () => {
    const handler = opened({ lockTimeout: 0.01 });
    onTestFinished(lockedElsewhere(handler, "a"));
    const all = heard("lock.wait");
    const error: unknown = await handler.update("a", () => 1).catch((reason: unknown) => reason);
    expect(all).toEqual([
      { on: failed, message: ended({ handler: "file", id: "a", at: "lock", error }) },
    ]);
    expect(error).toMatchObject({ code: "ERR_SESSION_LOCK_TIMEOUT" });
  });

  it("has nothing to tell where nobody waits", async () => {
    const handler = opened();
    const all = heard("lock.wait");
    await handler.store("a", 1);
    await handler.update("a", () => 2);
    await handler.update("b", () => 2, { oldId: "a" });
    await handler._acquireLock("b");
    await handler.retrieve("b", { blocking: false });
    await handler._acquireLock("b", false);
    onTestFinished(lockedElsewhere(handler, "c"));
    await handler._acquireLock("c", false);
    await handler.clean(0);
    expect(all).toEqual([]);
  });

  it("is seen in the context of the operation that waits", async () => {
    const handler = opened({ lockTimeout: 5 });
    const unlock = lockedElsewhere(handler, "a");
    const { start } = tracingChannel("filesession:update");
    const storage = new AsyncLocalStorage<unknown>();
    start.bindStore(storage, () => "the update's");
    onTestFinished(() => void start.unbindStore(storage));
    const seen: unknown[] = [];
    listen("tracing:filesession:lock.wait:start", () => seen.push(storage.getStore()));
    listen("tracing:filesession:lock.wait:start", unlock);
    await handler.update("a", () => 1);
    expect(seen).toEqual(["the update's"]);
  });
});

describe("filesession:corrupt", () => {
  it("tells where a damaged session is kept, once", async () => {
    const handler = opened();
    await handler.store("a", 1);
    writeFileSync(handler._sessionFile("a"), "damaged");
    const all = events("corrupt");
    for (let looks = 0; looks < 2; looks++) expect(await handler.retrieve("a")).toEqual({});
    expect(all).toEqual([{ handler: "file", id: "a", file: expect.any(String) as string }]);
    expect(existsSync(all[0]?.file ?? "")).toBe(true);
  });
});

describe("filesession:stale-lock", () => {
  it("tells of a lock that was taken over", async () => {
    const handler = opened({ staleAfter: 0.05 });
    lockedElsewhere(handler, "a");
    utimesSync(handler._lockFile("a"), 0, 0);
    const all = events("stale-lock");
    await handler.store("a", 1);
    expect(all).toEqual([{ handler: "file", id: "a", file: handler._lockFile("a") }]);
  });

  it("has nothing to tell of a lock that was given back", async () => {
    const handler = opened({ staleAfter: 30 });
    const unlock = lockedElsewhere(handler, "a");
    listen("tracing:filesession:lock.wait:start", unlock);
    const all = events("stale-lock");
    await handler.store("a", 1);
    expect(all).toEqual([]);
  });
});

describeH3("filesession:regenerate", (h3) => {
  it("tells of the old id and the new one", async () => {
    const handler = opened();
    const site = await h3.serve({
      "/begin": async (event) => {
        const session = await useFileSession(event, { handler });
        return (await session.update({ user: "Ada" })).id;
      },
      "/": async (event) => {
        const session = await useFileSession(event, { handler });
        return (await session.regenerate()).id;
      },
    });
    const visitor = site.visitor();
    const all = heard("regenerate");
    const { text: id } = await visitor.get("/begin");
    const { text: to } = await visitor.get("/");
    expect(all).toEqual([{ on: whole, message: ended({ id, to }) }]);
    expect(to).not.toBe(id);
  });

  it("tells of an error", async () => {
    const handler = opened();
    const site = await h3.serve({
      "/begin": async (event) => {
        await (await useFileSession(event, { handler })).update({ user: "Ada" });
        return "";
      },
      "/": async (event) => {
        const session = await useFileSession(event, { handler });
        await handler.remove(session.id ?? "");
        return session.regenerate();
      },
    });
    const visitor = site.visitor();
    const all = heard("regenerate");
    await visitor.get("/begin");
    expect((await visitor.get("/")).status).toBe(409);
    expect(all.map(({ on }) => on)).toEqual([failed]);
    expect(all[0]?.message.error).toMatchObject({ code: "ERR_SESSION_GONE" });
  });
});

describeH3("filesession:ip-changed", (h3) => {
  it("tells of a session that is a miss for another address", async () => {
    const config: FileSessionConfig = { handler: opened(), checkIp: true, trustProxy: true };
    const site = await h3.serve({
      "/begin": async (event) =>
        (await (await useFileSession(event, config)).update({ user: "Ada" })).id,
      "/": async (event) => (await useFileSession(event, config)).data,
    });
    const visitor = site.visitor();
    const all = events("ip-changed");
    const { text: id } = await visitor.get("/begin", { "x-forwarded-for": "198.51.100.7" });
    await visitor.get("/", { "x-forwarded-for": "198.51.100.7" });
    expect(all).toEqual([]);
    await visitor.get("/", { "x-forwarded-for": "198.51.100.8" });
    expect(all).toEqual([{ id }]);
  });
});

describe("a message", () => {
  it("holds no token, no data and no address", async () => {
    const messages: unknown[] = [];
    const names = [
      ...traces.flatMap((name) => parts.map((part) => `tracing:filesession:${name}:${part}`)),
      ...happenings.map((name) => `filesession:${name}`),
    ];
    const silent = new Set(names);
    for (const name of names)
      listen(name, (message) => {
        silent.delete(name);
        messages.push(message);
      });

    const handler = opened({ staleAfter: 0.05, maxBytes: 1000 });
    const config = { handler, checkIp: true };
    const { token, session } = await begin(config); // stores that the user is Ada
    const id = session.id ?? "";
    const request = new BareRequest(`session=${token}`);
    const { regenerate } = await useFileSession(request, config);
    const tokens = [token, (await regenerate(), request.token)];
    await handler.update(id, () => ({ user: "Ada" }));
    const sneaky = { user: "Ada", run: () => "Ada" };
    await expect(handler.store(id, sneaky)).rejects.toThrow("run");
    await expect(handler.store(id, "Ada".repeat(999))).rejects.toThrow("maxBytes");
    await expect(handler.clean(-1)).rejects.toThrow("timeout");
    await expect(handler.retrieve("")).rejects.toThrow("id");
    const late = handler.update(id, () => ({ user: "Ada" }), { mustExist: true, oldId: "gone" });
    await expect(late).rejects.toMatchObject({ code: "ERR_SESSION_GONE" });
    const elsewhere = new BareRequest(`session=${request.token}`);
    Object.assign(elsewhere.node.req, { socket: { remoteAddress: "192.0.2.99" } });
    expect((await useFileSession(elsewhere, config)).id).toBeUndefined();
    await handler._acquireLock(id);
    const waiting = handler.store(id, { user: "Ada" }, { ip: "192.0.2.7" });
    await handler._releaseLock(id);
    await waiting;
    lockedElsewhere(handler, id);
    utimesSync(handler._lockFile(id), 0, 0);
    await handler.store(id, { user: "Ada" });
    writeFileSync(handler._sessionFile(id), "damaged Ada");
    await handler.retrieve(id);
    emit("reuse", () => ({ id, to: id }));
    await handler.clean(0);

    // Of these nothing has gone wrong here.
    const left = ["lock.wait", "regenerate"].map((name) => `tracing:filesession:${name}:error`);
    expect([...silent]).toEqual(left);
    const text = inspect(messages, { depth: Infinity, showHidden: true, maxArrayLength: null });
    expect(text).toContain(id);
    for (const secret of [...tokens, "Ada", "192.0.2."]) expect(text).not.toContain(secret);
  });
});

describe("where nobody listens", () => {
  it("no message is made, and an operation's promise is the one that is given", async () => {
    const message = (): never => {
      throw new Error("made");
    };
    for (const name of traces) {
      const work = Promise.resolve(name);
      expect(traced(name, message, () => work, message)).toBe(work);
    }
    for (const name of happenings) expect(() => emit(name, message)).not.toThrow();
  });

  it("a message is made for each of the five channels, and for no other name", async () => {
    for (const part of parts) {
      let made = 0;
      const stop = (): void => undefined;
      const { [part]: channel } = tracingChannel("filesession:clean");
      channel.subscribe(stop);
      const message = (): SessionTraces["clean"] => ({ handler: `${made++}`, timeout: 0 });
      await traced("clean", message, async () => 1);
      await traced("store", message as never, async () => 1);
      channel.unsubscribe(stop);
      await traced("clean", message, async () => 1);
      expect(made).toBe(1);
    }
  });
});

describe("a subscriber that throws", () => {
  it("fails the process, as any uncaught exception does, and no operation", () => {
    const script = `
      import { subscribe } from "node:diagnostics_channel";
      import { FileHandler } from ${JSON.stringify(new URL("../dist/index.js", import.meta.url).href)};
      process.on("uncaughtException", (error) => console.log(error.message));
      for (const part of ${JSON.stringify(parts)})
        subscribe("tracing:filesession:store:" + part, () => { throw new Error(part); });
      const handler = new FileHandler({ fileDir: ${JSON.stringify(tempDir())}, threads: 0 });
      const { data } = await handler.store("a", "stored");
      console.log(data, (await handler.retrieve("a")).data);
    `;
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", script]);
    const lines = output.toString().trim().split("\n");
    expect(lines.toSorted()).toEqual([...whole, "stored stored"].toSorted());
  });
});
