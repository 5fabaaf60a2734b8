// Everything a handler does, each from a directory in which it has something to do.

import { readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { layOut, type Meta } from "../../src/file/record.ts";
import { FileHandler } from "../../src/index.ts";
import type { Operation } from "./_matrix.ts";

const durabilities = ["process", "file", "full"] as const;

const old = { secret: "old", n: 1 };
const fresh = { secret: "new", n: 2 };
const large = { secret: "new", text: "x".repeat(5000) };
const token = "0".repeat(32);

const nothing = (): void => undefined;
const one = async (handler: FileHandler): Promise<void> => {
  await handler.store("a", old, { ip: "192.0.2.1" });
  await handler.store("a", old);
};
const two = async (handler: FileHandler): Promise<void> => {
  await one(handler);
  await handler.store("b", { secret: "another" });
};

/** Writes what somebody has left behind who was stopped there. */
function leave(handler: FileHandler, id: string, meta: Partial<Meta>, data: unknown): string {
  const path = handler._sessionFile(id);
  const whole: Meta = { id, ip: "", time: Date.now(), ...meta };
  writeFileSync(
    path,
    layOut([{ seq: 1, meta: whole, encoding: "json", text: JSON.stringify(data) }]),
  );
  utimesSync(path, 0, 0);
  return path;
}

function leaveStaleLock(fileDir: string, text: string, seconds = 3600): string {
  const lock = join(fileDir, "sess_a.lock");
  writeFileSync(lock, text);
  const then = Date.now() / 1000 - seconds;
  utimesSync(lock, then, then);
  return lock;
}

function leaveStaleLockAndNew(fileDir: string): void {
  leaveStaleLock(fileDir, token);
  writeFileSync(join(fileDir, `sess_a.${token}.new`), "late");
}

function leaveDeadHeir(fileDir: string): void {
  const { ino, mtimeMs } = statSync(leaveStaleLock(fileDir, ""), { bigint: true });
  const heir = join(fileDir, `sess_a.${ino.toString(36)}-${mtimeMs.toString(36)}.heir`);
  writeFileSync(heir, token);
  const then = Date.now() / 1000 - 600;
  utimesSync(heir, then, then);
  writeFileSync(join(fileDir, `sess_a.${token}.take`), token);
}

async function lockAndUnlock(handler: FileHandler, blocking: boolean): Promise<boolean> {
  const isLocked = await handler._acquireLock("a", blocking);
  await handler._releaseLock("a");
  return isLocked;
}

/** The directory of a handler that is made in the middle of a cell. */
const dirOf = (handler: FileHandler): string => handler.fileDir;

export const operations: Operation[] = [
  {
    name: "new FileHandler, the directory is missing",
    transfersNothing: true,
    ids: [],
    run: async (handler) => new FileHandler({ fileDir: dirOf(handler) }).filePrefix,
  },
  {
    name: "new FileHandler, two directories are missing",
    transfersNothing: true,
    ids: [],
    run: async (handler) => new FileHandler({ fileDir: join(dirOf(handler), "below") }).filePrefix,
  },
  {
    name: "new FileHandler, the directory is there",
    transfersNothing: true,
    ids: ["a"],
    given: one,
    run: async (handler) => new FileHandler({ fileDir: dirOf(handler) }).filePrefix,
  },
  ...durabilities.flatMap((durability): Operation[] => [
    {
      name: `store of a new session, ${durability}`,
      options: { durability },
      ids: ["a"],
      given: nothing,
      run: (handler) => handler.store("a", fresh, { ip: "192.0.2.2" }),
    },
    {
      name: `store over a session, ${durability}`,
      options: { durability },
      ids: ["a"],
      given: one,
      run: (handler) => handler.store("a", fresh),
    },
    {
      name: `update, ${durability}`,
      options: { durability },
      ids: ["a"],
      given: one,
      run: (handler) =>
        handler.update<typeof old>("a", ({ data }) => ({ secret: "new", n: (data?.n ?? 0) + 1 })),
    },
    {
      name: `remove, ${durability}`,
      options: { durability },
      ids: ["a"],
      given: one,
      tidiesUp: true,
      run: (handler) => handler.remove("a"),
    },
    {
      name: `move onto a new id, ${durability}`,
      options: { durability },
      ids: ["a", "b"],
      given: one,
      tidiesUp: true,
      run: (handler) => handler.store("b", fresh, { oldId: "a", mustExist: true }),
    },
    {
      name: `move onto another session, ${durability}`,
      options: { durability },
      ids: ["a", "b"],
      given: two,
      tidiesUp: true,
      replaces: "b",
      run: (handler) => handler.store("b", fresh, { oldId: "a" }),
    },
  ]),
  {
    name: "move with grace",
    ids: ["a", "b"],
    given: one,
    tidiesUp: true,
    run: (handler) => handler.store("b", fresh, { oldId: "a", grace: 60 }),
  },
  {
    name: "store with a tag",
    ids: ["a"],
    given: nothing,
    run: (handler) => handler.store("a", fresh, { tag: "Ada" }),
  },
  {
    name: "store with another tag",
    ids: ["a"],
    given: async (handler) => void (await handler.store("a", old, { tag: "Ada" })),
    tidiesUp: true,
    run: (handler) => handler.store("a", fresh, { tag: "Bob" }),
  },
  {
    name: "tagged",
    transfersNothing: true,
    ids: ["a"],
    given: async (handler) => void (await handler.store("a", old, { tag: "Ada" })),
    run: (handler) => handler.tagged("Ada"),
  },
  {
    name: "store of what has outgrown its slots",
    ids: ["a"],
    given: one,
    run: (handler) => handler.store("a", large),
  },
  {
    name: "store with a ttl",
    ids: ["a"],
    given: nothing,
    run: (handler) => handler.store("a", fresh, { ttl: 1000 }),
  },
  {
    name: "store with a ttl over a session without one",
    ids: ["a"],
    given: one,
    run: (handler) => handler.store("a", fresh, { ttl: 1000 }),
  },
  {
    name: "store over a damaged record",
    ids: ["damaged"],
    given: (handler) => writeFileSync(handler._sessionFile("damaged"), "x".repeat(4096)),
    run: (handler) => handler.store("damaged", fresh),
  },
  {
    name: "store over a session that was ended and not removed",
    ids: ["a"],
    given: (handler) => void leave(handler, "a", { gone: token }, null),
    run: (handler) => handler.store("a", fresh),
  },
  {
    name: "store when the directory has been removed",
    ids: ["a"],
    given: nothing,
    arrange: (fileDir) => rmSync(fileDir, { recursive: true }),
    run: (handler) => handler.store("a", fresh),
  },
  {
    name: "store over a lock that is stale",
    options: { staleAfter: 0 },
    ids: ["a"],
    given: one,
    arrange: leaveStaleLockAndNew,
    takesOver: true,
    run: (handler) => handler.store("a", fresh),
  },
  {
    name: "update of a missing session",
    ids: ["a"],
    given: nothing,
    run: (handler) => handler.update("a", () => fresh),
  },
  {
    name: "update with a promised change",
    ids: ["a"],
    given: one,
    run: (handler) => handler.update("a", async () => fresh),
  },
  {
    name: "update that writes nothing",
    ids: ["a"],
    given: one,
    run: (handler) => handler.update("a", () => undefined),
  },
  {
    name: "retrieve",
    ids: ["a"],
    given: one,
    run: (handler) => handler.retrieve("a"),
  },
  {
    name: "retrieve without waiting",
    ids: ["a"],
    given: one,
    run: (handler) => handler.retrieve("a", { blocking: false }),
  },
  {
    name: "retrieve of a missing session",
    transfersNothing: true,
    ids: ["a"],
    given: nothing,
    run: (handler) => handler.retrieve("a"),
  },
  {
    name: "retrieve of a session whose move was not finished",
    ids: ["a", "b"],
    given: (handler) => {
      leave(handler, "a", { gone: token, to: "b" }, null);
      leave(handler, "b", { pending: { from: "a", token, touched: Date.now() } }, old);
    },
    run: (handler) => handler.retrieve("b"),
  },
  {
    name: "retrieve of a damaged record",
    ids: ["damaged"],
    given: (handler) => writeFileSync(handler._sessionFile("damaged"), "x".repeat(4096)),
    run: (handler) => handler.retrieve("damaged"),
  },
  {
    name: "touch",
    ids: ["a"],
    given: one,
    run: (handler) => handler.touch("a"),
  },
  {
    name: "touch of a missing session",
    transfersNothing: true,
    ids: ["a"],
    given: nothing,
    run: (handler) => handler.touch("a"),
  },
  {
    name: "remove of a missing session",
    transfersNothing: true,
    ids: ["a"],
    given: nothing,
    run: (handler) => handler.remove("a"),
  },
  {
    name: "remove of a damaged record",
    ids: ["damaged"],
    given: (handler) => writeFileSync(handler._sessionFile("damaged"), "x".repeat(4096)),
    run: (handler) => handler.remove("damaged"),
  },
  {
    name: "move of a missing session",
    ids: ["a", "b"],
    given: nothing,
    run: (handler) => handler.store("b", fresh, { oldId: "a" }),
  },
  {
    name: "keys",
    isPiecemeal: true,
    ids: ["a", "b"],
    given: two,
    run: async (handler) => {
      const ids: string[] = [];
      for await (const id of handler.keys()) ids.push(id);
      return ids.sort();
    },
  },
  {
    name: "clean of expired sessions",
    tidiesUp: true,
    ids: ["a", "b", "c"],
    isPiecemeal: true,
    given: async (handler) => {
      await two(handler);
      await handler.store("c", { secret: "ended" }, { ttl: 1 });
      for (const id of ["a", "c"]) {
        const then = Date.now() / 1000 - (id === "a" ? 86_400 : 0);
        utimesSync(handler._sessionFile(id), then, then);
      }
    },
    run: (handler) => handler.clean(80_000),
  },
  {
    name: "clean of everything",
    tidiesUp: true,
    ids: ["a", "b"],
    isPiecemeal: true,
    given: two,
    run: (handler) => handler.clean(0),
  },
  {
    name: "clean of a stale lock",
    ids: ["a"],
    isPiecemeal: true,
    given: one,
    arrange: leaveStaleLockAndNew,
    takesOver: true,
    run: (handler) => handler.clean(1e9),
  },
  {
    name: "clean of what crashes have left behind",
    ids: ["a", "b", "c"],
    isPiecemeal: true,
    isLater: true,
    given: async (handler) => {
      await two(handler);
      const away = (id: string): string => `${handler._sessionFile(id)}.${token}.gone`;
      renameSync(handler._sessionFile("b"), away("b"));
      renameSync(leave(handler, "c", { gone: token }, null), away("c"));
      for (const kind of ["new", "take"])
        writeFileSync(`${handler._sessionFile("a")}.${token}.${kind}`, "");
      const heir = `${handler._sessionFile("a")}.1-2.heir`;
      writeFileSync(heir, token);
      utimesSync(heir, 0, 0);
    },
    run: (handler) => handler.clean(1e9),
  },
  {
    name: "clean of damaged records",
    transfersNothing: true,
    ids: ["a"],
    isPiecemeal: true,
    given: async (handler) => {
      await one(handler);
      for (let n = 0; n < 18; n++) {
        const path = `${handler._sessionFile("b")}.${String(n).padStart(32, "0")}.bad`;
        writeFileSync(path, "damaged");
      }
    },
    run: (handler) => handler.clean(1e9),
  },
  {
    name: "clean of tags that are in doubt",
    ids: ["a"],
    isPiecemeal: true,
    given: async (handler) => {
      await handler.store("a", old, { tag: "Ada" });
      await handler.store("a", old, { tag: "Bob" });
      const entries = readdirSync(join(handler.fileDir, "sess_.tags"), {
        withFileTypes: true,
        recursive: true,
      });
      for (const entry of entries)
        if (entry.isFile()) utimesSync(join(entry.parentPath, entry.name), 1, 1);
    },
    run: (handler) => handler.clean(1e9),
  },
  {
    name: "clean of a move that was decided and not finished",
    ids: ["a", "b"],
    isPiecemeal: true,
    given: (handler) => {
      leave(handler, "a", { gone: token, to: "b" }, null);
      leave(handler, "b", { pending: { from: "a", token, touched: Date.now() } }, old);
    },
    run: (handler) => handler.clean(1e9),
  },
  {
    name: "clean of a move that was not decided",
    tidiesUp: true,
    ids: ["a", "b"],
    isPiecemeal: true,
    given: async (handler) => {
      await one(handler);
      leave(handler, "b", { pending: { from: "a", token, touched: Date.now() } }, fresh);
    },
    run: (handler) => handler.clean(1e9),
  },
  {
    name: "_acquireLock and _releaseLock",
    transfersNothing: true,
    ids: ["a"],
    given: one,
    run: (handler) => lockAndUnlock(handler, true),
  },
  {
    name: "_acquireLock over a stale lock",
    ids: ["a"],
    given: one,
    arrange: leaveStaleLockAndNew,
    takesOver: true,
    run: (handler) => lockAndUnlock(handler, false),
  },
  {
    name: "_acquireLock over a stale lock whose heir has died",
    ids: ["a"],
    given: one,
    arrange: leaveDeadHeir,
    takesOver: true,
    run: (handler) => lockAndUnlock(handler, false),
  },
  {
    name: "close with two locks held",
    transfersNothing: true,
    ids: ["a", "b"],
    closes: true,
    given: two,
    run: async (handler) => {
      try {
        await handler._acquireLock("a");
        await handler._acquireLock("b");
      } catch (error) {
        await handler.close().catch(() => undefined); // it says what failed first
        throw error;
      }
      await handler.close();
    },
  },
];
