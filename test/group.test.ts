// Writers of one session in one process: one lock for all who wait, and each is told what it would
// have been told alone.

import { AsyncLocalStorage } from "node:async_hooks";
import { beforeEach, describe, expect, it } from "vitest";
import { FileHandler } from "../src/index.ts";
import { intercept, systemError } from "./_calls.mjs";
import { tempDir } from "./_dir.ts";

let fileDir: string;
let handler: FileHandler;

beforeEach(async () => {
  fileDir = tempDir();
  handler = new FileHandler({ fileDir });
  await handler.store("a", { n: 0 });
});

const add = (record: { data?: { n: number } | undefined }): { n: number } => ({
  n: (record.data?.n ?? 0) + 1,
});

async function found(): Promise<unknown> {
  return (await handler.retrieve("a")).data;
}

describe("updates that are called at the same moment", () => {
  it("share one lock, and each sees what the one before it has made", async () => {
    let locks = 0;
    const end = intercept(fileDir, ({ name, path }, proceed) => {
      if (name === "openSync" && path.endsWith(".lock")) locks++;
      return proceed();
    });
    const records = await Promise.all(
      Array.from({ length: 25 }, () => handler.update("a", add)),
    ).finally(end);
    expect(records.map(({ data }) => data?.n)).toEqual(Array.from({ length: 25 }, (_, n) => n + 1));
    expect(locks).toBe(1);
    expect(await found()).toEqual({ n: 25 });
  });

  it("fail alone, when their change throws, is async and rejects, or misses its session", async () => {
    await handler.remove("a");
    const told = await Promise.allSettled([
      handler.update("a", add, { mustExist: true }),
      handler.update("a", add),
      handler.update("a", () => {
        throw new Error("no");
      }),
      handler.update("a", () => Symbol("no")),
      handler.update("a", async () => Promise.reject(new Error("not now"))),
      handler.update("a", add, { mustExist: true }),
    ]);
    expect(told.map(({ status }) => status)).toEqual([
      "rejected",
      "fulfilled",
      "rejected",
      "rejected",
      "rejected",
      "fulfilled",
    ]);
    expect(await found()).toEqual({ n: 2 });
  });

  it("fail together when what they have made cannot be written, and then nothing is", async () => {
    const end = intercept(fileDir, (call, proceed) => {
      if (call.name === "writeSync" && call.path.endsWith("sess_a")) throw systemError("EIO", call);
      return proceed();
    });
    const told = await Promise.allSettled([handler.update("a", add), handler.update("a", add)]);
    end();
    expect(told.map((one) => one.status === "rejected" && one.reason)).toEqual([
      expect.objectContaining({ code: "ERR_SESSION_DIR" }),
      expect.objectContaining({ code: "ERR_SESSION_DIR" }),
    ]);
    expect(await found()).toEqual({ n: 0 });
  });

  it("fail, an async one too, when what was made before it cannot be written", async () => {
    const end = intercept(fileDir, (call, proceed) => {
      if (call.name === "writeSync" && call.path.endsWith("sess_a")) throw systemError("EIO", call);
      return proceed();
    });
    const told = await Promise.allSettled([
      handler.update("a", add),
      handler.update("a", async () => Promise.reject(new Error("not heard"))),
      handler.update("a", add),
    ]);
    end();
    expect(told.map((one) => one.status === "rejected" && one.reason.code)).toEqual([
      "ERR_SESSION_DIR",
      "ERR_SESSION_DIR",
      "ERR_SESSION_DIR",
    ]);
    expect(await found()).toEqual({ n: 0 });
  });

  it("keep their order among stores, async changes, other handlers and removals", async () => {
    const other = new FileHandler({ fileDir });
    const late = async (record: { data?: { n: number } | undefined }): Promise<{ n: number }> => {
      await Promise.resolve();
      return add(record);
    };
    const told = await Promise.all([
      handler.update("a", add),
      handler.update("a", late),
      handler.store("a", { n: 100 }),
      handler.update("a", late),
      other.update("a", add),
      handler.remove("a"),
      handler.update("a", add),
    ]);
    expect(told.map((one) => (typeof one === "boolean" ? one : one.data?.n))).toEqual([
      1,
      2,
      100,
      101,
      102,
      true,
      1,
    ]);
    expect(await found()).toEqual({ n: 1 });
  });

  it("do not wait for an async change that was called after them", async () => {
    let end = (): void => undefined;
    const gate = new Promise<void>((resolve) => (end = resolve));
    const slow = [handler.update("a", add), handler.update("a", () => gate.then(() => ({ n: 7 })))];
    expect((await slow[0])?.data).toEqual({ n: 1 });
    expect((await handler.retrieve("a", { blocking: false })).data).toEqual({ n: 1 });
    end();
    expect((await slow[1])?.data).toEqual({ n: 7 });
  });

  it("run their change in the async context of their own caller", async () => {
    const visitor = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const change = (): undefined => {
      seen.push(visitor.getStore());
    };
    await Promise.all(
      ["Ada", "Grace", "Mary"].map((name) => visitor.run(name, () => handler.update("a", change))),
    );
    expect(seen).toEqual(["Ada", "Grace", "Mary"]);
  });

  it("wait for the lock as long as each may: who comes later is not refused with the first", async () => {
    const holder = new FileHandler({ fileDir });
    await holder._acquireLock("a");
    const patient = new FileHandler({ fileDir, lockTimeout: 60 });
    const hasty = new FileHandler({ fileDir, lockTimeout: 0 });
    const first = hasty.update("a", add);
    const second = patient.update("a", add);
    await expect(first).rejects.toMatchObject({ code: "ERR_SESSION_LOCK_TIMEOUT" });
    await holder._releaseLock("a");
    expect((await second).data).toEqual({ n: 1 });
  });
});
