// What only files can do. What every handler must do is in the suite of filesession/testing, see
// handler.test.ts.

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { layOut, type Meta } from "../src/file/record.ts";
import { FileHandler, type FileHandlerOptions } from "../src/index.ts";
import { MemoryHandler } from "../src/testing.ts";
import { intercept, systemError } from "./_calls.mjs";
import { tempDir } from "./_dir.ts";
import { has } from "./_needs.ts";

const posix = has("posix");

let dir: string;
const open: FileHandler[] = [];

beforeEach(() => {
  dir = tempDir();
});

afterEach(async () => {
  vi.useRealTimers();
  for (const handler of open.splice(0)) await handler.close();
});

function fileHandler(options: FileHandlerOptions = {}): FileHandler {
  const handler = new FileHandler({ fileDir: dir, ...options });
  open.push(handler);
  return handler;
}

/** Makes a file look as if it was last changed that many seconds ago. */
function age(path: string, seconds: number): void {
  const then = Date.now() / 1000 - seconds;
  utimesSync(path, then, then);
}

describe("new FileHandler", () => {
  it.runIf(posix)("makes a missing directory, and those above it, 0700 whatever the umask", () => {
    const before = process.umask(0o277);
    try {
      const fileDir = join(dir, "sessions");
      fileHandler({ fileDir });
      expect(statSync(fileDir).mode & 0o777).toBe(0o700);
    } finally {
      process.umask(before);
    }
    const deep = join(dir, "a/b/sessions");
    fileHandler({ fileDir: deep });
    expect(statSync(deep).mode & 0o777).toBe(0o700);
  });

  it("refuses at once a file where the directory should be, and says which", () => {
    const fileDir = join(dir, "file");
    writeFileSync(fileDir, "");
    expect(() => new FileHandler({ fileDir })).toThrow(
      expect.objectContaining({
        code: "ERR_SESSION_DIR",
        message: expect.stringContaining(`${fileDir}: it is not a directory`),
      }),
    );
    expect(() => new FileHandler({ fileDir: join(fileDir, "below") })).toThrow(
      expect.objectContaining({ code: "ERR_SESSION_DIR" }),
    );
  });

  it.runIf(posix)("refuses at once a directory that it may not write, and says what to do", () => {
    // Root may write whatever the modes say, so a process of its own becomes somebody else.
    const program = `import { FileHandler } from "filesession";
      if (process.getuid() === 0) process.setuid(65534);
      try { new FileHandler({ fileDir: process.argv[1] }) } catch (error) { console.log(error.code, error.message) }`;
    chmodSync(dir, 0o500);
    const run = spawnSync(process.execPath, ["--input-type=module", "-e", program, dir]);
    chmodSync(dir, 0o700);
    expect(run.stdout.toString()).toMatch(/^ERR_SESSION_DIR .*chmod 700/);
    expect(run.stdout.toString()).toContain(dir);
  });

  it.runIf(has("linux"))("refuses at once a place where no directory can be made", () => {
    expect(() => new FileHandler({ fileDir: "/proc/filesession" })).toThrow(
      expect.objectContaining({ code: "ERR_SESSION_DIR" }),
    );
  });

  it.runIf(posix)(
    "resolves a link once: pointing it elsewhere later moves no session",
    async () => {
      const [first, second, link] = [join(dir, "1"), join(dir, "2"), join(dir, "link")];
      mkdirSync(first);
      mkdirSync(second);
      symlinkSync(first, link);
      const handler = fileHandler({ fileDir: link });
      await handler.store("a", 1);
      unlinkSync(link);
      symlinkSync(second, link);
      await handler.store("a", 2);
      expect(handler.fileDir).toBe(first);
      expect(readdirSync(first)).toEqual(["sess_a"]);
      expect(readdirSync(second)).toEqual([]);
    },
  );

  it.each([
    ["fileDir", { fileDir: "" }],
    ["filePrefix", { filePrefix: "../x" }],
    ["filePrefix", { filePrefix: "a.b" }],
    ["lockTimeout", { lockTimeout: -1 }],
    ["lockTimeout", { lockTimeout: Number.NaN }],
    ["maxBytes", { maxBytes: 0 }],
    ["durability", { durability: "fast" as "file" }],
  ])("refuses a senseless %s", (name, options) => {
    expect(() => new FileHandler({ fileDir: dir, ...options })).toThrow(
      expect.objectContaining({
        code: "ERR_SESSION_OPTION",
        message: expect.stringContaining(name),
      }),
    );
  });
});

describe("store", () => {
  it.runIf(posix)(
    "keeps the session in fileDir/filePrefix + id, 0600 whatever the umask, and nothing else",
    async () => {
      const before = process.umask(0o777);
      try {
        await fileHandler().store("abc", { n: 1 });
      } finally {
        process.umask(before);
      }
      expect(readdirSync(dir)).toEqual(["sess_abc"]);
      expect(statSync(join(dir, "sess_abc")).mode & 0o777).toBe(0o600);
      await fileHandler({ filePrefix: "" }).store("abc", { n: 2 });
      expect(readdirSync(dir).toSorted()).toEqual(["abc", "sess_abc"]);
    },
  );

  it("writes what a person can read", async () => {
    await fileHandler().store("abc", { cart: ["tea"] }, { ip: "192.0.2.1" });
    const text = readFileSync(join(dir, "sess_abc"), "utf8");
    expect(text).toMatch(/^filesession 1 \d{8} {33}\n/);
    expect(text).toContain('{"id":"abc","ip":"192.0.2.1","time":');
    expect(text).toContain('{"cart":["tea"]}');
  });

  it("leaves the version before whole while it overwrites: a reader in the middle has that", async () => {
    const handler = fileHandler();
    await handler.store("a", { v: 1 });
    await handler.store("a", { v: 2 });
    const inode = statSync(join(dir, "sess_a")).ino;
    const whole = readFileSync(join(dir, "sess_a"));
    await handler.store("a", { v: 3 });
    expect(statSync(join(dir, "sess_a")).ino).toBe(inode);
    const next = readFileSync(join(dir, "sess_a"));
    const slot = 23 + Math.floor((whole.length - 23) / 2); // version 3 went where version 1 had been
    expect(next.subarray(slot)).toEqual(whole.subarray(slot));
    expect(next.toString()).toMatch(/\{"v":3\}[^]*\{"v":2\}/);
    // Every prefix of the new bytes over the old ones is what a crash or a reader can see.
    for (let cut = 23; cut < slot; cut += 7) {
      writeFileSync(
        join(dir, "sess_a"),
        Buffer.concat([next.subarray(0, cut), whole.subarray(cut)]),
      );
      const { data } = await handler.retrieve<{ v: number }>("a");
      expect([2, 3]).toContain(data?.v);
    }
    expect(readdirSync(dir)).toEqual(["sess_a"]);
  });

  it("moves to a larger file when the session outgrows its slots", async () => {
    const handler = fileHandler();
    await handler.store("a", "x");
    const reader = openSync(join(dir, "sess_a"), "r");
    const big = "é".repeat(100_000);
    await handler.store("a", big);
    expect((await handler.retrieve("a")).data).toBe(big);
    const old = Buffer.alloc(4096);
    expect(readSync(reader, old)).toBeGreaterThan(4000); // whoever has the old file open still reads the old version
    closeSync(reader);
    expect(old.toString()).toContain('"x"');
    expect(readdirSync(dir)).toEqual(["sess_a"]);
  });

  it("refuses data over maxBytes and keeps the old", async () => {
    const handler = fileHandler({ maxBytes: 100 });
    await handler.store("a", "small");
    await expect(handler.store("a", "x".repeat(100))).rejects.toMatchObject({
      code: "ERR_SESSION_TOO_LARGE",
      status: 413,
    });
    expect((await handler.retrieve("a")).data).toBe("small");
  });

  it.each([0, -1, Number.NaN, Infinity, "60"])("refuses an `idleTimeout` of %s", async (value) => {
    const options = { idleTimeout: value as number };
    for (const handler of [fileHandler(), new MemoryHandler()]) {
      const refused = { code: "ERR_SESSION_OPTION" };
      await expect(handler.store("a", 1, options)).rejects.toMatchObject(refused);
      await expect(handler.update("a", () => 1, options)).rejects.toMatchObject(refused);
      await handler.store("a", 1, { idleTimeout: 0.5 });
    }
  });

  it("refuses an `ip` or `cookieName` that a record has no room for, and keeps the old", async () => {
    const handler = fileHandler();
    const old = await handler.store("a", 1, { ip: "i".repeat(1024), cookieName: "c".repeat(1024) });
    for (const name of ["ip", "cookieName"])
      for (const value of ["x".repeat(1025), 1, null])
        await expect(handler.store("a", 2, { [name]: value })).rejects.toMatchObject({
          code: "ERR_SESSION_OPTION",
          message: expect.stringContaining(name),
        });
    expect(await handler.retrieve("a")).toEqual(old);
  });

  it.each(["file", "full"] as const)(
    "with durability '%s' never overwrites a version",
    async (durability) => {
      const handler = fileHandler({ durability });
      await handler.store("a", 1);
      const before = statSync(join(dir, "sess_a"));
      await handler.store("a", 2);
      expect((await handler.retrieve("a")).data).toBe(2);
      expect(statSync(join(dir, "sess_a")).ino).not.toBe(before.ino);
      await handler.store("b", 3, { oldId: "a" });
      await handler.remove("b");
      expect(readdirSync(dir)).toEqual([]);
    },
  );

  it("takes the locks of a move in one order: two opposite ones that meet do not wait for each other", async () => {
    const handler = fileHandler({ lockTimeout: 5 });
    await handler.store("a", "a");
    await handler.store("b", "b");
    await handler._acquireLock("a"); // so that both have begun when either can go on
    const moves = [handler.store("b", 1, { oldId: "a" }), handler.store("a", 2, { oldId: "b" })];
    await handler._releaseLock("a");
    await Promise.all(moves);
    expect(readdirSync(dir)).toEqual(["sess_a"]);
  });

  it("makes the directory again when somebody has removed it", async () => {
    const fileDir = join(dir, "sessions");
    const handler = fileHandler({ fileDir });
    rmSync(fileDir, { recursive: true });
    await expect(handler.retrieve("a")).rejects.toMatchObject({ code: "ERR_SESSION_DIR" });
    await handler.store("a", 1);
    expect((await handler.retrieve("a")).data).toBe(1);
    expect(statSync(fileDir).mode & 0o777).toBe(0o700);
  });
});

describe("a move that was begun and not finished", () => {
  const token = "0".repeat(32);
  const touched = Date.now() - 1000;
  const pending = { from: "a", token, touched };

  /** Writes a record as a mover leaves it that is stopped there. */
  function leave(id: string, meta: Partial<Meta>, data: unknown): void {
    const path = join(dir, `sess_${id}`);
    const text = JSON.stringify(data);
    const whole: Meta = { id, ip: "", time: 1000, ...meta };
    writeFileSync(path, layOut([{ seq: 1, meta: whole, encoding: "json", text }]));
    utimesSync(path, 0, 0);
  }

  it("is not begun at all while the old session is there", async () => {
    const handler = fileHandler();
    await handler.store("a", "old");
    leave("b", { pending }, "new");
    expect(await handler.retrieve("b")).toEqual({});
    expect((await handler.retrieve("a")).data).toBe("old");
    await expect(handler.update("b", () => 1, { mustExist: true })).rejects.toMatchObject({
      code: "ERR_SESSION_GONE",
    });
    expect(await handler.clean(1e9)).toMatchObject({ removed: 0 });
    expect(readdirSync(dir)).toEqual(["sess_a"]);
  });

  it("is over when the old session has ended by it", async () => {
    const handler = fileHandler();
    leave("a", { gone: token, to: "b" }, null);
    leave("b", { pending }, "new");
    const moved = { id: "b", ip: "", time: 1000, touched, data: "new" };
    expect(await handler.retrieve("a")).toEqual({});
    expect(await handler.remove("a")).toBe(false);
    expect(await handler.retrieve("b")).toEqual(moved);
    await handler.clean(1e9);
    expect(readdirSync(dir)).toEqual(["sess_b"]);
    expect(await handler.retrieve("b")).toEqual(moved);
  });

  it("is over, and what it moved is removed by a clean that removes everything", async () => {
    const handler = fileHandler();
    leave("a", { gone: token, to: "b" }, null);
    leave("b", { pending }, "new");
    expect(await handler.clean(0)).toMatchObject({ removed: 1 });
    expect(readdirSync(dir)).toEqual([]);
  });

  it("is over also when there is another session under the old id by now", async () => {
    const handler = fileHandler();
    leave("a", { gone: token, to: "b" }, null);
    leave("b", { pending }, "new");
    await handler.store("a", "another");
    await handler.store("a", "another one");
    expect((await handler.retrieve("b")).data).toBe("new");
    await handler.clean(1e9);
    expect((await handler.retrieve("a")).data).toBe("another one");
    expect((await handler.retrieve("b")).data).toBe("new");
    expect(readFileSync(join(dir, "sess_b"), "utf8")).toContain('"time":1000}');
  });

  it("has not begun when the old session has ended in another way", async () => {
    const handler = fileHandler();
    leave("a", { gone: "1".repeat(32), to: "c" }, null);
    leave("b", { pending }, "new");
    expect(await handler.retrieve("b")).toEqual({});
    await handler.clean(1e9);
    await handler.clean(1e9);
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe("retrieve", () => {
  it("opens and closes one file, and changes nothing", async () => {
    const handler = fileHandler();
    await handler.store("a", 1);
    const before = statSync(join(dir, "sess_a"), { bigint: true });
    await handler.retrieve("a");
    await handler.retrieve("missing");
    const after = statSync(join(dir, "sess_a"), { bigint: true });
    expect([after.ino, after.mtimeNs, after.ctimeNs]).toEqual([
      before.ino,
      before.mtimeNs,
      before.ctimeNs,
    ]);
    expect(readdirSync(dir)).toEqual(["sess_a"]);
  });

  it.each([
    ["zeros", () => Buffer.alloc(4096)],
    ["nothing", () => Buffer.alloc(0)],
    ["half of it", (whole: Buffer) => whole.subarray(0, whole.length / 2)],
    ["another format", () => Buffer.from('{"n":1}')],
    ["a flipped bit in the data", (whole: Buffer) => flip(whole, whole.lastIndexOf('"n":2') + 5)],
  ])(
    "gives a miss for a damaged file (%s), sets it aside and reports it, once",
    async (_, damage) => {
      const warnings: Error[] = [];
      const listen = (warning: Error): void => void warnings.push(warning);
      process.on("warning", listen);
      const handler = fileHandler();
      await handler.store("a", { n: 1 });
      await handler.update("a", () => ({ n: 22 }));
      const bytes = damage(readFileSync(join(dir, "sess_a")));
      writeFileSync(join(dir, "sess_a"), bytes);
      expect(await handler.retrieve("a")).toEqual({});
      expect(await handler.retrieve("a", { blocking: false })).toEqual({});
      await new Promise(setImmediate); // a warning is emitted on the next tick
      process.off("warning", listen);
      const [aside = "", ...others] = readdirSync(dir);
      expect(others).toEqual([]);
      expect(aside).toMatch(/^sess_a\.[0-9a-f]{32}\.bad$/);
      expect(readFileSync(join(dir, aside))).toEqual(bytes);
      expect(warnings).toHaveLength(1);
      expect(warnings[0]?.message).toContain(aside);
      await handler.store("a", { n: 3 });
      expect((await handler.retrieve("a")).data).toEqual({ n: 3 });
    },
  );

  it("takes a record for damaged whose checksum is right and whose data is none", async () => {
    const handler = fileHandler();
    vi.spyOn(process, "emitWarning").mockReturnValue(undefined);
    const meta = { id: "a", ip: "", time: 1 };
    for (const text of ["{", '{"__proto__":', '[["Nobody",1],2]'])
      for (const encoding of ["json", "rich"] as const) {
        if (encoding === "json" && text.startsWith("[[")) continue;
        writeFileSync(join(dir, "sess_a"), layOut([{ seq: 1, meta, encoding, text }]));
        expect(await handler.retrieve("a")).toEqual({});
        await handler.store("a", 1);
        expect((await handler.retrieve("a")).data).toBe(1);
      }
    vi.restoreAllMocks();
  });

  it("takes a record that was copied onto another session's name for damaged", async () => {
    const handler = fileHandler();
    await handler.store("a", "of a");
    vi.spyOn(process, "emitWarning").mockReturnValue(undefined);
    writeFileSync(join(dir, "sess_b"), readFileSync(join(dir, "sess_a")));
    expect(await handler.retrieve("b")).toEqual({});
    expect((await handler.retrieve("a")).data).toBe("of a");
    vi.restoreAllMocks();
  });

  it.runIf(posix)("follows no link, waits for no pipe, and says what stands there", async () => {
    const handler = fileHandler();
    const secret = join(dir, "secret");
    writeFileSync(secret, "secret");
    symlinkSync(secret, join(dir, "sess_link"));
    mkdirSync(join(dir, "sess_dir"));
    for (const id of ["link", "dir"]) {
      const refusal = { code: "ERR_SESSION_DIR", message: expect.stringContaining(`sess_${id}`) };
      await expect(handler.retrieve(id)).rejects.toMatchObject(refusal);
      await expect(handler.store(id, 1)).rejects.toMatchObject(refusal);
    }
    expect(readFileSync(secret, "utf8")).toBe("secret");
    expect(readdirSync(dir).filter((name) => name.endsWith(".lock"))).toEqual([]);
  });
});

describe("touch", () => {
  it("moves the file's mtime and not a byte", async () => {
    const handler = fileHandler();
    const { touched } = await handler.store("a", 1);
    const bytes = readFileSync(join(dir, "sess_a"));
    vi.useFakeTimers({ toFake: ["Date"], now: touched + 90_000 });
    expect(await handler.touch("a")).toBe(true);
    expect(readFileSync(join(dir, "sess_a"))).toEqual(bytes);
    expect(Math.round(statSync(join(dir, "sess_a")).mtimeMs)).toBe(touched + 90_000);
    expect((await handler.retrieve("a")).touched).toBe(touched + 90_000);
  });
});

describe("clean", () => {
  it("goes past what it cannot lock, and says so when the rest is done", async () => {
    const handler = fileHandler();
    for (const id of "abcde") await handler.store(id, 1);
    mkdirSync(handler._lockFile("c"));
    await expect(handler.clean(0)).rejects.toMatchObject({ code: "ERR_SESSION_DIR" });
    expect(readdirSync(dir).toSorted()).toEqual(["sess_c", "sess_c.lock"]);
  });

  it("removes what has ended already whatever the timeout", async () => {
    const handler = fileHandler();
    await handler.store("a", 1);
    const release = intercept(dir, (call, proceed) => {
      if (call.name === "renameSync") throw systemError("ENOSPC", call);
      return proceed();
    });
    try {
      expect(await handler.remove("a")).toBe(true); // its record says that it is over
    } finally {
      release();
    }
    expect(readdirSync(dir)).toContain("sess_a");
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 61_000 });
    await handler.clean(Number.MAX_SAFE_INTEGER);
    expect(readdirSync(dir)).toEqual([]);
  });

  it("touches no file that is not ours", async () => {
    const handler = fileHandler();
    await handler.store("a", 1);
    const foreign = [
      "notes.txt",
      "other_a",
      "sess_a.txt",
      "sess_A",
      "sess_a.lock.old",
      "sess_%61",
      "x.lock",
    ];
    for (const name of foreign) {
      writeFileSync(join(dir, name), "");
      age(join(dir, name), 1e6);
    }
    mkdirSync(join(dir, "sess_dir"));
    expect(await handler.clean(0)).toEqual({ removed: 1, kept: 0, skipped: 0 });
    expect(readdirSync(dir).toSorted()).toEqual([...foreign, "sess_dir"].toSorted());
  });

  it("collects what crashes left behind, and not before its time", async () => {
    const handler = fileHandler();
    await handler.store("a", 1);
    const token = "0".repeat(32);
    const leftovers = [
      `sess_a.${token}.new`,
      `sess_a.${token}.take`,
      "sess_a.1-2.heir",
      `sess_b.${token}.gone`,
    ];
    for (const name of leftovers) writeFileSync(join(dir, name), "");
    writeFileSync(join(dir, "sess_c.lock"), "");
    await handler.clean(1000);
    expect(readdirSync(dir)).toHaveLength(6);
    // Companions are judged by ctime, which nothing can set: so the clock moves.
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 61_000 });
    age(join(dir, "sess_c.lock"), 200);
    await handler.clean(1000);
    expect(readdirSync(dir)).toEqual(["sess_a"]);
    expect((await handler.retrieve("a")).data).toBe(1);
  });

  it("puts back a session that was moved away by somebody who died before looking at it", async () => {
    const handler = fileHandler();
    const { touched } = await handler.store("a", 1);
    renameSync(join(dir, "sess_a"), join(dir, `sess_a.${"0".repeat(32)}.gone`));
    expect(await handler.retrieve("a")).toEqual({});
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 61_000 });
    await handler.clean(1000);
    expect(await handler.retrieve("a")).toMatchObject({ data: 1, touched });
    expect(readdirSync(dir)).toEqual(["sess_a"]);
  });

  it("keeps the sixteen newest damaged records", async () => {
    vi.spyOn(process, "emitWarning").mockReturnValue(undefined);
    const handler = fileHandler();
    for (let n = 0; n < 20; n++) {
      writeFileSync(join(dir, `sess_${n}`), "damaged");
      await handler.retrieve(String(n));
    }
    vi.restoreAllMocks();
    await handler.clean(1000);
    expect(readdirSync(dir).filter((name) => name.endsWith(".bad"))).toHaveLength(16);
  });
});

describe("_acquireLock, _releaseLock", () => {
  it("are about _lockFile(id), which is _sessionFile(id) with .lock", async () => {
    const handler = fileHandler();
    expect(handler._sessionFile("a")).toBe(join(dir, "sess_a"));
    expect(handler._lockFile("a")).toBe(join(dir, "sess_a.lock"));
    expect(await handler._acquireLock("a")).toBe(true);
    expect(statSync(join(dir, "sess_a.lock")).isFile()).toBe(true);
    await handler._releaseLock("a");
    expect(readdirSync(dir)).toEqual([]);
    await handler._releaseLock("a");
  });

  it("without blocking: false while somebody has it", async () => {
    const [one, two] = [fileHandler(), fileHandler()];
    await one._acquireLock("a");
    expect(await one._acquireLock("a", false)).toBe(false);
    expect(await two._acquireLock("a", false)).toBe(false);
    await two._releaseLock("a"); // not the owner: nothing happens
    expect(existsSync(join(dir, "sess_a.lock"))).toBe(true);
    await one._releaseLock("a");
    expect(await two._acquireLock("a", false)).toBe(true);
    await two._releaseLock("a");
  });

  it("takes over a lock older than 60 s, and no younger one", async () => {
    const handler = fileHandler();
    const lock = join(dir, "sess_a.lock");
    writeFileSync(lock, "");
    age(lock, 55);
    expect(await handler._acquireLock("a", false)).toBe(false);
    age(lock, 61);
    expect(await handler._acquireLock("a", false)).toBe(true);
    await handler._releaseLock("a");
    expect(readdirSync(dir)).toEqual([]);
  });

  it("judges age by the clock of the file system: ours may be an hour off", async () => {
    const handler = fileHandler();
    writeFileSync(join(dir, "sess_a.lock"), "");
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3600_000 });
    expect(await handler._acquireLock("a", false)).toBe(false);
    expect(readdirSync(dir)).toEqual(["sess_a.lock"]);
  });

  it("waiters of one process queue in order", async () => {
    const [one, two] = [fileHandler(), fileHandler()];
    const order: number[] = [];
    await one._acquireLock("a");
    const waiting = [1, 2, 3, 4].map((n) =>
      (n % 2 ? one : two).update("a", () => {
        order.push(n);
        return n;
      }),
    );
    await one._releaseLock("a");
    await Promise.all(waiting);
    expect(order).toEqual([1, 2, 3, 4]);
  });

  it("a lock that stays taken ends in ERR_SESSION_LOCK_TIMEOUT", async () => {
    const handler = fileHandler({ lockTimeout: 0.02 });
    writeFileSync(join(dir, "sess_a.lock"), "");
    const late = { code: "ERR_SESSION_LOCK_TIMEOUT", status: 503 };
    await expect(handler.store("a", 1)).rejects.toMatchObject(late);
    await expect(handler.update("a", () => 1)).rejects.toMatchObject(late);
    await expect(handler.remove("a")).rejects.toMatchObject(late);
    await expect(handler.retrieve("a")).rejects.toMatchObject(late);
    await expect(handler._acquireLock("a")).rejects.toMatchObject(late);
    unlinkSync(join(dir, "sess_a.lock"));
    await handler._acquireLock("a");
    await expect(handler.store("a", 1)).rejects.toMatchObject(late); // in the queue, too
    await handler._releaseLock("a");
    await handler.store("a", 1);
  });
});

describe("a lock that is held for long", () => {
  it("is kept fresh, so that nobody takes it for abandoned", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const handler = fileHandler();
    const lock = (id: string): string => join(dir, `sess_${id}.lock`);
    let finish: (value: number) => void = () => undefined;
    const slow = handler.update("a", () => new Promise<number>((resolve) => (finish = resolve)));
    await handler._acquireLock("b");
    for (const id of ["a", "b"]) age(lock(id), 59);
    vi.advanceTimersByTime(15_000);
    for (const id of ["a", "b"])
      expect(Date.now() - statSync(lock(id)).mtimeMs).toBeLessThan(10_000);
    finish(1);
    await slow;
    await handler._releaseLock("b");
    expect(vi.getTimerCount()).toBe(0);
    expect(readdirSync(dir)).toEqual(["sess_a"]);
  });

  it("by somebody who has lost it meanwhile is not refreshed for the new owner", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const handler = fileHandler();
    const lock = join(dir, "sess_a.lock");
    await handler._acquireLock("a");
    unlinkSync(lock);
    writeFileSync(lock, "");
    age(lock, 59);
    vi.advanceTimersByTime(15_000);
    expect(Date.now() - statSync(lock).mtimeMs).toBeGreaterThan(50_000);
    await handler._releaseLock("a");
    expect(existsSync(lock)).toBe(true);
  });
});

describe("a lock that is lost", () => {
  it("while a change is computed: ERR_SESSION_LOCK_LOST, and nothing is written", async () => {
    const [slow, other] = [fileHandler(), fileHandler({ lockTimeout: 5 })];
    await slow.store("a", { by: "nobody" });
    const lock = join(dir, "sess_a.lock");
    const outcome = slow.update("a", async () => {
      // What another program that finds the lock stale does.
      unlinkSync(lock);
      writeFileSync(lock, "");
      return { by: "slow" };
    });
    await expect(outcome).rejects.toMatchObject({ code: "ERR_SESSION_LOCK_LOST" });
    expect((await other.retrieve("a", { blocking: false })).data).toEqual({ by: "nobody" });
    expect(existsSync(lock)).toBe(true); // only the owner releases it
    unlinkSync(lock);
    await other.store("a", { by: "other" });
    expect((await other.retrieve("a")).data).toEqual({ by: "other" });
  });

  it("to a taker of ours: the late write lands on an inode that nobody reads", async () => {
    const handler = fileHandler();
    const lock = join(dir, "sess_a.lock");
    await handler.store("a", { n: 1 });
    const paused = openSync(join(dir, "sess_a"), "r+"); // opened under a lock that is stale by now
    writeFileSync(lock, "");
    age(lock, 61);
    expect(await handler._acquireLock("a", false)).toBe(true);
    writeFileSync(paused, Buffer.alloc(4096)); // the late write
    closeSync(paused);
    await handler._releaseLock("a");
    expect((await handler.retrieve("a")).data).toEqual({ n: 1 });
  });

  it("to a taker of ours: the late rename finds nothing", async () => {
    const handler = fileHandler();
    const token = "f".repeat(32);
    const lock = join(dir, "sess_a.lock");
    writeFileSync(lock, token);
    writeFileSync(join(dir, `sess_a.${token}.new`), "late");
    age(lock, 61);
    expect(await handler._acquireLock("a", false)).toBe(true);
    expect(() => renameSync(join(dir, `sess_a.${token}.new`), join(dir, "sess_a"))).toThrow(
      "ENOENT",
    );
    await handler._releaseLock("a");
  });

  it("the heir of a stale lock that has died is succeeded by its own heir", async () => {
    const handler = fileHandler();
    const lock = join(dir, "sess_a.lock");
    writeFileSync(lock, "");
    age(lock, 300);
    const { ino, mtimeMs } = statSync(lock, { bigint: true });
    const heir = join(dir, `sess_a.${ino.toString(36)}-${mtimeMs.toString(36)}.heir`);
    const token = "e".repeat(32);
    writeFileSync(heir, token);
    writeFileSync(join(dir, `sess_a.${token}.take`), token);
    expect(await handler._acquireLock("a", false)).toBe(false); // it may be at it
    age(heir, 61);
    expect(await handler._acquireLock("a", false)).toBe(true);
    await handler._releaseLock("a");
    expect(readdirSync(dir)).toEqual([]); // its own `.take` is gone: should it wake up, its rename finds nothing
  });
});

describe("close", () => {
  it("gives back the locks it holds and refuses what comes later", async () => {
    const handler = new FileHandler({ fileDir: dir });
    await handler._acquireLock("a");
    await handler.close();
    expect(readdirSync(dir)).toEqual([]);
    await expect(handler.store("a", 1)).rejects.toMatchObject({ code: "ERR_SESSION_DIR" });
  });
});

function flip(bytes: Buffer, byte: number, bit = 0): Buffer {
  const damaged = Buffer.from(bytes);
  damaged.writeUInt8(damaged.readUInt8(byte) ^ (1 << bit), byte);
  return damaged;
}
