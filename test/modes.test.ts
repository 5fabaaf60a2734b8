// Who may read a session: its owner, whatever the umask of the process, at every moment.

import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { FileHandler } from "../src/index.ts";
import { loadAgain } from "./_again.ts";
import { intercept } from "./_calls.mjs";
import { tempDir } from "./_dir.ts";
import { has } from "./_needs.ts";

const onPosix = describe.runIf(has("posix"));

const umasks = Array.from({ length: 0o1000 }, (_, mask) => mask);

beforeEach(() => {
  const warnings = vi.spyOn(process, "emitWarning").mockReturnValue(undefined);
  onTestFinished(() => warnings.mockRestore());
});

/** Runs `action` with that umask. */
async function under<T>(mask: number, action: () => Promise<T>): Promise<T> {
  const before = process.umask(mask);
  try {
    return await action();
  } finally {
    process.umask(before);
  }
}

let again: Awaited<ReturnType<typeof loadAgain>> | undefined;

/** Does all that makes files: in a new directory, under a stale lock, over damage, in a move. */
async function everything(fileDir: string): Promise<void> {
  const other = (again ??= await loadAgain());
  const handler = new FileHandler({ fileDir, staleAfter: 60 });
  await handler.store("a", 1);
  await handler.store("a", 2);
  await handler.store("a", "x".repeat(5000));
  await handler.store("b", 3, { oldId: "a" });
  await handler.update("b", async () => 4, { ttl: 60 });
  await handler._acquireLock("b");
  utimesSync(handler._lockFile("b"), 1, 1);
  const rival = new other.FileHandler({ fileDir });
  await rival._acquireLock("b", false);
  await rival.close();
  await handler._releaseLock("b");
  writeFileSync(handler._sessionFile("b"), "damaged");
  await handler.retrieve("b");
  await handler.remove("b");
  await handler.store("c", 6);
  await handler.clean(0);
}

/** How often a file or directory was seen in a mode that it must not have. */
interface Seen {
  entries: number;
  kinds: Set<string>;
  /** Open to others, at any moment. */
  open: string[];
  /** Not what they are to be when their call is over. */
  wrong: string[];
}

/** Looks at all files whenever one has been made and put right, named, moved or closed. */
async function watch(fileDir: string, between: (name: string) => boolean): Promise<Seen> {
  const seen: Seen = { entries: 0, kinds: new Set(), open: [], wrong: [] };
  const end = intercept(fileDir, (call, proceed) => {
    const result = between(call.name) ? proceed() : undefined;
    const isMade = call.name === "openSync" && typeof call.args[2] === "number";
    if (!isMade && !["fchmodSync", "linkSync", "renameSync", "closeSync"].includes(call.name))
      return result;
    for (const name of readdirSync(fileDir)) {
      const mode = lstatSync(join(fileDir, name)).mode & 0o777;
      seen.entries++;
      seen.kinds.add(name.replace(/^sess_[a-c](?:\..*(?=\.))?/, ""));
      if ((mode & ~0o600) !== 0) seen.open.push(`${name} ${mode.toString(8)}`);
      // For the moment between making it and putting it right it may be less.
      else if (mode !== 0o600 && !isMade) seen.wrong.push(`${name} ${mode.toString(8)}`);
    }
    return result;
  });
  try {
    await everything(fileDir);
  } finally {
    end();
  }
  return seen;
}

onPosix("under every umask from 000 to 777", () => {
  it("the directory is 0700, and those above it that were missing too", async () => {
    const dir = tempDir();
    const modes = new Set<number>();
    for (const mask of umasks) {
      const fileDir = join(dir, mask.toString(8), "b/sessions");
      await under(mask, async () => new FileHandler({ fileDir }));
      for (const path of [fileDir, join(fileDir, ".."), join(fileDir, "../..")])
        modes.add(statSync(path).mode & 0o777);
    }
    expect([...modes]).toEqual([0o700]);
  });

  it("the directory is 0700 when it was removed and is made again", async () => {
    const dir = tempDir();
    const modes = new Set<number>();
    for (const mask of umasks) {
      const fileDir = join(dir, mask.toString(8));
      const handler = new FileHandler({ fileDir });
      chmodSync(fileDir, 0o700);
      rmdirSync(fileDir);
      await under(mask, () => handler.store("a", 1));
      modes.add(statSync(fileDir).mode & 0o777);
    }
    expect([...modes]).toEqual([0o700]);
  });

  it("every file is 0600 between any two calls", { timeout: 60_000 }, async () => {
    const dir = tempDir();
    const kinds = new Set<string>();
    let entries = 0;
    for (const mask of umasks) {
      const fileDir = join(dir, mask.toString(8));
      const seen = await under(mask, () => watch(fileDir, () => true));
      expect([mask, seen.open, seen.wrong]).toEqual([mask, [], []]);
      for (const kind of seen.kinds) kinds.add(kind);
      entries += seen.entries;
    }
    expect([...kinds].sort()).toEqual(["", ".bad", ".gone", ".heir", ".lock", ".new", ".take"]);
    expect(entries).toBeGreaterThan(10_000);
  });

  it("without the chmod that follows, they are not", async () => {
    const dir = tempDir();
    let wrong = 0;
    let directories = 0;
    const some = umasks.filter((mask) => mask % 7 === 0);
    for (const mask of some) {
      const fileDir = join(dir, mask.toString(8));
      await under(mask, async () => {
        const seen = await watch(fileDir, (name) => !/chmod/.test(name)).catch(() => undefined);
        if (seen === undefined || seen.wrong.length > 0) wrong++;
        if ((statSync(fileDir).mode & 0o777) !== 0o700) directories++;
      });
      chmodSync(fileDir, 0o700);
    }
    // Right only where the umask leaves the owner's bits alone.
    expect(wrong).toBe(some.filter((mask) => (mask & 0o600) !== 0).length);
    expect(directories).toBe(some.filter((mask) => (mask & 0o700) !== 0).length);
  });
});

onPosix("a directory that was there", () => {
  it.each([0o700, 0o750, 0o755, 0o770, 0o1777, 0o2750])("keeps its mode: %o", async (mode) => {
    const fileDir = join(tempDir(), "sessions");
    mkdirSync(fileDir);
    chmodSync(fileDir, mode);
    await everything(fileDir);
    expect(statSync(fileDir).mode & 0o7777).toBe(mode);
  });
});
