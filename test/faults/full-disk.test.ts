// A disk that is full, for real: what is asked of it is done or refused, and nothing in between.

import {
  linkSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { FileHandler, type FileHandlerOptions, SessionError } from "../../src/index.ts";
import { intercept } from "../_calls.mjs";
import { has } from "../_needs.ts";
import { btrfs, type Disk, ext4, isFull, tmpfs } from "./_mount.ts";

const isLong = process.env.STORM === "long";
const durabilities = ["process", "file", "full"] as const;
type Durability = (typeof durabilities)[number];
// Seconds where the disk is slow or the machine busy; else a few.
const timeout = 120_000;

type Sessions = Record<string, string>;
const before: Sessions = { a: "small one", b: "bystander" };
const big = "big ".repeat(6_000);

interface Work {
  run: (handler: FileHandler) => Promise<unknown>;
  /** What there is when it is done. */
  after: Sessions;
  /** Whether it wants room for a record, and not only for a lock. */
  wantsRoom: boolean;
}

const works: Record<string, Work> = {
  "a new session": {
    run: (handler) => handler.store("new", big),
    after: { ...before, new: big },
    wantsRoom: true,
  },
  "a session that grows": {
    run: (handler) => handler.update("a", () => big),
    after: { ...before, a: big },
    wantsRoom: true,
  },
  "a session that moves": {
    run: (handler) => handler.store("new", big, { oldId: "a" }),
    after: { b: "bystander", new: big },
    wantsRoom: true,
  },
  "a session of unchanged size": {
    run: (handler) => handler.update("a", () => "other one"),
    after: { ...before, a: "other one" },
    wantsRoom: false,
  },
  "a removal": {
    run: (handler) => handler.remove("a"),
    after: { b: "bystander" },
    wantsRoom: false,
  },
};

interface Outcome {
  done: number;
  refused: number;
  /** Which system calls had no room. */
  by: Record<string, number>;
  /** What was neither done nor refused, or left something behind. */
  wrong: string[];
}

interface Sweep {
  handler: FileHandler;
  disk: Disk;
  /** How much is left, for one try of each work each. */
  left: number[];
  /** Leaves that much; by default in bytes. */
  leave?: (amount: number) => void;
  /** Whether what was done must be there when the disk was unmounted and mounted again. */
  remounts?: boolean;
}

/** Tries each work with each amount left, and looks what there is afterwards. */
async function sweep(name: string, options: Sweep): Promise<Record<string, Outcome>> {
  const { handler, disk, left, leave = (bytes) => disk.leave(bytes), remounts } = options;
  for (const [id, data] of Object.entries(before)) await handler.store(id, data);
  const files = filesIn(handler.fileDir);
  const outcomes: Record<string, Outcome> = {};
  const untidy: { files: SavedFile[]; after: Sessions }[] = [];
  for (const amount of left)
    for (const [title, work] of Object.entries(works)) {
      leave(amount);
      const outcome = (outcomes[title] ??= { done: 0, refused: 0, by: {}, wrong: [] });
      const failure = await failureOf(work.run(handler));
      if (failure) {
        outcome.refused++;
        const call = noRoomFor(failure) ?? `not for want of room: ${failure}`;
        outcome.by[call] = (outcome.by[call] ?? 0) + 1;
        if (noRoomFor(failure) === undefined) outcome.wrong.push(call);
      } else outcome.done++;
      if (remounts && !failure && work.wantsRoom) {
        disk.unmount();
        disk.mount();
      }
      const after = failure ? before : work.after;
      const fault = await whatIsWrong(handler, after);
      // The old end of a move and a removed session may be there still, as a miss.
      if (fault === "too many files" && !failure && after["a"] === undefined)
        untidy.push({ files: filesIn(handler.fileDir), after });
      else if (fault)
        outcome.wrong.push(`${title}, ${amount} left: ${failure ?? "done"}: ${fault}`);
      reset(handler.fileDir, files, disk);
    }
  disk.makeRoom();
  for (const { files, after } of untidy) {
    reset(handler.fileDir, files, disk);
    await handler.clean(1e6);
    expect(await whatIsWrong(handler, after)).toBeUndefined();
  }
  // There is room again, and the same handler works.
  reset(handler.fileDir, files, disk);
  await handler.store("new", big);
  expect(await whatIsWrong(handler, { ...before, new: big })).toBeUndefined();
  const figures = Object.entries(outcomes).map(([title, { done, refused, by, wrong }]) => [
    title,
    { done, refused, by, wrong: wrong.length },
  ]);
  const untidied = { "tidied by clean": untidy.length };
  const report = JSON.stringify({ ...Object.fromEntries(figures), ...untidied });
  process.stdout.write(`${name}: ${report}\n`);
  return outcomes;
}

async function whatIsWrong(handler: FileHandler, wanted: Sessions): Promise<string | undefined> {
  for (const id of ["a", "b", "new"]) {
    const { data } = await handler.retrieve(id, { blocking: false });
    if (data !== wanted[id]) return `${id} is ${String(data).slice(0, 20)}`;
  }
  const names = Object.keys(wanted).map((id) => `sess_${id}`);
  const found = readdirSync(handler.fileDir);
  const others = found.filter((name) => !names.includes(name));
  if (others.some((name) => name.includes("."))) return `left behind: ${others.join(" ")}`;
  return others.length > 0 ? "too many files" : undefined;
}

interface SavedFile {
  name: string;
  bytes: Buffer;
  mtime: Date;
}

function filesIn(dir: string): SavedFile[] {
  return readdirSync(dir).map((name) => {
    const path = join(dir, name);
    return { name, bytes: readFileSync(path), mtime: statSync(path).mtime };
  });
}

function reset(dir: string, files: SavedFile[], disk: Disk): void {
  if (disk.isCopying) disk.makeRoom();
  for (const name of readdirSync(dir)) rmSync(join(dir, name));
  for (const { name, bytes, mtime } of files) {
    writeFileSync(join(dir, name), bytes);
    utimesSync(join(dir, name), mtime, mtime);
  }
}

async function failureOf(promise: Promise<unknown>): Promise<Error | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

/** Which system call had no room, if that is what the error says. */
function noRoomFor(error: Error): string | undefined {
  if (!(error instanceof SessionError) || error.code !== "ERR_SESSION_DIR") return undefined;
  return isFull(error.cause) ? String((error.cause as NodeJS.ErrnoException).syscall) : undefined;
}

function open(disk: Disk, options: FileHandlerOptions = {}, below = "sessions"): FileHandler {
  return new FileHandler({ fileDir: join(disk.path, below), ...options });
}

/** 0, step, 2 * step, ... */
function steps(step: number, count: number): number[] {
  return Array.from({ length: count }, (_, n) => n * step);
}

const noRoom = {
  code: "ERR_SESSION_DIR",
  status: 503,
  cause: expect.objectContaining({ code: "ENOSPC" }),
};

const kinds = {
  tmpfs: () => tmpfs({ bytes: 512 * 1024 }),
  "ext4 with a journal": () => ext4("-b", "1024"),
};

describe.runIf(has("mount", "mkfs.ext4"))("a disk with 0 to 64 KiB left", { timeout }, () => {
  it.each<[keyof typeof kinds, Durability, number[]]>([
    ["tmpfs", "process", steps(512, 129)],
    ["tmpfs", "file", steps(512, 129)],
    ["tmpfs", "full", steps(512, 129)],
    ["ext4 with a journal", "process", steps(512, 129)],
    ["ext4 with a journal", "file", steps(isLong ? 512 : 2048, isLong ? 129 : 33)],
    ["ext4 with a journal", "full", steps(isLong ? 512 : 2048, isLong ? 129 : 33)],
  ])("%s, durability %s: does or refuses, and leaves nothing behind", async (...row) => {
    const [kind, durability, left] = row;
    const disk = kinds[kind]();
    const handler = open(disk, { durability });
    // What was acknowledged is on the disk and not only promised one: ext4 allots late.
    const remounts = kind !== "tmpfs";
    const outcomes = await sweep(`${kind}, ${durability}`, { handler, disk, left, remounts });
    for (const [title, { done, refused, wrong }] of Object.entries(outcomes)) {
      expect(wrong).toEqual([]);
      expect(done).toBeGreaterThan(0);
      // Only what need not survive a power cut is written in place; all else is a new file.
      const isInPlace = title === "a session of unchanged size" && durability === "process";
      if (isInPlace || title === "a removal") expect(refused).toBe(0);
      else expect(refused).toBeGreaterThan(0);
    }
  });

  it.each<keyof typeof kinds>(["tmpfs", "ext4 with a journal"])(
    "%s: whoever takes a short write for a whole one is found out",
    async (kind) => {
      const disk = kinds[kind]();
      const handler = open(disk);
      const warnings = vi.spyOn(process, "emitWarning").mockReturnValue();
      onTestFinished(() => warnings.mockRestore());
      onTestFinished(
        intercept(handler.fileDir, ({ name, args }, proceed) => {
          const count = proceed();
          return name === "writeSync" && Buffer.isBuffer(args[1]) ? args[3] : count;
        }),
      );
      const left = steps(2048, 33);
      const outcomes = await sweep(`${kind}, short counts ignored`, { handler, disk, left });
      for (const title of ["a new session", "a session that grows", "a session that moves"])
        expect(outcomes[title]?.wrong.length).toBeGreaterThan(0);
    },
  );

  it.each<keyof typeof kinds>(["tmpfs", "ext4 with a journal"])(
    "%s: a stale lock is taken over, or waits for room; nobody is told that there is no session",
    async (kind) => {
      const disk = kinds[kind]();
      const handler = open(disk);
      await handler.store("a", 1);
      writeFileSync(handler._lockFile("a"), "");
      utimesSync(handler._lockFile("a"), 1, 1);
      disk.leave(0);
      // A lock of our own in its place, and a copy of the record, want some.
      const failure = await failureOf(handler.update("a", () => 2));
      if (failure) expect(failure).toMatchObject(noRoom);
      expect(await handler.retrieve("a")).toMatchObject({ data: failure ? 1 : 2 });
      expect(await handler.touch("a")).toBe(true);
      disk.makeRoom();
      expect(await handler.update("a", () => 3)).toMatchObject({ data: 3 });
      expect(readdirSync(handler.fileDir)).toEqual(["sess_a"]);
    },
  );
});

describe.runIf(has("mount", "mkfs.ext4"))("a disk with no room for files", { timeout }, () => {
  // A second name is an inode more on tmpfs, and a new record has two for a moment.
  it.each<[string, () => Disk, number]>([
    ["tmpfs", () => tmpfs({ bytes: 1024 * 1024, inodes: 32 }), 1],
    ["ext4 with a journal", () => ext4("-N", "32"), 0],
  ])(
    "%s: refuses what wants more than there are, and leaves nothing behind",
    async (kind, make, secondName) => {
      const disk = make();
      const handler = open(disk);
      const leave = (inodes: number): void => disk.leaveInodes(inodes);
      const left = [0, 1, 2, 3, 4];
      const outcomes = await sweep(`${kind}, inodes`, { handler, disk, left, leave });
      const done = Object.entries(outcomes).map(([title, outcome]) => [title, outcome.done]);
      expect(Object.values(outcomes).flatMap(({ wrong }) => wrong)).toEqual([]);
      // One for each lock, and one for a record that is not written in place.
      expect(Object.fromEntries(done)).toEqual({
        "a new session": 3 - secondName,
        "a session that grows": 3,
        "a session that moves": 2 - secondName,
        "a session of unchanged size": 4,
        "a removal": 4,
      });
      leave(0);
      expect(await handler.retrieve("a")).toMatchObject({ data: "small one" });
      expect(await handler.touch("a")).toBe(true);
      await expect(handler.clean(0)).rejects.toMatchObject(noRoom);
      leave(1);
      expect(await handler.clean(0)).toMatchObject({ removed: 3 });
    },
  );

  it("ext4, a directory that may not grow: room for a lock is enough to remove a session", async () => {
    const disk = ext4("-b", "1024");
    const handler = open(disk);
    await handler.store("a", 1);
    await handler.store("b", 1);
    const fill = join(disk.path, "fill");
    writeFileSync(fill, "");
    disk.leave(0);
    // Names of one file: they want room in the directory and nothing else.
    const names = crowd(handler.fileDir, fill);
    expect(names.length).toBeGreaterThan(10);
    const refused: unknown[] = [];
    for (;;) {
      const failure = await failureOf(handler.remove("a"));
      if (!failure) break;
      refused.push(noRoomFor(failure));
      expect(await handler.retrieve("a")).toMatchObject({ data: 1 });
      rmSync(names.pop()!);
    }
    expect(refused.length).toBeGreaterThan(0);
    expect(new Set(refused)).toEqual(new Set(["open"])); // the lock; once it is had, nothing is refused
    expect(await handler.retrieve("a")).toEqual({});
    expect(await handler.update("b", () => 2)).toMatchObject({ data: 2 });
    for (const name of names) rmSync(name);
    await handler.clean(1e6);
    expect(readdirSync(handler.fileDir)).toEqual(["sess_b"]);
  });
});

/** As many short names in `dir` as it has room for. */
function crowd(dir: string, file: string): string[] {
  const names: string[] = [];
  try {
    for (;;) {
      const name = join(dir, names.length.toString(36));
      linkSync(file, name);
      names.push(name);
    }
  } catch (error) {
    if (!isFull(error)) throw error;
    return names;
  }
}

describe.runIf(has("mount", "mkfs.btrfs"))("a quota", { timeout }, () => {
  it.each<[Durability, number[]]>(
    isLong
      ? durabilities.map((durability) => [durability, steps(8192, 60)])
      : [["process", [0, 80, 96, 112, 128, 160, 208, 224, 256, 320].map((kib) => kib * 1024)]],
  )("durability %s: does or refuses, and leaves nothing behind", async (durability, left) => {
    const disk = btrfs();
    const handler = open(disk, { durability }, "quota/sessions");
    const outcomes = await sweep(`quota, ${durability}`, { handler, disk, left });
    for (const { done, refused, wrong } of Object.values(outcomes)) {
      expect(wrong).toEqual([]);
      expect(done).toBeGreaterThan(0);
      // Everything is a copy there, the lock's directory too: nothing at all can be done without room.
      expect(refused).toBeGreaterThan(0);
    }
  });

  it("is called by its name", async () => {
    const disk = btrfs();
    const handler = open(disk, {}, "quota/sessions");
    await handler.store("a", 1);
    disk.leave(0);
    await expect(handler.store("b", big)).rejects.toThrow("EDQUOT: disk quota exceeded");
    expect(await handler.retrieve("a")).toMatchObject({ data: 1 });
  });
});
