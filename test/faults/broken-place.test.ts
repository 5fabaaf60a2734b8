// A place that breaks under a running server, for real, and is mended: whoever has a session keeps
// it, and nobody is told that there is none.

import { execFile } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { FileHandler, type SessionError, useFileSession } from "../../src/index.ts";
import { tempDir } from "../_dir.ts";
import { describeH3 } from "../_h3.ts";
import { has } from "../_needs.ts";
import { start, type Worker } from "../_process.ts";
import { type Disk, ext4, tmpfs } from "./_mount.ts";

const timeout = 60_000;
const ids = Array.from({ length: 20 }, (_, n) => `s${n}`);

/** What is asked of sessions that are there, all the time. */
type Asked = Pick<FileHandler, "retrieve" | "touch" | "update">;

interface Seen {
  done: number;
  /** How often it was refused, by what the system said. */
  refused: Record<string, number>;
  /** Answers that there is no such session. */
  misses: number;
  /** What else came. */
  others: string[];
}

/** Reads, touches and updates all sessions in turn until it is over. */
async function ask(handler: Asked, acknowledged: Map<string, number>, isOver: () => boolean) {
  const seen: Seen = { done: 0, refused: {}, misses: 0, others: [] };
  const note = async (answer: Promise<boolean>): Promise<void> => {
    try {
      if (await answer) seen.done++;
      else seen.misses++;
    } catch (error) {
      const { code, status, cause } = error as SessionError;
      if (code === "ERR_SESSION_GONE") seen.misses++;
      else if (code !== "ERR_SESSION_DIR" || status !== 503) seen.others.push(String(error));
      else {
        const why = (cause as NodeJS.ErrnoException | undefined)?.code ?? "no cause";
        seen.refused[why] = (seen.refused[why] ?? 0) + 1;
      }
    }
  };
  const add = async (id: string): Promise<boolean> => {
    const change = ({ data }: { data?: number | undefined }): number => (data ?? 0) + 1;
    const { data } = await handler.update<number>(id, change, { mustExist: true });
    if (data !== undefined) acknowledged.set(id, data);
    return data !== undefined;
  };
  const forEver = async (question: (id: string) => Promise<boolean>): Promise<void> => {
    for (let n = 0; !isOver(); n = (n + 1) % ids.length) {
      await note(question(ids[n]!));
      await sleep(0);
    }
  };
  await Promise.all([
    forEver(async (id) => (await handler.retrieve(id)).data !== undefined),
    forEver((id) => handler.touch(id)),
    forEver(add),
  ]);
  return seen;
}

/** A handler as many are: what cannot be read is not there. */
function lenient(handler: FileHandler): Asked {
  return {
    retrieve: (id, options) => handler.retrieve<never>(id, options).catch(() => ({})),
    touch: (id) => handler.touch(id).catch(() => false),
    update: (id, change, options) => handler.update(id, change, options),
  };
}

interface Fault {
  fileDir: string;
  begin: () => Promise<unknown>;
  end: () => Promise<unknown>;
}

const command = promisify(execFile);

/** Runs it as soon as nobody has a file open there. */
async function whenFree(...[program, ...args]: [string, ...string[]]): Promise<void> {
  for (;;)
    try {
      return void (await command(program, args));
    } catch (error) {
      if (!/busy/.test(String(error))) throw error;
    }
}

const readOnly = (disk: Disk): Fault => ({
  fileDir: join(disk.path, "sessions"),
  begin: () => whenFree("mount", "-o", "remount,ro", disk.path),
  end: async () => disk.remount("rw"),
});

const unmounted = (disk: Disk, fileDir: string): Fault => ({
  fileDir,
  begin: () => whenFree("umount", disk.path),
  end: async () => disk.mount(),
});

function movedAway(): Fault {
  const dir = tempDir();
  const fileDir = join(dir, "sessions");
  return {
    fileDir,
    begin: async () => renameSync(fileDir, join(dir, "elsewhere")),
    end: async () => {
      rmSync(fileDir, { recursive: true, force: true });
      renameSync(join(dir, "elsewhere"), fileDir);
    },
  };
}

const faults: Record<string, () => Fault> = {
  "tmpfs that is made read-only": () => readOnly(tmpfs({ bytes: 1024 * 1024 })),
  "disk that is made read-only": () => readOnly(ext4()),
  "disk that is unmounted": () => {
    const disk = ext4();
    return unmounted(disk, join(disk.path, "sessions"));
  },
  "disk that is unmounted from the very directory": () => {
    const disk = ext4();
    return unmounted(disk, disk.path);
  },
};

/** Asks before, during and after the fault. */
async function goThrough(
  fault: Fault,
  through: (handler: FileHandler) => Asked = (handler) => handler,
) {
  const handler = new FileHandler({ fileDir: fault.fileDir });
  for (const id of ids) await handler.store(id, 0);
  const acknowledged = new Map<string, number>();
  let isOver = false;
  const asking = ask(through(handler), acknowledged, () => isOver);
  await sleep(20);
  await fault.begin();
  await sleep(60);
  await fault.end();
  await sleep(20);
  isOver = true;
  const seen = await asking;
  return { seen, handler, acknowledged };
}

describe.runIf(has("mount", "mkfs.ext4"))("a server on a", { timeout }, () => {
  it.each(Object.keys(faults))(
    "%s: refuses with 503 what cannot be done, and goes on when it is mended",
    async (name) => {
      const { seen, handler, acknowledged } = await goThrough(faults[name]!());
      const { done, refused, misses, others } = seen;
      process.stdout.write(`${name}: ${JSON.stringify({ done, refused, misses })}\n`);
      expect({ misses, others }).toEqual({ misses: 0, others: [] });
      expect(done).toBeGreaterThan(0);
      expect(Object.keys(refused).length).toBeGreaterThan(0);
      for (const id of ids) {
        expect(await handler.retrieve(id)).toMatchObject({ data: acknowledged.get(id) ?? 0 });
        expect(await handler.touch(id)).toBe(true);
        expect(await handler.update(id, () => 0)).toMatchObject({ data: 0 });
      }
      const names = readdirSync(handler.fileDir).filter((name) => name.includes("."));
      expect(names).toEqual([]);
      expect(await handler.remove("s0")).toBe(true);
    },
  );

  it.each(Object.keys(faults))(
    "%s: whoever takes what cannot be read for what is not there is found out",
    async (name) => {
      const { seen } = await goThrough(faults[name]!(), lenient);
      process.stdout.write(`${name}, errors taken for misses: ${seen.misses}\n`);
      expect(seen.misses).toBeGreaterThan(0);
    },
  );

  it("disk that turns read-only by itself while a lock is held", async () => {
    const disk = ext4();
    const handler = new FileHandler({ fileDir: join(disk.path, "sessions"), staleAfter: 0.2 });
    await handler.store("a", 1);
    await expect(
      handler.update("a", async () => {
        await command("mount", ["-o", "remount,abort", disk.path]);
        return 2;
      }),
    ).rejects.toMatchObject({ code: "ERR_SESSION_DIR", cause: { code: "EROFS" } });
    expect(await handler.retrieve("a")).toMatchObject({ data: 1 });
    await expect(handler.remove("a")).rejects.toMatchObject({ code: "ERR_SESSION_DIR" });
    disk.unmount();
    disk.mount();
    expect(await handler.update("a", () => 3)).toMatchObject({ data: 3 });
    await handler.clean(1e6);
    expect(readdirSync(handler.fileDir)).toEqual(["sess_a"]);
  });
});

/** A process of its own that serves sessions in `dir`, as this user. */
async function serve(dir: string, uid: number, ...more: string[]) {
  const script = new URL("operator.mjs", import.meta.url).pathname;
  const worker: Worker = start(process.execPath, [script, dir, String(uid), ...more]);
  expect(await worker.line()).toBe("ready");
  const say = async (what: string): Promise<unknown> => {
    worker.child.stdin?.write(`${what}\n`);
    return JSON.parse(await worker.line()) as unknown;
  };
  const end = async (): Promise<void> => {
    worker.child.stdin?.end();
    await worker.done; // it would have ended badly with a rejection that nobody handles
  };
  return { say, end, pid: String(worker.child.pid) };
}

interface Flood {
  updates: Record<string, number>;
  reads: Record<string, number>;
}

describe.runIf(has("prlimit"))("a process that may open 32 files", { timeout }, () => {
  const full = "ERR_SESSION_DIR EMFILE";
  const count = 500;

  async function flooded(...more: string[]) {
    const dir = tempDir();
    const handler = new FileHandler({ fileDir: dir });
    for (let n = 0; n < count; n++) await handler.store(`s${n}`, 1);
    const server = await serve(dir, process.getuid?.() ?? 0, ...more);
    // Only now: Node wants more than that to load the modules.
    await command("prlimit", ["--pid", server.pid, "--nofile=32:32"]);
    const seen = (await server.say(`flood ${count}`)) as Flood;
    return { dir, server, seen };
  }

  it("refuses what it cannot open, of 500 at once, and goes on when some are closed", async () => {
    const { dir, server, seen } = await flooded();
    process.stdout.write(`32 open files: ${JSON.stringify(seen)}\n`);
    expect(Object.keys(seen.updates).toSorted()).toEqual(["2", full]);
    expect(Object.keys(seen.reads)).toEqual([full]);
    expect(await server.say("exhaust")).toBe("EMFILE");
    for (const what of ["retrieve s1", "retrieve unknown", "touch s1", "update s1", "remove s1"])
      expect(await server.say(what)).toBe(full);
    expect(await server.say("store new")).toBe(full);
    expect(await server.say("release")).toBe("released");
    for (let n = 0; n < count; n++) expect(await server.say(`update s${n}`)).toBeGreaterThan(1);
    expect(await server.say("remove s1")).toBe(true);
    await server.end();
    expect(readdirSync(dir).filter((name) => name.includes("."))).toEqual([]);
  });

  it("is found out when it takes what cannot be read for what is not there", async () => {
    const { seen } = await flooded("lenient");
    expect(seen.reads).toEqual({ "{}": count });
  });
});

describe.runIf(has("root"))("a directory whose owner may do", { timeout }, () => {
  const denied = "ERR_SESSION_DIR EACCES";

  async function owned(...more: string[]) {
    const dir = tempDir();
    chownSync(dir, 65_534, 65_534);
    const server = await serve(dir, 65_534, ...more);
    expect(await server.say("store a")).toBe(1);
    return { dir, ...server };
  }

  it("all but write: what is there is read and touched, the rest is refused until it may", async () => {
    const { dir, say, end } = await owned();
    chmodSync(dir, 0o500);
    expect(await say("retrieve a")).toBe(1);
    expect(await say("retrieve unknown")).toEqual({});
    expect(await say("touch a")).toBe(true);
    for (const what of ["store a", "store new", "update a", "remove a"])
      expect(await say(what)).toBe(denied);
    chmodSync(dir, 0o700);
    expect(await say("update a")).toBe(2);
    expect(await say("remove a")).toBe(true);
    await end();
    expect(readdirSync(dir)).toEqual([]);
  });

  it("nothing: nothing is there or not there, and all is as before when it may", async () => {
    const { dir, say, end } = await owned();
    chmodSync(dir, 0o000);
    for (const what of ["retrieve a", "retrieve unknown", "touch a", "update a", "remove a"])
      expect(await say(what)).toBe(denied);
    chmodSync(dir, 0o700);
    expect(await say("update a")).toBe(2);
    await end();
    expect(readdirSync(dir)).toEqual(["sess_a"]);
  });

  it("nothing: whoever takes that for a miss is found out", async () => {
    const { dir, say } = await owned("lenient");
    chmodSync(dir, 0o000);
    expect(await say("retrieve a")).toEqual({});
  });
});

describe("a directory that is removed under a running server", () => {
  const removed = { code: "ERR_SESSION_DIR", status: 503 };

  it("is not a miss for anybody, until a store makes it anew", async () => {
    const fileDir = join(tempDir(), "sessions");
    const handler = new FileHandler({ fileDir });
    await handler.store("a", 1);
    rmSync(fileDir, { recursive: true });
    await expect(handler.retrieve("a")).rejects.toMatchObject(removed);
    await expect(handler.retrieve("a")).rejects.toThrow("it has been removed");
    await expect(handler.touch("a")).rejects.toMatchObject(removed);
    await expect(handler.clean(0)).rejects.toMatchObject(removed);
    await expect(handler.keys().next()).rejects.toMatchObject(removed);
    await handler.store("b", 2);
    expect(await handler.retrieve("b")).toMatchObject({ data: 2 });
    expect(await handler.retrieve("a")).toEqual({}); // gone with the directory
  });

  it("and made again is an empty one", async () => {
    const fileDir = join(tempDir(), "sessions");
    const handler = new FileHandler({ fileDir });
    await handler.store("a", 1);
    rmSync(fileDir, { recursive: true });
    mkdirSync(fileDir);
    expect(await handler.retrieve("a")).toEqual({});
    expect(await handler.update("a", () => 2)).toMatchObject({ data: 2 });
  });

  it("loses what is being changed, and does not say that it was stored", async () => {
    const fileDir = join(tempDir(), "sessions");
    const handler = new FileHandler({ fileDir });
    await handler.store("a", 1);
    const update = handler.update("a", async () => {
      rmSync(fileDir, { recursive: true });
      await sleep(0);
      return 2;
    });
    await expect(update).rejects.toMatchObject({ status: 503 });
    expect(await handler.update("a", () => 3)).toMatchObject({ data: 3 });
    expect(readdirSync(fileDir)).toEqual(["sess_a"]);
  });
});

describe("a disk that is mounted in the place of another", () => {
  it.runIf(has("mount"))("is the place of sessions as soon as there is one on it", async () => {
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir });
    await handler.store("a", 1);
    const disk = tmpfs({ bytes: 1024 * 1024 });
    await command("mount", ["--bind", disk.path, fileDir]);
    try {
      const strange = { code: "ERR_SESSION_DIR", message: expect.stringContaining("Mount it") };
      await expect(handler.retrieve("a")).rejects.toMatchObject(strange);
      await expect(handler.store("b", 1)).rejects.toMatchObject(strange);
      expect(readdirSync(fileDir)).toEqual([]);
      await new FileHandler({ fileDir: disk.path }).store("c", 1);
      expect(await handler.retrieve("a")).toEqual({});
      expect(await handler.store("b", 1)).toMatchObject({ data: 1 });
    } finally {
      await command("umount", [fileDir]);
    }
  });
});

describeH3("a visitor whose session is on a broken disk", (h3) => {
  it("is told 503, keeps the cookie, and has the session again when it is mended", async () => {
    const { fileDir, begin, end } = movedAway();
    const open = (event: Parameters<typeof useFileSession>[0]) =>
      useFileSession<{ n: number }>(event, { fileDir });
    const site = await h3.serve({
      "/": async (event) => (await open(event)).data,
      "/add": async (event) => {
        const session = await open(event);
        return (await session.update((data) => ({ n: (data.n ?? 0) + 1 }))).data;
      },
      "/logout": async (event) => (await (await open(event)).clear()).data,
    });
    const visitor = site.visitor();
    await visitor.get("/add");
    const cookies = new Map(visitor.cookies);
    await begin();
    for (const path of ["/", "/add", "/logout"]) {
      const answer = await visitor.get(path);
      expect({ path, status: answer.status, cookies: answer.cookies }).toEqual({
        path,
        status: 503,
        cookies: [],
      });
    }
    await end();
    expect(visitor.cookies).toEqual(cookies);
    expect((await visitor.get("/")).json).toEqual({ n: 1 });
    expect((await visitor.get("/add")).json).toEqual({ n: 2 });
  });

  it("is found out where what cannot be read is not there", async () => {
    const { fileDir, begin, end } = movedAway();
    const handler = new FileHandler({ fileDir });
    const forgiving = Object.assign(handler, lenient(new FileHandler({ fileDir })));
    const site = await h3.serve({
      "/": async (event) => (await useFileSession(event, { handler: forgiving })).data,
      "/add": async (event) =>
        (await (await useFileSession(event, { handler })).update({ n: 1 })).data,
    });
    const visitor = site.visitor();
    await visitor.get("/add");
    await begin();
    expect((await visitor.get("/")).json).toEqual({});
    await end();
  });
});
