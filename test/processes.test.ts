// Several processes on one directory: what keeps them apart is what lies on the disk.

import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { FileHandler } from "../src/index.ts";
import { tempDir } from "./_dir.ts";
import { start, startWorker } from "./_process.ts";
import { has } from "./_needs.ts";

let dir: string;
let handler: FileHandler;

beforeEach(() => {
  dir = tempDir();
  handler = new FileHandler({ fileDir: dir });
});

const all = async (count: number, work: (n: number) => Promise<unknown>): Promise<void> => {
  await Promise.all(Array.from({ length: count }, (_, n) => work(n)));
};

describe("4 processes", () => {
  it("that add 500 times each to one session end at 2000", async () => {
    await all(4, () => startWorker("increment.mjs", dir, "counter", "500").done);
    expect((await handler.retrieve("counter")).data).toEqual({ n: 2000 });
    expect(readdirSync(dir)).toEqual(["sess_counter"]);
  });

  it("that move one session 500 times each, adding one, leave one session at 2000", async () => {
    const { time } = await handler.store("first", { n: 0 });
    await all(4, () => startWorker("chain.mjs", dir, "500").done);
    const ids: string[] = [];
    for await (const id of handler.keys()) ids.push(id);
    const [id = "", ...others] = ids;
    expect(others).toEqual([]);
    expect(await handler.retrieve(id)).toMatchObject({ time, data: { n: 2000 } });
    expect(readdirSync(dir)).toEqual([`sess_${id}`]);
  });
});

describe("a stale lock", () => {
  it("is taken over by exactly one of 8 waiting processes", async () => {
    const workers = Array.from({ length: 8 }, () => startWorker("take.mjs", dir, "a"));
    await Promise.all(workers.map(({ line }) => line()));
    writeFileSync(join(dir, "sess_a.lock"), "");
    utimesSync(join(dir, "sess_a.lock"), 1, 1);
    for (const { child } of workers) child.stdin?.write("go\n");
    const answers = await Promise.all(workers.map(({ line }) => line()));
    expect(answers.filter((answer) => answer === "mine")).toHaveLength(1);
    for (const { child } of workers) child.stdin?.write("end\n");
    await Promise.all(workers.map(({ done }) => done));
    expect(readdirSync(dir)).toEqual([]);
  });

  it("of a process that was killed is taken over when it has aged, and what it changed is not there", async () => {
    await handler.store("a", { n: 1 });
    const holder = startWorker("hold.mjs", dir, "a");
    expect(await holder.line()).toBe("held");
    holder.child.kill("SIGKILL");
    await holder.done.catch(() => undefined);
    expect((await handler.retrieve("a", { blocking: false })).data).toEqual({ n: 1 });
    const lock = join(dir, "sess_a.lock");
    const then = statSync(lock).mtimeMs / 1000 - 61;
    utimesSync(lock, then, then);
    await handler.update<{ n: number }>("a", ({ data }) => ({ n: (data?.n ?? 0) + 1 }));
    expect((await handler.retrieve("a")).data).toEqual({ n: 2 });
    expect(readdirSync(dir)).toEqual(["sess_a"]);
  });
});

describe.runIf(has("posix"))("a lock made by a shell", () => {
  const path = (): string => join(dir, "sess_a.lock");
  const shell = (script: string): boolean => spawnSync("bash", ["-c", script]).status === 0;
  // What `set -o noclobber` does is O_CREAT|O_EXCL.
  const takeLock = (): boolean => shell(`set -o noclobber; : > ${path()}`);

  it.each([
    ["store", () => handler.store("a", { by: "us" })],
    ["update", () => handler.update("a", () => ({ by: "us" }))],
    ["remove", () => handler.remove("a")],
    ["retrieve", () => handler.retrieve("a")],
    ["store with oldId", () => handler.store("b", { by: "us" }, { oldId: "a" })],
  ])("holds %s until it is unlinked", async (_, call) => {
    await handler.store("a", { by: "before" });
    expect(takeLock()).toBe(true);
    let settled = false;
    const outcome = call().finally(() => (settled = true));
    // Another process reads and does not wait; by then ours has had every chance to go ahead.
    const program = `import { FileHandler } from "filesession";
      const handler = new FileHandler({ fileDir: process.argv[1] });
      console.log((await handler.retrieve("a", { blocking: false })).data.by);
      console.log(JSON.stringify(await handler.clean(0)));`;
    const seen = start(process.execPath, ["--input-type=module", "-e", program, dir]);
    expect(await seen.line()).toBe("before");
    expect(await seen.line()).toBe('{"removed":0,"kept":0,"skipped":1}');
    expect(settled).toBe(false);
    expect(execFileSync("cat", [join(dir, "sess_a")]).toString()).toContain('"by":"before"');
    shell(`rm ${path()}`);
    await outcome;
    expect(readdirSync(dir).filter((name) => name.includes(".lock"))).toEqual([]);
  });

  it("cannot be made while we hold ours", async () => {
    await handler._acquireLock("a");
    expect(takeLock()).toBe(false);
    await handler._releaseLock("a");
    expect(takeLock()).toBe(true);
  });
});
