import { type BigIntStats, type Stats, unlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { isMine, releaseLock, tryLock } from "../src/file/lock.ts";
import { intercept } from "./_calls.mjs";
import { tempDir } from "./_dir.ts";

/** Has the files in `dir` inode numbers that only a bigint can tell apart. */
function widenInodes(dir: string): void {
  const known: string[] = [];
  const end = intercept(dir, ({ name }, proceed) => {
    const stats = proceed() as Stats | BigIntStats | undefined;
    if ((name !== "lstatSync" && name !== "fstatSync") || stats === undefined) return stats;
    const inode = String(stats.ino);
    if (!known.includes(inode)) known.push(inode);
    const wide = 2n ** 60n + BigInt(known.indexOf(inode));
    return Object.assign(stats, { ino: typeof stats.ino === "bigint" ? wide : Number(wide) });
  });
  onTestFinished(end);
}

it.each(["of a number each", "of more than a number can hold"])(
  "a lock is not taken for the one that stands in its place, with inodes %s",
  (inodes) => {
    const dir = tempDir();
    const file = join(dir, "sess_a");
    if (inodes === "of more than a number can hold") widenInodes(dir);
    const lost = tryLock(file)!;
    const isMineAtFirst = isMine(lost);
    unlinkSync(lost.path);
    const lock = tryLock(file)!;
    expect([isMineAtFirst, isMine(lost), isMine(lock)]).toEqual([true, false, true]);
    expect([releaseLock(lost), releaseLock(lock)]).toEqual([false, true]);
  },
);
