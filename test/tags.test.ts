// The index of tags, as it lies on the disk.

import { lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { FileHandler } from "../src/index.ts";
import { intercept } from "./_calls.mjs";
import { tempDir } from "./_dir.ts";
import { killAt, waitAMinute } from "./_killed.ts";
import { has } from "./_needs.ts";

afterEach(() => void vi.useRealTimers());

/** The files of the index, by their paths below it. */
function entriesIn(fileDir: string): string[] {
  const entries = readdirSync(join(fileDir, "sess_.tags"), {
    withFileTypes: true,
    recursive: true,
  });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** The ids that the index has entries for, whatever their tags. */
const indexed = (fileDir: string): string[] =>
  entriesIn(fileDir)
    .map((path) => path.replace(/^.*sess_/, ""))
    .sort();

async function recordsOf(handler: FileHandler): Promise<Record<string, string | undefined>> {
  const tags: Record<string, string | undefined> = {};
  for await (const id of handler.keys())
    tags[id] = (await handler.retrieve(id, { blocking: false })).tag;
  return tags;
}

describe("tags of a FileHandler", () => {
  it("are one empty file each, of the owner alone, and say nothing of the tag", async () => {
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir });

    await handler.store("a", 1, { tag: "ada@example.org" });

    const [entry = "", ...others] = entriesIn(fileDir);
    expect(others).toEqual([]);
    expect(entry).not.toContain("ada");
    const { size, mode } = lstatSync(entry);
    expect([size, mode & 0o777, lstatSync(dirname(entry)).mode & 0o777]).toEqual([0, 0o600, 0o700]);
  });

  it("cost nothing where there are none, and one session's no call for another write", async () => {
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir });
    await handler.store("a", 1);
    expect(readdirSync(fileDir)).toEqual(["sess_a"]);
    await handler.store("a", 2, { tag: "Ada" });
    let calls = 0;
    const restore = intercept(join(fileDir, "sess_.tags"), (_, proceed) => {
      calls++;
      return proceed();
    });
    try {
      await handler.update("a", () => 3);
      await handler.touch("a");
      await handler.retrieve("a");
    } finally {
      restore();
    }
    expect(calls).toBe(0);
  });

  it("go with their sessions", async () => {
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir });
    for (const id of ["a", "b", "c"]) await handler.store(id, 1, { tag: "Ada" });
    await handler.remove("a");
    expect(indexed(fileDir)).toEqual(["b", "c"]);
    await handler.store("d", 2, { oldId: "b", grace: 5 });
    expect(indexed(fileDir)).toEqual(["c", "d"]);
    await handler.clean(0);
    expect(indexed(fileDir)).toEqual([]);
  });

  it("find a session that moves while they are looked at", async () => {
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir });
    for (const id of ["a", "b", "c"]) await handler.store(id, id, { tag: "Ada" });
    const moves: Promise<unknown>[] = [];
    // Each is moved when it is on the list already, and before it is read.
    const restore = intercept(fileDir, ({ name, path }, proceed) => {
      const id = path.replace(/^.*sess_/, "");
      if (name === "openSync" && id.length === 1)
        moves.push(handler.store(`${id}2`, id, { oldId: id }));
      return proceed();
    });
    const found = await handler.tagged("Ada").finally(restore);
    expect(moves).toHaveLength(3);
    await Promise.all(moves);
    expect(found.sort()).toEqual(["a2", "b2", "c2"]);
  });

  it("that are left behind go at the next clean, those that are right stay", async () => {
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir });
    for (const id of ["a", "b"]) await handler.store(id, 1, { tag: "Ada" });
    await handler.store("b", 2, { tag: "Bob" });
    const ofAda = entriesIn(fileDir).find((path) => path.endsWith("sess_a")) ?? "";
    for (const id of ["b", "none"]) writeFileSync(ofAda.replace(/a$/, id), "");
    writeFileSync(join(dirname(ofAda), "notes.txt"), "of somebody else");

    expect(await handler.tagged("Ada")).toEqual(["a"]);
    await handler.clean(1e6);
    expect(indexed(fileDir)).toHaveLength(5); // they are new: their sessions may be about to come
    waitAMinute(fileDir);
    await handler.clean(1e6);

    expect(indexed(fileDir).filter((id) => !id.endsWith("notes.txt"))).toEqual(["a", "b"]);
    expect(indexed(fileDir)).toHaveLength(3); // what is not ours is not touched
    expect([await handler.tagged("Ada"), await handler.tagged("Bob")]).toEqual([["a"], ["b"]]);
  });

  it("are looked at once by clean, and again when they may be wrong", async () => {
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir });
    for (const id of ["a", "b"]) await handler.store(id, 1, { tag: "Ada" });
    waitAMinute(fileDir);
    await handler.clean(1e6);
    expect(entriesIn(fileDir).map((path) => lstatSync(path).mtimeMs)).toEqual([0, 0]);
    const [, opened] = await openedBy(fileDir, () => handler.clean(1e6));
    expect(opened).toEqual([]);
  });

  it.runIf(has("posix")).each([
    ["a directory of somebody else's", (path: string) => mkdirSync(path)],
    ["a link", (path: string) => symlinkSync("/tmp", path)],
    ["a file", (path: string) => writeFileSync(path, "")],
  ])("are not kept in %s", async (kind, plant) => {
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir });
    await handler.store("a", 1);
    const path = join(fileDir, "sess_.tags");
    plant(path);
    const lookAsOther = kind.startsWith("a directory")
      ? intercept(path, ({ name }, proceed) =>
          name === "lstatSync" ? Object.assign(proceed() as object, { uid: 12_345 }) : proceed(),
        )
      : () => {};
    try {
      await expect(handler.store("b", 1, { tag: "Ada" })).rejects.toMatchObject({
        code: "ERR_SESSION_DIR",
      });
      await expect(handler.store("a", 2, { tag: "Ada" })).rejects.toMatchObject({
        code: "ERR_SESSION_DIR",
      });
    } finally {
      lookAsOther();
    }
    expect((await handler.retrieve("a")).data).toBe(1);
    expect((await handler.retrieve("b")).id).toBeUndefined();
  });
});

describe("the index, when a process was killed at any call", () => {
  it.each<[string, (handler: FileHandler) => Promise<unknown>]>([
    ["that gives a session a tag", (handler) => handler.store("a", 2, { tag: "Ada" })],
    ["that begins one", (handler) => handler.store("c", 2, { tag: "Ada" })],
    ["that gives a session another tag", (handler) => handler.store("b", 2, { tag: "Bob" })],
    ["that removes a tag", (handler) => handler.store("b", 2, { tag: null })],
    ["that removes a session", (handler) => handler.remove("b")],
    ["that moves a session", (handler) => handler.store("c", 2, { oldId: "b" })],
    ["that moves one with grace", (handler) => handler.store("c", 2, { oldId: "b", grace: 9 })],
    ["that moves one onto another", (handler) => handler.store("d", 2, { oldId: "b" })],
  ])("%s, finds every session by its tag, and after a clean nothing else", async (_, change) => {
    let kills = 0;
    for (let wasKilled = true; wasKilled; kills++) {
      const fileDir = tempDir();
      const handler = new FileHandler({ fileDir });
      await handler.store("a", 1);
      await handler.store("b", 1, { tag: "Ada" });
      await handler.store("d", 1, { tag: "Dan" });
      wasKilled = await killAt(fileDir, kills, () => change(handler));
      waitAMinute(fileDir);
      const survivor = new FileHandler({ fileDir });
      const check = async (): Promise<void> => {
        const records = await recordsOf(survivor);
        for (const tag of ["Ada", "Bob", "Dan"])
          expect((await survivor.tagged(tag)).sort(), `killed at call ${kills}`).toEqual(
            Object.keys(records)
              .filter((id) => records[id] === tag)
              .sort(),
          );
      };
      await check();
      // The first takes stale locks over, the second ends what was begun, and notes what is in doubt.
      for (let round = 0; round < 3; round++) {
        await survivor.clean(1e6);
        waitAMinute(fileDir);
      }
      await survivor.clean(1e6);
      await check();
      const records = await recordsOf(survivor);
      const tagged = Object.keys(records).filter((id) => records[id] !== undefined);
      expect(indexed(fileDir), `killed at call ${kills}`).toEqual(tagged.sort());
      vi.useRealTimers();
    }
    expect(kills).toBeGreaterThan(10);
  });
});

/** The session files that `work` opens. */
async function openedBy<T>(fileDir: string, work: () => Promise<T>): Promise<[T, string[]]> {
  const opened: string[] = [];
  const restore = intercept(fileDir, (call, proceed) => {
    if (call.name === "openSync") opened.push(String(call.path));
    return proceed();
  });
  try {
    return [await work(), opened];
  } finally {
    restore();
  }
}
