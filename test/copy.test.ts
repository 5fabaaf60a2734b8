// Sessions copied from one place to another: what goes along, what is left alone, what ends it.

import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { lockTimeout } from "../src/core/error.ts";
import {
  type Change,
  type CopyResult,
  copySessions,
  FileHandler,
  type Handler,
  isRecord,
  SealedHandler,
  useFileSession,
  type WriteOptions,
} from "../src/index.ts";
import { MemoryHandler } from "../src/testing.ts";
import { hold, keysOf, soon } from "../src/testing/place.ts";
import { tempDir } from "./_dir.ts";
import { StillPlace } from "./_still-place.ts";
import { Killed, StoppingHandler } from "./_stopping-handler.ts";

const now = 1_800_000_000_000;
const hour = 3_600_000;

// A moment is the same on both sides, however long the copying takes.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now });
  onTestFinished(() => void vi.useRealTimers());
});

function fileHandler(): FileHandler {
  const handler = new FileHandler({ fileDir: tempDir() });
  onTestFinished(() => handler.close());
  return handler;
}

/** Sessions `s0`, `s1` and so on, which hold their number. */
async function stored<H extends Handler>(handler: H, count: number): Promise<H> {
  for (let index = 0; index < count; index++) await handler.store(`s${index}`, index);
  return handler;
}

const makers: [string, () => Handler][] = [
  ["FileHandler", fileHandler],
  ["MemoryHandler", () => new MemoryHandler()],
  ["SealedHandler", () => new SealedHandler(new MemoryHandler(), "s".repeat(32))],
];
const ways = makers.flatMap(([here, newFrom]) =>
  makers.map(([there, newTo]) => [here, there, newFrom, newTo] as const),
);

describe("copySessions", () => {
  it.each(ways)("copies all that %s has, to %s", async (_here, _there, newFrom, newTo) => {
    const [from, to] = [newFrom(), newTo()];
    await using _from = from;
    await using _to = to;
    const elsewhere = { time: now - 9 * hour, touched: now - 2 * hour };
    const named = { ip: "192.0.2.1", cookieName: "sid", tag: "Ada", tagTime: now - 3 * hour };
    await from.store("whole", new Map([["at", new Date(5)]]), { ...elsewhere, ...named });
    await from.store("ends", [1], { ...elsewhere, ttl: 86_400.001 });
    await from.store("lasts", { n: 1 }, { ...elsewhere, ttl: 1.001, lasting: true });
    await from.store("bare", "x".repeat(20_000));
    await from.store("nothing", undefined);
    const before = await Promise.all((await keysOf(from)).map((id) => from.retrieve(id)));

    expect(await copySessions(from, to)).toEqual({ copied: 5, present: 0, gone: 0 });

    expect(before).toHaveLength(5);
    for (const record of before) {
      expect(isRecord(record) && (await to.retrieve(record.id))).toEqual(record);
      expect(isRecord(record) && (await from.retrieve(record.id))).toEqual(record);
    }
    expect(await to.tagged("Ada")).toEqual(["whole"]);
  });

  it("lets an idle time go on: what was not used for long is cleaned when it would have been", async () => {
    const [from, to] = [new MemoryHandler(), fileHandler()];
    for (const [id, minutes] of Object.entries({ old: 50, new: 10, lasting: 50 }))
      await from.store(id, 1, {
        touched: now - minutes * 60_000,
        ...(id === "lasting" && { ttl: 9999, lasting: true }),
      });
    await copySessions(from, to);

    vi.setSystemTime(now + 20 * 60_000);

    expect(await to.clean(3600)).toEqual({ removed: 1, kept: 2, skipped: 0 });
    expect(await keysOf(to)).toEqual(["lasting", "new"]);
  });

  it("logs nobody out, nor lets anybody stay longer", async () => {
    const [from, to] = [fileHandler(), new MemoryHandler()];
    const config = { idleTimeout: 3600, cleanInterval: false } as const;
    const answer = new Headers();
    const url = "https://shop.example/";
    const first = { request: new Request(url), responseHeaders: answer };
    await (await useFileSession(first, { ...config, handler: from })).update({ user: "Ada" });
    const cookie = answer.getSetCookie()[0]?.split(";")[0] ?? "";
    const visit = async () => {
      const request = new Request(url, { headers: { cookie } });
      const event = { request, responseHeaders: new Headers() };
      return (await useFileSession(event, { ...config, handler: to })).data;
    };
    vi.setSystemTime(now + 3_000_000);

    await copySessions(from, to);

    vi.setSystemTime(now + 3_600_001);
    expect(await visit()).toEqual({});
    vi.setSystemTime(now + 3_599_999);
    expect(await visit()).toEqual({ user: "Ada" });
  });

  it("makes no life longer by what it waits for", async () => {
    const [from, to] = [new MemoryHandler(), fileHandler()];
    const { expires } = await from.store("a", 1, { ttl: 100 });
    const held = await hold(to, "a");

    const copied = copySessions(from, to);
    await new Promise(setImmediate);
    vi.setSystemTime(now + 10_000);
    await held.release(undefined);

    expect(await copied).toMatchObject({ copied: 1 });
    expect((await to.retrieve("a")).expires).toBe(expires);
  });

  it("leaves alone what `to` has", async () => {
    const from = await stored(new MemoryHandler(), 3);
    const to = new MemoryHandler();
    const newer = await to.store("s1", "newer", { ip: "192.0.2.1" });

    expect(await copySessions(from, to)).toEqual({ copied: 2, present: 1, gone: 0 });

    expect(await to.retrieve("s1")).toEqual(newer);
    expect(await copySessions(from, to)).toEqual({ copied: 0, present: 3, gone: 0 });
  });

  it("brings nothing back that has moved on in `to`, or a word of it", async () => {
    const from = await stored(new MemoryHandler(), 1);
    const to = new MemoryHandler();
    await copySessions(from, to);
    await to.store("moved", "newer", { oldId: "s0", grace: 60 });

    expect(await copySessions(from, to)).toEqual({ copied: 0, present: 1, gone: 0 });

    expect((await to.retrieve("s0")).moved?.to).toBe("moved");
  });

  it("copies no session that has been removed when its turn comes", async () => {
    const from = await stored(new MemoryHandler(), 1);
    const to = new MemoryHandler();
    const held = await hold(from, "s0");

    const removed = from.remove("s0");
    const copied = copySessions(from, to);
    await held.release("changed");

    expect(await removed).toBe(true);
    expect(await copied).toEqual({ copied: 0, present: 0, gone: 1 });
    expect(await keysOf(to)).toEqual([]);
  });

  it("waits for a session in use, and copies what it is then", async () => {
    const from = await stored(fileHandler(), 1);
    const to = new MemoryHandler();
    const held = await hold(from, "s0");

    const copied = copySessions(from, to);
    await held.release("changed");

    expect(await copied).toEqual({ copied: 1, present: 0, gone: 0 });
    expect((await to.retrieve("s0")).data).toBe("changed");
  });

  it("waits longer than the handlers do", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"], now });
    const [from, to] = [await stored(new MemoryHandler(), 2), new MemoryHandler()];
    for (const [handler, method] of [
      [from, "update"],
      [to, "update"],
      [from, "remove"],
    ] as const) {
      vi.spyOn(handler, method).mockRejectedValueOnce(lockTimeout("a.lock", 75));
    }

    const copied = copySessions(from, to, { rate: Infinity, concurrency: 1, remove: true });
    await vi.advanceTimersByTimeAsync(1000);

    expect(await copied).toEqual({ copied: 2, present: 0, gone: 0 });
    expect(await keysOf(from)).toEqual([]);
  });

  it("holds the session meanwhile: who removes it from `from` does so after that", async () => {
    const from = await stored(new MemoryHandler(), 1);
    const to = new StoppingHandler();
    const stop = to.stopBefore("save");
    const order: string[] = [];

    const copied = copySessions(from, to).then(() => order.push("copied"));
    await stop.reached;
    const removed = from.remove("s0").then(() => order.push("removed"));
    await new Promise(setImmediate);
    expect(order).toEqual([]);
    stop.go();

    await Promise.all([copied, removed]);
    expect(await keysOf(from)).toEqual([]);
    expect(await keysOf(to)).toEqual(["s0"]);
  });

  it("with `remove` leaves nothing behind, but what has ended", async () => {
    const from = await stored(fileHandler(), 5);
    const to = new MemoryHandler();
    await to.store("s1", "newer");

    expect(await copySessions(from, to, { remove: true })).toMatchObject({ copied: 4, present: 1 });

    expect(await keysOf(from)).toEqual([]);
    expect(await keysOf(to)).toEqual(["s0", "s1", "s2", "s3", "s4"]);
    expect((await to.retrieve("s1")).data).toBe("newer");
  });

  it("with `remove` removes nothing that it has not copied", async () => {
    class Returning extends MemoryHandler {
      override async update<T>(id: string, ...args: [Change<T>, WriteOptions?]) {
        await this.remove(id);
        const result = await super.update(id, ...args);
        await this.store(id, "begun anew");
        return result;
      }
    }
    const from = await stored(new Returning(), 1);
    const to = new MemoryHandler();

    expect(await copySessions(from, to, { remove: true })).toMatchObject({ gone: 1 });

    expect((await from.retrieve("s0")).data).toBe("begun anew");
  });

  it.each([
    ["before a copy is there", "to", "save", { copied: 10, present: 0 }],
    ["when it is, and the session in `from` too", "from", "delete", { copied: 9, present: 1 }],
  ] as const)("goes on where it was killed, %s", async (_, who, step, left) => {
    const from = await stored(new StoppingHandler(), 10);
    const to = new StoppingHandler();
    (who === "to" ? to : from).dieBefore(step);
    const options = { remove: true, concurrency: 1 };
    await expect(copySessions(from, to, options)).rejects.toThrow(Killed);

    expect(await copySessions(from, to, options)).toMatchObject(left);

    expect(await keysOf(from)).toEqual([]);
    for (let index = 0; index < 10; index++)
      expect((await to.retrieve(`s${index}`)).data).toBe(index);
  });

  it("copies so many per second, 1000 unless said otherwise, and no more", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const from = await stored(new MemoryHandler(), 25);
    for (const [options, perSecond] of [
      [{ rate: 10 }, 10],
      [{ rate: 0.5 }, 0.5],
      [{}, 1000],
    ] as const) {
      let count = 0;
      const onProgress = (): void => void count++;
      const to = new MemoryHandler();
      const copied = copySessions(from, to, { ...options, onProgress });
      await vi.advanceTimersByTimeAsync(0);
      expect(count).toBe(1);
      await vi.advanceTimersByTimeAsync(10_000 / perSecond);
      expect(count).toBe(11);
      await vi.advanceTimersByTimeAsync(14_000 / perSecond - 1);
      expect(count).toBe(24);
      await vi.advanceTimersByTimeAsync(1);
      expect(await copied).toMatchObject({ copied: 25 });
    }
  });

  it("makes up for no more than a moment that it was late", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const from = await stored(new MemoryHandler(), 1000);
    const to = new StoppingHandler();
    const stop = to.stopBefore("save");
    let count = 0;
    const onProgress = (): void => void count++;

    const copied = copySessions(from, to, { rate: 100, concurrency: 1, onProgress });
    await vi.advanceTimersByTimeAsync(5000);
    stop.go();
    await vi.advanceTimersByTimeAsync(1000);

    expect(count).toBeGreaterThanOrEqual(100);
    expect(count).toBeLessThanOrEqual(105);
    await vi.advanceTimersByTimeAsync(10_000);
    await copied;
  });

  it("keeps to its rate with timers that are late", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const { setTimeout } = globalThis;
    vi.spyOn(globalThis, "setTimeout").mockImplementation(((call: () => void, ms: number) =>
      setTimeout(call, ms + 3)) as typeof setTimeout);
    onTestFinished(() => void vi.restoreAllMocks());
    const from = await stored(new MemoryHandler(), 1000);
    let count = 0;

    const copied = copySessions(from, new MemoryHandler(), { onProgress: () => void count++ });
    await vi.advanceTimersByTimeAsync(500);

    expect(count).toBeGreaterThan(490);
    expect(count).toBeLessThanOrEqual(501);
    await vi.advanceTimersByTimeAsync(600);
    expect(await copied).toMatchObject({ copied: 1000 });
  });

  it("copies without a pause at rate Infinity", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const from = await stored(new MemoryHandler(), 5000);
    expect(await copySessions(from, new MemoryHandler(), { rate: Infinity })).toMatchObject({
      copied: 5000,
    });
  });

  it("copies so many at a time, and no more", async () => {
    for (const concurrency of [1, 3]) {
      const from = await stored(new MemoryHandler(), 20);
      let atWork = 0;
      let most = 0;
      class Counting extends MemoryHandler {
        override async save(...args: Parameters<MemoryHandler["save"]>): Promise<void> {
          most = Math.max(most, ++atWork);
          await new Promise(setImmediate);
          atWork--;
          return super.save(...args);
        }
      }

      await copySessions(from, new Counting(), { concurrency, rate: Infinity });

      expect(most).toBe(concurrency);
    }
  });

  it("ends with the reason of its signal, and goes on from there", async () => {
    const from = await stored(new MemoryHandler(), 10);
    const to = new MemoryHandler();
    const reason = new Error("enough");
    const abort = new AbortController();
    const onProgress = ({ copied }: CopyResult): void => void (copied === 3 && abort.abort(reason));
    const options = { signal: abort.signal, onProgress, concurrency: 1 };

    await expect(copySessions(from, to, options)).rejects.toBe(reason);

    expect(await keysOf(to)).toHaveLength(3);
    await expect(copySessions(from, to, options)).rejects.toBe(reason);
    expect(await keysOf(to)).toHaveLength(3);
    await expect(copySessions(new MemoryHandler(), to, options)).rejects.toBe(reason);
    expect(await copySessions(from, to)).toEqual({ copied: 7, present: 3, gone: 0 });
  });

  it.each([
    ["for its turn", { rate: 0.001 }],
    ["for a session in use", { concurrency: 1 }],
  ])("ends at once by its signal while it waits %s", async (_, options) => {
    const from = await stored(new MemoryHandler(), 2);
    const to = new MemoryHandler();
    vi.spyOn(from, "update").mockRejectedValue(lockTimeout("a.lock", 75));
    const abort = new AbortController();

    const copied = copySessions(from, to, { ...options, signal: abort.signal });
    await new Promise(setImmediate);
    abort.abort(new Error("enough"));

    await expect(soon("copySessions()", copied)).rejects.toThrow("enough");
  });

  it("says how far it is, up to the result", async () => {
    const from = await stored(new MemoryHandler(), 5);
    const seen: CopyResult[] = [];

    const result = await copySessions(from, new MemoryHandler(), {
      onProgress: (counts) => seen.push(counts),
    });

    expect(seen.map(({ copied }) => copied)).toEqual([1, 2, 3, 4, 5]);
    expect(seen.at(-1)).toEqual(result);
    const thrown = new Error("no");
    const onProgress = (): never => {
      throw thrown;
    };
    await expect(copySessions(from, new MemoryHandler(), { onProgress })).rejects.toBe(thrown);
  });

  it.each(["from", "to"])(
    "rejects when `%s` fails, and has nothing under way then",
    async (who) => {
      const places = { from: new StillPlace(), to: new StillPlace() };
      const from = await stored(new MemoryHandler(places.from), 20);
      const to = new MemoryHandler(places.to);
      const onProgress = ({ copied }: CopyResult): void => {
        if (copied === 5) places[who as "from" | "to"].break();
      };

      await expect(copySessions(from, to, { onProgress })).rejects.toMatchObject({
        code: "ERR_SESSION_DIR",
      });

      expect([from.underWay.size, to.underWay.size]).toEqual([0, 0]);
    },
  );

  it("rejects when `to` does not take a session, and leaves that in `from`", async () => {
    const from = new MemoryHandler();
    await from.store("large", "x".repeat(100));
    const to = new FileHandler({ fileDir: tempDir(), maxBytes: 50 });

    await expect(copySessions(from, to, { remove: true })).rejects.toMatchObject({
      code: "ERR_SESSION_TOO_LARGE",
    });

    expect(await keysOf(from)).toEqual(["large"]);
  });

  it("says `idleTimeout` of each session, if it is told, and asks for no lock in `to`", async () => {
    const from = await stored(new MemoryHandler(), 1);
    for (const options of [{}, { idleTimeout: 3600 }]) {
      const to = new MemoryHandler();
      const update = vi.spyOn(to, "update");
      await copySessions(from, to, options);
      const asked = update.mock.calls[0]?.[2] as WriteOptions;
      expect(asked.lock).toBe(false);
      expect(asked.idleTimeout).toBe("idleTimeout" in options ? 3600 : undefined);
    }
  });

  it("refuses what makes no sense", async () => {
    const from = new MemoryHandler();
    const refused = { code: "ERR_SESSION_OPTION" };
    for (const options of [
      { rate: 0 },
      { rate: -1 },
      { rate: Number.NaN },
      { rate: "10" as unknown as number },
      { concurrency: 0 },
      { concurrency: 1.5 },
      { concurrency: Infinity },
      { idleTimeout: 0 },
    ])
      await expect(copySessions(from, new MemoryHandler(), options)).rejects.toMatchObject(refused);
    await expect(copySessions(from, from)).rejects.toMatchObject(refused);
  });
});
