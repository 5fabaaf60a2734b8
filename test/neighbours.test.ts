// Programs in other languages, which know nothing of us but the protocol on disk: `<file>.lock`,
// made with O_CREAT|O_EXCL, stale after 60 s, given back by unlink.

import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { FileHandler } from "../src/index.ts";
import { tempDir } from "./_dir.ts";
import { has } from "./_needs.ts";
import { start, startWorker, type Worker } from "./_process.ts";

const isLong = process.env.STORM === "long";
const timeout = isLong ? 3600_000 : 60_000;

let dir: string;
let handler: FileHandler;
let counter: string;

beforeEach(() => {
  dir = tempDir();
  handler = new FileHandler({ fileDir: dir });
  counter = join(tempDir(), "counter");
  writeFileSync(counter, "0");
});

const script = (name: string): string => new URL(`neighbours/${name}`, import.meta.url).pathname;

/** A program that is ready to begin. */
async function ready(worker: Worker): Promise<Worker> {
  expect(await worker.line()).toBe("ready");
  return worker;
}

const python = (...what: string[]): Promise<Worker> =>
  ready(start("python3", [script("neighbour.py"), handler._sessionFile("a"), ...what]));
const shell = (times: number): Promise<Worker> => {
  const args = [handler._sessionFile("a"), "add", counter, String(times)];
  return ready(start("bash", [script("neighbour.sh"), ...args]));
};
const ours = (times: number): Promise<Worker> =>
  ready(start(process.execPath, [script("ours.mjs"), dir, "a", counter, String(times)]));

const tell = ({ child }: Worker): boolean | undefined => child.stdin?.write("go\n");

/** Lets them all begin, and waits until they have ended well. */
async function together(...workers: Worker[]): Promise<void> {
  for (const worker of workers) tell(worker);
  await Promise.all(workers.map(({ done }) => done));
}

/** Makes the lock look as if its holder had given no sign of life for a minute. */
function age(lock: string): void {
  const then = statSync(lock).mtimeMs / 1000 - 61;
  utimesSync(lock, then, then);
}

const count = (): number => Number(readFileSync(counter, "utf8"));
const add = (record: { data?: { n: number } | undefined }): { n: number } => ({
  n: (record.data?.n ?? 0) + 1,
});

describe.runIf(has("python3"))("neighbours in Python and shell", { timeout }, () => {
  it("and we add to one counter, and lose nothing", async () => {
    const [each, inShell] = isLong ? [22_500, 10_000] : [1500, 500];
    const us = [await ours(each), await ours(each)];
    const them = [
      await python("add", counter, String(each)),
      await python("add", counter, String(each)),
      await shell(inShell),
    ];
    const begun = performance.now();
    await together(...us, ...them);
    const seconds = Math.round(performance.now() - begun) / 1000;
    const all = 4 * each + inShell;
    const visible = [await us[0]!.line(), await us[1]!.line()].map(Number);
    const figures = { increments: all, lost: all - count(), visible, of: each, seconds };
    process.stdout.write(`neighbours: ${JSON.stringify(figures)}\n`);
    expect(count()).toBe(all);
    expect(visible).toEqual([each, each]);
    expect(await handler.retrieve("a")).toMatchObject({ data: { n: each } }); // half of each of ours
    expect(readdirSync(dir)).toEqual(["sess_a"]);
  });

  it("lose increments, theirs and ours, when they ignore the lock", async () => {
    const each = 1000;
    const rude = await python("add without the lock", counter, String(5 * each));
    await together(await ours(each), rude);
    process.stdout.write(`a neighbour without the lock: lost ${6 * each - count()}\n`);
    expect(count()).toBeLessThan(6 * each);
  });

  it("see our lock in every hold, and none when we have given it back", async () => {
    const neighbour = await python("try");
    tell(neighbour);
    const ask = (): Promise<string> => {
      tell(neighbour);
      return neighbour.line();
    };
    const seen = { held: new Map<string, number>(), free: new Map<string, number>() };
    const note = (answers: Map<string, number>, answer: string): void =>
      void answers.set(answer, (answers.get(answer) ?? 0) + 1);
    const rounds = isLong ? 10_000 : 200;
    for (let round = 0; round < rounds; round++) {
      await handler._acquireLock("a");
      note(seen.held, await ask());
      await handler._releaseLock("a");
      note(seen.free, await ask());
      await handler.update("a", async (record) => {
        note(seen.held, await ask());
        return add(record as { data?: { n: number } });
      });
      note(seen.free, await ask());
    }
    expect(seen).toEqual({
      held: new Map([["busy", 2 * rounds]]),
      free: new Map([["mine", 2 * rounds]]),
    });
  });

  it("hold us off until they give their lock back", async () => {
    const neighbour = await python("hold");
    tell(neighbour);
    expect(await neighbour.line()).toBe("held");
    expect(await handler._acquireLock("a", false)).toBe(false);
    let isDone = false;
    const update = handler.update<{ n: number }>("a", add).finally(() => (isDone = true));
    expect(await handler.retrieve("a", { blocking: false })).toEqual({});
    expect(await handler.clean(0)).toMatchObject({ removed: 0 });
    expect(isDone).toBe(false);
    tell(neighbour);
    expect(await update).toMatchObject({ data: { n: 1 } });
  });

  it("that were killed while they held the lock delay us by no more than the stale limit", async () => {
    const neighbour = await python("hold");
    tell(neighbour);
    expect(await neighbour.line()).toBe("held");
    neighbour.child.kill("SIGKILL");
    await neighbour.done.catch(() => undefined);
    expect(await handler._acquireLock("a", false)).toBe(false);
    age(handler._lockFile("a"));
    expect(await handler.update<{ n: number }>("a", add)).toMatchObject({ data: { n: 1 } });
    expect(readdirSync(dir)).toEqual(["sess_a"]);
  });

  it("go on by the stale limit when we were killed while we held it", async () => {
    const holder = startWorker("hold.mjs", dir, "a");
    expect(await holder.line()).toBe("held");
    holder.child.kill("SIGKILL");
    await holder.done.catch(() => undefined);
    const watcher = await python("try");
    tell(watcher);
    tell(watcher);
    expect(await watcher.line()).toBe("busy");
    age(handler._lockFile("a"));
    await together(await python("add", counter, "1"), await shell(1));
    expect(count()).toBe(2);
    expect(await handler.update<{ n: number }>("a", add)).toMatchObject({ data: { n: 1 } });
    expect(readdirSync(dir)).toEqual(["sess_a"]);
  });

  it("read a record in ten lines of Python", async () => {
    for (let n = 0; n < 3; n++) {
      const data = { cart: ["tee", "Grüße"], n };
      await handler.store("a", data, { ip: "192.0.2.1" });
      const neighbour = await python("read");
      tell(neighbour);
      expect(JSON.parse(await neighbour.line())).toEqual(data);
    }
  });
});
