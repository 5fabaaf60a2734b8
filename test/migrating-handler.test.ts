// Sessions on their way from one place to another: whatever is done with them, and whoever else does
// something at that moment, or dies.

import { describe, expect, it, onTestFinished, vi } from "vitest";
import {
  type CleanResult,
  copySessions,
  FileHandler,
  type Handler,
  isRecord,
  migratingHandler,
  useFileSession,
} from "../src/index.ts";
import { MemoryHandler, testHandler } from "../src/testing.ts";
import { hold, keysOf } from "../src/testing/place.ts";
import { tempDir } from "./_dir.ts";
import { fileSide, harnessOfBoth, harnessOfFirst, memorySide } from "./_migration.ts";
import { StillPlace } from "./_still-place.ts";
import { Killed, StoppingHandler } from "./_stopping-handler.ts";

const pairs = [
  ["file", "memory", fileSide, memorySide],
  ["memory", "file", memorySide, fileSide],
  ["memory", "memory", memorySide, memorySide],
] as const;

describe.each(pairs)("migratingHandler from %s to %s", (_from, _to, newFrom, newTo) => {
  testHandler(it, () => harnessOfBoth(newFrom(), newTo()));
});

describe.each(pairs)(
  "migratingHandler from %s to %s, all sessions being in the first",
  (_from, _to, newFrom, newTo) => {
    testHandler(it, () => harnessOfFirst(newFrom(), newTo()));
  },
);

/** Two places, each of which can be stopped, and two instances that migrate between them. */
function places() {
  const [from, to] = [new StoppingHandler(), new StoppingHandler()];
  const [one, other] = [migratingHandler({ from, to }), migratingHandler({ from, to })];
  return { from, to, one, other };
}

/** Lets go on what can. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
}

const whole = {
  ip: "192.0.2.1",
  cookieName: "sid",
  tag: "Ada",
  tagTime: Date.now() - 3_000_000,
  time: Date.now() - 9_000_000,
  touched: Date.now() - 2_000_000,
};

describe("migratingHandler", () => {
  it("reads what is in `from`, and writes nothing", async () => {
    const { from, to, one } = places();
    const record = await from.store("a", { n: 1 }, whole);

    expect(await one.retrieve("a")).toEqual(record);
    expect(await one.retrieve("none")).toEqual({});

    expect(await from.retrieve("a")).toEqual(record);
    expect([...to.place.sessions.keys()]).toEqual([]);
  });

  it.each<[string, (handler: Handler) => Promise<unknown>]>([
    ["a store", (handler) => handler.store("a", 2)],
    ["an update", (handler) => handler.update("a", () => 2)],
    ["an update that writes nothing", (handler) => handler.update("a", () => undefined)],
    ["a touch", (handler) => handler.touch("a")],
    ["a move", (handler) => handler.store("b", 2, { oldId: "a" })],
    ["a move onto it", (handler) => handler.store("a", 2, { oldId: "a" })],
  ])("brings a session over by %s, with all that is said of it", async (what, write) => {
    const { from, to, one } = places();
    const before = await from.store("a", 1, { ...whole });
    const { data: _, touched: _touched, id: _id, ...kept } = before;

    await write(one);

    expect([...from.place.sessions.keys()]).toEqual([]);
    const there = await to.retrieve(what === "a move" ? "b" : "a");
    expect(there).toMatchObject(kept);
    const isUsed = what !== "an update that writes nothing";
    expect((there.touched ?? 0) > before.touched).toBe(isUsed);
  });

  it("brings both over that a move is about, and what it replaces is gone", async () => {
    const { from, to, one } = places();
    await from.store("old", "old");
    await from.store("taken", "taken");

    await one.update("taken", ({ data }) => [data], { oldId: "old" });

    expect([...from.place.sessions.keys()]).toEqual([]);
    expect((await to.retrieve("taken")).data).toEqual(["old"]);
    expect(await one.retrieve("old")).toEqual({});
  });

  it("has `mustExist` look in both", async () => {
    const { from, to, one } = places();
    await from.store("a", 1);
    await to.store("b", 1);
    for (const id of ["a", "b"]) await one.update(id, () => 2, { mustExist: true });
    await expect(one.update("c", () => 2, { mustExist: true })).rejects.toMatchObject({
      code: "ERR_SESSION_GONE",
    });
    expect(await keysOf(to)).toEqual(["a", "b"]);
  });

  it("goes by what `to` has, where both have it", async () => {
    const { from, to, one } = places();
    await from.store("a", "older", { tag: "Ada" });
    await to.store("a", "newer", { tag: "Ada" });

    expect((await one.retrieve("a")).data).toBe("newer");
    expect(await keysOf(one)).toEqual(["a"]);
    expect(await one.tagged("Ada")).toEqual(["a"]);
    await one.update("a", ({ data }) => [data]);
    expect((await to.retrieve("a")).data).toEqual(["newer"]);
    expect([...from.place.sessions.keys()]).toEqual([]);
  });

  it("loses no update where two bring a session at once", async () => {
    const { from, to, one, other } = places();
    await from.store("a", { begun: true });
    const stop = to.stopBefore("save");

    const updates = [one, other].map((handler, index) =>
      handler.update<object>("a", ({ data }) => ({ ...data, [index]: true })),
    );
    await stop.reached;
    await settled();
    stop.go();
    await Promise.all(updates);

    expect((await to.retrieve("a")).data).toEqual({ begun: true, 0: true, 1: true });
    expect([...from.place.sessions.keys()]).toEqual([]);
  });

  it("copies nothing over what another one, who was faster, has made of it", async () => {
    const { from, to, one, other } = places();
    await from.store("a", "before");
    // The first has copied it, and stops before it is removed. The second does it all.
    const stop = from.stopBefore("delete");
    const slow = one.update("a", ({ data }) => [data, "slow"]);
    await stop.reached;
    const fast = other.update("a", ({ data }) => [data, "fast"]);
    await settled();
    stop.go();
    await Promise.all([slow, fast]);

    const { data } = await to.retrieve("a");
    expect(JSON.stringify(data)).toContain("slow");
    expect(JSON.stringify(data)).toContain("fast");
  });

  it("has one of two win who move a session at once, and the other hear that it is gone", async () => {
    const { from, to, one, other } = places();
    await from.store("a", 1);

    const outcomes = await Promise.allSettled(
      [one, other].map((handler, index) =>
        handler.store(`b${index}`, index, { oldId: "a", mustExist: true }),
      ),
    );

    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    expect(await keysOf(to)).toHaveLength(1);
    expect([...from.place.sessions.keys()]).toEqual([]);
  });

  it("brings nothing back that is removed while it is brought over", async () => {
    const { from, to, one, other } = places();
    await from.store("a", 1);
    const stop = to.stopBefore("update"); // it has read it, and copied nothing yet
    const written = one.update("a", () => 2, { mustExist: true });
    await stop.reached;

    let isRemoved: boolean | undefined;
    const removed = other.remove("a").then((was) => (isRemoved = was));
    await settled();
    expect(isRemoved).toBe(undefined); // it waits for the copy
    stop.go();

    expect(await removed).toBe(true);
    const [outcome] = await Promise.allSettled([written]);
    // In whatever order they came, it has been removed and stays so.
    if (outcome.status === "rejected")
      expect(outcome.reason).toMatchObject({ code: "ERR_SESSION_GONE" });
    expect(await one.retrieve("a")).toEqual({});
    expect([...from.place.sessions.keys(), ...to.place.sessions.keys()]).toEqual([]);
  });

  it("brings nothing over that was removed before its turn came", async () => {
    const { from, to, one, other } = places();
    await from.store("a", 1);
    const held = await hold(from, "a");
    const removed = other.remove("a");
    const written = one.update("a", () => 2, { mustExist: true });
    await settled();
    await held.release(undefined);

    expect(await removed).toBe(true);
    await expect(written).rejects.toMatchObject({ code: "ERR_SESSION_GONE" });
    expect([...from.place.sessions.keys(), ...to.place.sessions.keys()]).toEqual([]);
  });

  it("says whether a removed session was in either", async () => {
    const { from, to, one } = places();
    await from.store("a", 1);
    await to.store("b", 1);
    await from.store("c", 1);
    await to.store("c", 1);

    expect(await Promise.all(["a", "b", "c", "d"].map((id) => one.remove(id)))).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect(await keysOf(one)).toEqual([]);
  });

  it("goes on where it was killed between the copy and the removal", async () => {
    for (const after of ["an update", "a removal", "a move"] as const) {
      const { from, to, one, other } = places();
      const before = await from.store("a", 1, { ...whole });
      from.dieBefore("delete");
      await expect(one.update("a", () => 2)).rejects.toThrow(Killed);

      expect(await to.retrieve("a")).toEqual(before);
      expect(await other.retrieve("a")).toEqual(before);
      expect(await keysOf(other)).toEqual(["a"]);
      if (after === "an update") await other.update("a", () => 3);
      if (after === "a removal") expect(await other.remove("a")).toBe(true);
      if (after === "a move") await other.update("b", () => 3, { oldId: "a" });

      expect([...from.place.sessions.keys()]).toEqual([]);
      const left = { "an update": ["a"], "a removal": [], "a move": ["b"] }[after];
      expect(await keysOf(other)).toEqual(left);
    }
  });

  it("brings no older version back when it is killed in a removal", async () => {
    const { from, to, one, other } = places();
    await from.store("a", "older");
    await to.store("a", "newer");
    to.dieBefore("delete");
    await expect(one.remove("a")).rejects.toThrow(Killed);

    expect((await other.retrieve("a")).data).toBe("newer");
    expect([...from.place.sessions.keys()]).toEqual([]);
  });

  it("finds a session that is brought over between two looks", async () => {
    const { from, to, one, other } = places();
    await from.store("a", 1);
    // It has looked into `to`, where there was none, and stops before it looks into `from`.
    const stop = from.stopBefore("read");
    const read = one.retrieve("a", { blocking: false });
    await stop.reached;
    await other.update("a", () => 2);
    expect(await keysOf(to)).toEqual(["a"]);
    stop.go();

    expect((await read).data).toBe(2);
  });

  it("lists a session that is brought over meanwhile, once", async () => {
    const { from, to, one, other } = places();
    for (const id of ["a", "b", "c"]) await from.store(id, 1, { tag: "Ada" });
    const keys = one.keys()[Symbol.asyncIterator]();
    const listed = [(await keys.next()).value as string];
    await Promise.all(["a", "b", "c"].map((id) => other.touch(id)));
    for (let next = await keys.next(); !next.done; next = await keys.next())
      listed.push(next.value);
    expect(listed.toSorted()).toEqual(["a", "b", "c"]);

    for (const id of ["x", "y"]) await from.store(id, 1, { tag: "Bob" });
    // Whichever of the two is asked first, they leave `from` before the other one is.
    for (const handler of [from, to]) {
      const { tagged } = handler;
      handler.tagged = async (tag) => {
        const ids = await tagged.call(handler, tag);
        await Promise.all(["x", "y"].map((id) => other.touch(id)));
        return ids;
      };
    }
    expect((await one.tagged("Bob")).toSorted()).toEqual(["x", "y"]);
    expect((await one.tagged("Ada")).toSorted()).toEqual(["a", "b", "c"]);
  });

  it("finds a session by its tag that is brought over and moves while it looks", async () => {
    const { from, to, one, other } = places();
    await from.store("old", 1, { tag: "Ada" });
    const stop = from.stopBefore("read");
    const finding = one.tagged("Ada");
    await stop.reached;
    await other.store("new", 2, { oldId: "old" });
    expect([await keysOf(from), await keysOf(to)]).toEqual([[], ["new"]]);
    stop.go();

    expect(await finding).toEqual(["new"]);
  });

  it("hears the word that a move has left in `from`, where `to` has nothing", async () => {
    const { from, to, one } = places();
    await from.store("old", 1);
    await from.store("new", 2, { oldId: "old", grace: 60 });
    const { moved } = await from.retrieve("old");
    let seen: unknown;

    expect(await one.retrieve("old")).toEqual({ moved });
    expect((await one.retrieve(moved?.to ?? "")).data).toBe(2);
    const after = await one.update("old", (record) => void (seen = record));
    expect([seen, after]).toEqual([{ moved }, { moved }]);
    await expect(one.update("old", () => 3, { mustExist: true })).rejects.toMatchObject({
      code: "ERR_SESSION_GONE",
    });
    await one.touch("new");
    expect(await one.retrieve("old")).toEqual({ moved });
    await to.store("x", 1);
    await to.store("y", 1, { oldId: "x", grace: 60 });
    await to.store("newest", 1, { oldId: "new", grace: 60 });
    expect((await one.retrieve("new")).moved?.to).toBe("newest");
    expect((await one.update("x", () => undefined)).moved?.to).toBe("y");
    await one.store("old", 4);
    expect((await one.retrieve("old")).data).toBe(4);
  });

  it("has the word of a move in `to` count more than a session in `from`", async () => {
    const { from, to, one } = places();
    await from.store("old", "left behind by a copier");
    await to.store("old", 1);
    await to.store("new", 2, { oldId: "old", grace: 60 });

    expect((await one.retrieve("old")).moved?.to).toBe("new");
    await expect(one.update("old", () => 3, { mustExist: true })).rejects.toMatchObject({
      code: "ERR_SESSION_GONE",
    });
    expect((await one.retrieve("old")).moved?.to).toBe("new");
    expect([...from.place.sessions.keys()]).toEqual([]);
  });

  it("says whether a change is async, and leaves other options as they are", async () => {
    const { from, to, one } = places();
    const update = vi.spyOn(to, "update");
    const [sync, late] = [() => 1, async () => 1];
    const options = { ip: "192.0.2.1" };
    await one.update("a", late, options);
    await one.update("a", sync, options);
    expect(update.mock.calls).toEqual([
      ["a", late, options],
      ["a", sync, options],
    ]);
    await from.store("old", 1);
    await from.store("new", 2, { oldId: "old", grace: 60 });
    update.mockClear();
    await one.update("old", late, options);
    await to.remove("old");
    await one.update("old", sync, options);
    await to.remove("old");
    await one.update("old", sync, { ...options, lock: true });
    const asked = update.mock.calls.map((call) => call[2]);
    expect(asked.map((one) => one?.lock)).toEqual([true, false, true]);
    for (const one of asked) expect(one).toMatchObject(options);
  });

  it("cleans both, and adds up; not one that cleans by itself, unless all is to go", async () => {
    const old = { touched: Date.now() - 9_000_000 };
    for (const [selfCleaning, counts, left] of [
      [{}, { removed: 2, kept: 3, skipped: 1 }, []],
      [{ to: true }, { removed: 1, kept: 1, skipped: 1 }, ["to old"]],
      [{ from: true }, { removed: 1, kept: 2, skipped: 0 }, ["from held", "from old"]],
    ] as const) {
      const { from, to, one } = places();
      for (const [name, handler] of Object.entries({ from, to })) {
        if (name in selfCleaning) Object.assign(handler, { selfCleaning: true });
        await handler.store(`${name} old`, 1, old);
        await handler.store(`${name} new`, 1);
      }
      await to.store("to newer", 1);
      await from.store("from held", 1, old);
      const held = await hold(from, "from held");
      const seen: CleanResult[] = [];

      const result = await one.clean(3600, { onProgress: (all) => seen.push({ ...all }) });

      await held.release(undefined);
      expect(result).toEqual(counts);
      expect(seen.at(-1)).toEqual(counts);
      expect((await keysOf(one)).filter((id) => id.endsWith("old"))).toEqual(
        left.filter((id) => id.endsWith("old")),
      );
      await one.clean(0);
      expect(await keysOf(one)).toEqual([]);
    }
    const { from, to } = places();
    Object.assign(to, { selfCleaning: true });
    expect(migratingHandler({ from, to }).selfCleaning).toBe(false);
  });

  it("rejects where `from` fails, and writes nothing then", async () => {
    const place = new StillPlace();
    const [from, to] = [new MemoryHandler(place), new MemoryHandler()];
    const handler = migratingHandler({ from, to });
    await from.store("a", 1);
    place.break();

    for (const call of [
      () => handler.store("a", 2),
      () => handler.update("a", () => 2),
      () => handler.touch("a"),
      () => handler.remove("a"),
      () => handler.retrieve("a"),
    ])
      await expect(call()).rejects.toMatchObject({ code: "ERR_SESSION_DIR" });

    expect([...to.place.sessions.keys()]).toEqual([]);
  });

  it("closes both, also if one fails, when what is under way has come to its end", async () => {
    const { from, to, one } = places();
    await from.store("a", 1);
    const stop = to.stopBefore("save");
    const written = one.update("a", () => 2);
    await stop.reached;
    const failing = vi.spyOn(from, "close").mockRejectedValueOnce(new Error("no"));

    const closing = one.close();
    await settled();
    expect(failing).not.toHaveBeenCalled();
    stop.go();

    expect(isRecord(await written)).toBe(true);
    await expect(closing).rejects.toThrow("no");
    await expect(to.retrieve("a")).rejects.toThrow("closed");
  });

  it("loses nothing while a copier brings what nobody uses", async () => {
    const [from, to] = [new FileHandler({ fileDir: tempDir() }), new MemoryHandler()];
    const instances = [migratingHandler({ from, to }), migratingHandler({ from, to })];
    onTestFinished(() => from.close());
    const ids = Array.from({ length: 40 }, (_, index) => `s${index}`);
    for (const id of ids) await from.store(id, 0, { touched: Date.now() - 1_000_000 });
    const used = ids.filter((_, index) => index % 2 === 0);

    const work = used.flatMap((id) =>
      Array.from({ length: 6 }, (_, index) =>
        instances[index % 2]?.update<number>(id, ({ data = -1000 }) => data + 1),
      ),
    );
    const copied = copySessions(from, to, { remove: true, rate: Infinity });
    const removed = instances.map((handler, index) => handler.remove(`s${2 * index + 1}`));
    await Promise.all([...work, copied, ...removed]);

    expect(await keysOf(from)).toEqual([]);
    expect((await keysOf(to)).length).toBe(38);
    for (const id of used) expect((await to.retrieve(id)).data).toBe(6);
    for (const id of ["s1", "s3"]) expect(await instances[0]?.retrieve(id)).toEqual({});
    const unused = await to.retrieve("s5");
    expect(Date.now() - (unused.touched ?? 0)).toBeGreaterThanOrEqual(1_000_000);
  });

  it("leaves a visitor logged in, whose old cookie is dead after `regenerate`", async () => {
    const { from, to, one } = places();
    const url = "https://shop.example/";
    const visit = async (handler: Handler, cookie = "") => {
      const responseHeaders = new Headers();
      const request = new Request(url, { headers: cookie ? { cookie } : {} });
      const session = await useFileSession<{ user?: string }>(
        { request, responseHeaders },
        { handler, cleanInterval: false },
      );
      const given = () => responseHeaders.getSetCookie()[0]?.split(";")[0] ?? "";
      return { session, given };
    };
    const first = await visit(from);
    await first.session.update({ user: "Ada" });
    const cookie = first.given();

    const { session, given } = await visit(one, cookie);
    expect(session.data).toEqual({ user: "Ada" });
    await session.regenerate();

    expect((await visit(one, cookie)).session.data).toEqual({});
    expect((await visit(one, given())).session.data).toEqual({ user: "Ada" });
    expect((await visit(to, given())).session.data).toEqual({ user: "Ada" });
    expect([...from.place.sessions.keys()]).toEqual([]);
  });

  it("refuses what makes no sense", () => {
    const { from, to } = places();
    const refused = expect.objectContaining({ code: "ERR_SESSION_OPTION" }) as Error;
    expect(() => migratingHandler({ from, to: from })).toThrow(refused);
    expect(() => migratingHandler({ from, to, idleTimeout: 0 })).toThrow(refused);
  });

  it("says `idleTimeout` of what it brings, if it is told", async () => {
    const { from, to } = places();
    await from.store("a", 1);
    const update = vi.spyOn(to, "update");
    await migratingHandler({ from, to, idleTimeout: 3600 }).touch("a");
    expect(update.mock.calls[0]?.[2]).toMatchObject({ idleTimeout: 3600 });
  });
});
