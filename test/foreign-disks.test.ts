// What filesession does on systems and disks that are not here: see _foreign-disk.mjs, and
// docs/platforms.md.

import { spawnSync } from "node:child_process";
import fs, { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import type {
  Change,
  EmptyRecord,
  RetrieveOptions,
  SessionRecord,
  WriteOptions,
} from "../src/core/handler.ts";
import type * as filesession from "../src/index.ts";
import type { FileHandlerOptions } from "../src/index.ts";
import { type HandlerHarness, testHandler } from "../src/testing.ts";
import { loadAgain } from "./_again.ts";
import { intercept, systemError } from "./_calls.mjs";
import { filesIn, tempDir } from "./_dir.ts";
import { fileHarness } from "./_file-harness.ts";
import { beOn, type ForeignDisk, foreignDisk, type Traits } from "./_foreign-disk.mjs";

type FileHandler = filesession.FileHandler;
type FileHandlerClass = typeof filesession.FileHandler;
type System = "win32" | "darwin" | "linux";

/** The package as it is on that system: it asks once, when it is loaded. */
async function loadOn(system: System): Promise<typeof filesession> {
  const restore = beOn(system);
  try {
    return await loadAgain();
  } finally {
    restore();
  }
}

const windows: Traits = { windows: true, ignoresCase: true };
const fat: Traits = { ignoresCase: true, fat: true, tickMs: 2000 };

const disks: [string, System, Traits, FileHandlerOptions?][] = [
  ["Windows, Node 20", "win32", windows],
  ["Windows, later", "win32", { ...windows, posixDeletes: true }],
  ["Windows, durability full", "win32", windows, { durability: "full" }],
  ["Windows on FAT", "win32", { ...windows, ...fat, linkless: "EISDIR" }],
  ["macOS", "darwin", { ignoresCase: true }],
  ["exFAT on macOS", "darwin", { ...fat, tickMs: 10, linkless: "ENOTSUP" }],
  ["FAT on Linux", "linux", { ...fat, linkless: "EPERM" }],
  ["a disk without link(2)", "linux", { linkless: "ENOSYS" }],
];

/** What needs times that are finer than the 2 s of FAT. */
const needsFineTimes = new Set([
  "clean() removes what a move with grace left, and counts it as no session",
  "tagged() gives live sessions only",
  "clean() removes what was last touched more than `timeout` seconds ago",
  "clean() leaves a lasting session alone until its ttl has run out",
]);

describe.each(disks)("FileHandler on %s", async (_, system, traits, options = {}) => {
  const { FileHandler } = await loadOn(system);
  const isCoarse = traits.tickMs === 2000;
  const test = isCoarse
    ? (title: string, action: () => Promise<void>): unknown =>
        needsFineTimes.has(title) ? undefined : it(title, action)
    : it;
  testHandler(test, () => {
    const harness = fileHarness(options, isCoarse ? lessASecond(FileHandler) : FileHandler);
    const disk = foreignDisk(harness.fileDir, traits);
    const leave = beOn(system);
    const { tickMs } = traits;
    // Moments that the disk can keep as they are.
    if (tickMs) setClock(Math.floor(Date.now() / 2000) * 2000 + (isCoarse ? 0 : 500));
    return {
      ...harness,
      async close() {
        leave();
        disk.restore();
        await harness.close?.();
      },
    } satisfies HandlerHarness;
  });
});

/** On a disk that keeps whole seconds `touched` is a second late, so that no session ends too soon. */
function lessASecond(Handler: FileHandlerClass): FileHandlerClass {
  const corrected = (record: object): void => {
    if ("touched" in record) (record as SessionRecord).touched -= 1000;
  };
  return class extends Handler {
    override async retrieve<T = unknown>(
      id: string,
      options?: RetrieveOptions,
    ): Promise<SessionRecord<T> | EmptyRecord> {
      const record = await super.retrieve<T>(id, options);
      corrected(record);
      return record;
    }
    override update<T = unknown>(
      id: string,
      change: Change<T>,
      options?: WriteOptions,
    ): Promise<SessionRecord<T> | EmptyRecord> {
      const corrects: Change<T> = (record) => {
        corrected(record);
        return change(record);
      };
      return super.update(id, corrects, options);
    }
  };
}

function setClock(now: number): void {
  vi.useFakeTimers({ toFake: ["Date"], now });
}

afterEach(() => void vi.useRealTimers());

interface Place {
  handler: FileHandler;
  another: (options?: FileHandlerOptions) => FileHandler;
  disk: ForeignDisk;
  fileDir: string;
  package: typeof filesession;
}

/** A directory on such a disk, of such a system, and a handler on it. */
async function placeOn(
  system: System,
  traits: Traits,
  options: FileHandlerOptions = {},
): Promise<Place> {
  const loaded = await loadOn(system);
  const fileDir = tempDir();
  const disk = foreignDisk(fileDir, traits);
  const leave = beOn(system);
  onTestFinished(() => {
    leave();
    disk.restore();
  });
  const another = (more: FileHandlerOptions = {}): FileHandler =>
    new loaded.FileHandler({ fileDir, ...options, ...more });
  return { handler: another(), another, disk, fileDir, package: loaded };
}

const large = "x".repeat(5000);

/** How often a call of this name was made on it. */
const count = ({ calls }: ForeignDisk, name: RegExp): number =>
  calls.filter((call) => name.test(call)).length;

describe("Windows, when another program has a file open", () => {
  it("waits for a scanner that has the session's file for a moment", async () => {
    const { handler, disk } = await placeOn("win32", windows);
    await handler.store("a", 1);
    disk.hold(handler._sessionFile("a"), 3);
    await handler.store("a", large);
    expect(await handler.retrieve("a")).toMatchObject({ data: large });
  });

  it("gives up after eight tries, says what to do, and the session is as it was", async () => {
    const { handler, disk, fileDir } = await placeOn("win32", windows);
    await handler.store("a", 1);
    disk.hold(handler._sessionFile("a"));
    await expect(handler.store("a", large)).rejects.toMatchObject({
      code: "ERR_SESSION_LOCK_TIMEOUT",
      status: 503,
      message: expect.stringContaining("virus scanner") as string,
    });
    expect(count(disk, /^renameSync .*\.new/)).toBe(8);
    expect(await handler.retrieve("a")).toMatchObject({ data: 1 });
    expect(filesIn(fileDir)).toEqual(["sess_a"]);
  });

  it("goes on in place, with no mark left, as long as nothing has to be renamed", async () => {
    const { handler, disk } = await placeOn("win32", windows);
    await handler.store("a", 1);
    disk.hold(handler._sessionFile("a"));
    await expect(handler.store("a", large)).rejects.toThrow("EBUSY");
    await handler.store("a", 2);
    expect(await handler.retrieve("a")).toMatchObject({ data: 2 });
    disk.letGo(handler._sessionFile("a"));
    await handler.store("a", large);
    expect(await handler.retrieve("a")).toMatchObject({ data: large });
  });

  it("waits for one that lets nobody read meanwhile", async () => {
    const { handler, disk } = await placeOn("win32", windows, { cacheBytes: 0 });
    await handler.store("a", 1);
    disk.hold(handler._sessionFile("a"), 4, true);
    expect(await handler.retrieve("a")).toMatchObject({ data: 1 });
  });

  it("waits for one that has an entry of the index", async () => {
    const { handler, disk, fileDir } = await placeOn("win32", windows);
    await handler.store("a", 1, { tag: "t" });
    const [shard = ""] = filesIn(join(fileDir, "sess_.tags"));
    const [entry = ""] = filesIn(join(fileDir, "sess_.tags", shard));
    const path = join(fileDir, "sess_.tags", shard, entry);
    disk.hold(path, 3);
    await handler.store("a", 1, { tag: null });
    expect(await handler.tagged("t")).toEqual([]);
    disk.hold(path, 3, true);
    await handler.store("a", 1, { tag: "t" });
    expect(await handler.tagged("t")).toEqual(["a"]);
  });

  it("acknowledges a write whose lock cannot be removed yet, and removes it later", async () => {
    const { handler, another, disk } = await placeOn("win32", windows);
    await handler.store("a", 1);
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    disk.hold(handler._lockFile("a"));
    await handler.store("a", 2);
    await expect(another({ lockTimeout: 0 }).store("a", 3)).rejects.toMatchObject({
      code: "ERR_SESSION_LOCK_TIMEOUT",
    });
    disk.letGo(handler._lockFile("a"));
    vi.advanceTimersByTime(100);
    await another({ lockTimeout: 0 }).store("a", 3);
    expect(await handler.retrieve("a")).toMatchObject({ data: 3 });
  });

  it("waits for a lock that was removed and is still open somewhere", async () => {
    const { handler, disk } = await placeOn("win32", windows);
    await handler.store("a", 1);
    const lock = handler._lockFile("a");
    writeFileSync(lock, "");
    const reader = fs.openSync(lock, "r");
    fs.unlinkSync(lock);
    const stored = handler.store("a", 2);
    await vi.waitUntil(() => count(disk, /^openSync sess_a\.lock/) > 30);
    fs.closeSync(reader);
    await stored;
    expect(await handler.retrieve("a")).toMatchObject({ data: 2 });
  });

  it("says so in the end when the lock can never be made", async () => {
    const { handler, fileDir } = await placeOn("win32", windows);
    let now = performance.now();
    vi.spyOn(performance, "now").mockImplementation(() => (now += 1000));
    onTestFinished(() => void vi.restoreAllMocks());
    onTestFinished(
      intercept(fileDir, (call, proceed) => {
        if (call.name === "openSync") throw systemError("EPERM", call);
        return proceed();
      }),
    );
    await expect(handler.store("a", 2)).rejects.toMatchObject({
      code: "ERR_SESSION_DIR",
      message: expect.stringContaining("grant") as string,
    });
  });

  it.each(["EPERM", "EACCES", "EBUSY"])("is no reason to wait elsewhere: %s", async (code) => {
    const { handler, fileDir } = await placeOn("linux", {});
    await handler.store("a", 1);
    let tries = 0;
    onTestFinished(
      intercept(fileDir, (call, proceed) => {
        if (call.name !== "renameSync") return proceed();
        tries++;
        throw systemError(code, call);
      }),
    );
    await expect(handler.store("a", large)).rejects.toMatchObject({ code: "ERR_SESSION_DIR" });
    expect(tries).toBe(1);
  });

  it("takes over no lock whose holder has it open, and the session stays whole", async () => {
    const { handler, fileDir } = await placeOn("win32", windows);
    await handler.store("a", 1);
    await handler._acquireLock("a");
    utimesSync(handler._lockFile("a"), 1, 1);
    const other = new (await loadOn("win32")).FileHandler({ fileDir });
    await expect(other._acquireLock("a", false)).rejects.toThrow("EPERM");
    await handler._releaseLock("a");
    await other.store("a", 1);
    expect(await handler.retrieve("a")).toMatchObject({ data: 1 });
  });
});

describe("Windows, where much is not what it seems", () => {
  it("keeps a session that is durable without flushing a directory", async () => {
    const { handler, disk } = await placeOn("win32", windows, { durability: "full" });
    await handler.store("a", 1);
    const [put, flushed] = [/^linkSync/, /^fsyncSync sess_a$/].map((name) =>
      disk.calls.findLastIndex((call) => name.test(call)),
    );
    expect(flushed).toBeGreaterThan(Number(put));
  });

  it("takes a directory whose modes say that everybody may write it", async () => {
    const loaded = await loadOn("win32");
    const fileDir = tempDir();
    fs.chmodSync(fileDir, 0o777);
    onTestFinished(beOn("win32"));
    expect(() => new loaded.FileHandler({ fileDir })).not.toThrow();
  });

  it("gives no file the name of a device", async () => {
    const { handler, fileDir } = await placeOn("win32", windows, { filePrefix: "" });
    const ids = ["con", "nul", "aux", "prn", "com1", "lpt9", "CON", "con.", "con ", "a.", "a "];
    for (const id of ids) await handler.store(id, id, { tag: "t" });
    for (const id of ids) expect(await handler.retrieve(id)).toMatchObject({ data: id });
    const keys: string[] = [];
    for await (const key of handler.keys()) keys.push(key);
    expect(keys.sort()).toEqual(ids.toSorted());
    expect((await handler.tagged("t")).sort()).toEqual(ids.toSorted());
    expect(filesIn(fileDir)).toContain("%63on");
  });

  it("refuses the name of a device as a prefix", async () => {
    const { another } = await placeOn("win32", windows);
    expect(() => another({ filePrefix: "nul" })).toThrow("device");
    expect((await placeOn("linux", {})).another({ filePrefix: "nul" })).toBeDefined();
  });

  it("tells locks apart whose numbers are the same to 53 bits", async () => {
    const { handler, fileDir } = await placeOn("win32", { ...windows, posixDeletes: true });
    await handler.store("a", 1);
    const lock = handler._lockFile("a");
    const late = handler.update("a", async () => {
      fs.unlinkSync(lock);
      for (let one = 0; one < 20; one++) writeFileSync(join(fileDir, `x${one}`), "");
      writeFileSync(lock, "");
      return 2;
    });
    await expect(late).rejects.toMatchObject({ code: "ERR_SESSION_LOCK_LOST" });
  });

  it("gives a lock that is held for long another mtime", async () => {
    const { handler, fileDir } = await placeOn("win32", windows);
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    await handler._acquireLock("a");
    utimesSync(join(fileDir, "sess_a.lock"), 1, 1);
    vi.advanceTimersByTime(15_000);
    expect(statSync(handler._lockFile("a")).mtimeMs).toBeGreaterThan(Date.now() - 5000);
  });

  it("warns of a share, also behind the letter of a drive", async () => {
    const loaded = await loadOn("win32");
    const { native } = fs.realpathSync;
    const before = fs.realpathSync;
    const shared = Object.assign((...args: Parameters<typeof before>) => before(...args), {
      native: () => String.raw`\\server\share\sessions`,
    });
    fs.realpathSync = shared as unknown as typeof before;
    syncBuiltinESMExports();
    onTestFinished(() => {
      fs.realpathSync = Object.assign(before, { native });
      syncBuiltinESMExports();
    });
    const warned = new Promise((resolve) => process.once("warning", resolve));
    expect(new loaded.FileHandler({ fileDir: tempDir() })).toBeDefined();
    expect(await warned).toMatchObject({ code: "FILESESSION_NETWORK_DISK" });
  });
});

describe.each(["darwin", "win32"] as const)("the lock of a process, on %s", (system) => {
  it("is free at once when the process is gone, and not while it runs", async () => {
    const traits = system === "win32" ? windows : {};
    const { handler, another } = await placeOn(system, traits);
    const lock = handler._lockFile("a");
    await handler._acquireLock("a");
    const story = readFileSync(lock, "latin1");
    await handler._releaseLock("a");
    expect(story).toMatch(new RegExp(`^[0-9a-f]{32} ${process.pid} 0 [0-9a-f-]{36} 0\n$`));
    const { pid } = spawnSync(process.execPath, ["-e", "0"]);

    writeFileSync(lock, story);
    expect(await another()._acquireLock("a", false)).toBe(false);
    writeFileSync(lock, story.replace(` ${process.pid} `, ` ${pid} `));
    expect(await another()._acquireLock("a", false)).toBe(true);
  });
});

describe("where file names ignore case", () => {
  const ids = ["ab", "Ab", "aB", "AB", "\u00E9", "e\u0301", "\u00C9", "%41b", "sess_ab", "İ", "ı"];

  it("no two ids share a file, a lock or an entry of the index", async () => {
    const { handler, fileDir } = await placeOn("darwin", { ignoresCase: true });
    for (const id of ids) await handler.store(id, id, { tag: id });
    for (const id of ids) expect(await handler.retrieve(id)).toMatchObject({ data: id });
    for (const id of ids) expect(await handler.tagged(id)).toEqual([id]);
    for (const id of ids) expect(await handler._acquireLock(id, false)).toBe(true);
    for (const id of ids) await handler._releaseLock(id);
    const names = filesIn(fileDir).map((name) => name.normalize("NFD").toLowerCase());
    expect(new Set(names).size).toBe(ids.length + 1); // and `.tags`
    expect(names).toEqual(filesIn(fileDir)); // nothing in them that could be folded
  });

  it("a prefix with capitals is refused, since it could be another app's", async () => {
    const { another, fileDir } = await placeOn("darwin", { ignoresCase: true });
    expect(() => another({ filePrefix: "Sess_" })).toThrow("in lower case");
    expect(filesIn(fileDir)).toEqual([]);
  });

  it("elsewhere two prefixes that differ in case are two", async () => {
    const { another } = await placeOn("linux", {});
    await another({ filePrefix: "S_" }).store("a", 1);
    await another({ filePrefix: "s_" }).store("a", 2);
    expect(await another({ filePrefix: "S_" }).retrieve("a")).toMatchObject({ data: 1 });
  });
});

describe.each(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"])(
  "where link(2) gives %s",
  (linkless) => {
    it("a new session is stored, and leaves nothing beside it", async () => {
      const { handler, fileDir } = await placeOn("linux", { linkless });
      await handler.store("a", 1);
      expect(await handler.retrieve("a")).toMatchObject({ data: 1 });
      expect(filesIn(fileDir)).toEqual(["sess_a"]);
    });

    it("a stale lock is taken over", async () => {
      const { handler, fileDir } = await placeOn("linux", { linkless });
      await handler.store("a", 1);
      writeFileSync(handler._lockFile("a"), "");
      utimesSync(handler._lockFile("a"), 1, 1);
      expect(await handler._acquireLock("a", false)).toBe(true);
      expect(filesIn(fileDir)).toEqual(["sess_a", "sess_a.lock"]);
    });
  },
);

describe("where there is no link(2)", () => {
  it("who dies while a new session is put in its place leaves a miss", async () => {
    const { handler, another, fileDir } = await placeOn("linux", { linkless: "EPERM" });
    const restore = intercept(fileDir, (call, proceed) => {
      if (call.name === "linkSync" || call.name === "renameSync") throw systemError("EPERM", call);
      return proceed();
    });
    await expect(handler.store("a", 1)).rejects.toThrow("EPERM");
    restore();
    expect(statSync(handler._sessionFile("a")).size).toBe(0);
    expect(await another().retrieve("a")).toEqual({});
    await another().store("a", 2);
    expect(await another().retrieve("a")).toMatchObject({ data: 2 });
  });

  it("a session that was moved away by somebody who died is put back", async () => {
    const { handler, fileDir } = await placeOn("linux", { linkless: "EPERM" });
    await handler.store("a", 1);
    const away = join(fileDir, `sess_a.${"0".repeat(32)}.gone`);
    fs.renameSync(handler._sessionFile("a"), away);
    setClock(Date.now() + 61_000);
    await handler.clean(1000);
    expect(await handler.retrieve("a")).toMatchObject({ data: 1 });
    expect(readdirSync(fileDir)).toEqual(["sess_a"]);
  });
});

describe("where times are coarse", () => {
  /** Two handlers, and what the first one reads after the second has written, ever at the same moment. */
  async function readAfterWrite(system: System, traits: Traits): Promise<unknown> {
    let now = performance.now();
    vi.spyOn(performance, "now").mockImplementation(() => now);
    onTestFinished(() => void vi.restoreAllMocks());
    setClock(Math.floor(Date.now() / 2000) * 2000);
    const { handler, another } = await placeOn(system, traits);
    await handler.store("a", 1);
    for (let look = 0; look < 3; look++) {
      await handler.retrieve("a");
      now += 10_000;
    }
    await another().store("a", 2);
    const record = await handler.retrieve("a");
    return "data" in record ? record.data : undefined;
  }

  it.each([
    ["FAT", "linux", fat],
    ["exFAT", "linux", { ...fat, tickMs: 10 }],
    ["FAT on Windows", "win32", { ...windows, ...fat, linkless: "EISDIR" }],
  ] as const)(
    "no change is missed on %s, whatever the writer's clock says",
    async (_, system, traits) => {
      expect(await readAfterWrite(system, traits)).toBe(2);
    },
  );

  it("a holder who is alive keeps its lock", async () => {
    const { handler, another } = await placeOn("linux", { ...fat, linkless: "EPERM" });
    await handler._acquireLock("a");
    setClock(Date.now() + 57_000);
    expect(await another()._acquireLock("a", false)).toBe(false);
  });

  it("a dead one's is taken over", async () => {
    const { handler, another } = await placeOn("linux", { ...fat, linkless: "EPERM" });
    writeFileSync(handler._lockFile("a"), "");
    const at = Date.now() / 1000 - 65;
    utimesSync(handler._lockFile("a"), at, at);
    expect(await another()._acquireLock("a", false)).toBe(true);
  });

  const olderThan1980: [string, System, Traits][] = [
    ["clamps", "linux", fat],
    ["refuses", "win32", { ...windows, ...fat, linkless: "EISDIR" }],
  ];

  it.each(olderThan1980)(
    "a disk that %s 1970 knows a session that has ended",
    async (_, system, traits) => {
      const { handler, another, fileDir } = await placeOn(system, traits);
      await handler.store("a", 1, { ttl: 1000, tag: "t" });
      // Killed right after the end: the file is still there, and its time says that it is over.
      const restore = intercept(fileDir, (call, proceed) => {
        if (call.name === "renameSync") throw systemError("EIO", call);
        return proceed();
      });
      await handler.remove("a");
      restore();
      expect(filesIn(fileDir)).toContain("sess_a");
      await another().clean(1e9);
      expect(filesIn(fileDir)).toEqual(["sess_.tags"]);
    },
  );

  it.each(olderThan1980)(
    "a disk that %s 1970 knows what of the index was found right",
    async (_, system, traits) => {
      const { handler, disk } = await placeOn(system, traits);
      await handler.store("a", 1, { tag: "t" });
      setClock(Date.now() + 61_000);
      await handler.clean(1e6);
      const before = count(disk, /^openSync/);
      await handler.clean(1e6);
      expect(count(disk, /^openSync/)).toBe(before);
    },
  );
});
