// Every system call of everything a handler does fails in every way, and is cut short. Whatever
// happens, a session is its old or its new version, the caller hears of it by a SessionError, and
// nothing is left behind.
//
// In each cell the real calls are made on a real directory; only the one in question, or all from
// it on, are answered by the test. Then the session is looked at and used again through a handler
// that nobody stands in the way of.

import { spawnSync } from "node:child_process";
import { readFileSync, statSync, utimesSync } from "node:fs";
import { afterAll, afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { FileHandler, type FileHandlerOptions } from "../../src/index.ts";
import { intercept, systemError } from "../_calls.mjs";
import { tempDir } from "../_dir.ts";
import { faults, SimpleHandler } from "./_broken.ts";
import type { Made } from "./_faults.ts";
import { known } from "./_known.ts";
import { cuts, failures, type Outcome, play, type Promised, type Violation } from "./_matrix.ts";
import { operations } from "./_operations.ts";
import { has } from "../_needs.ts";

const onLinux = describe.runIf(has("linux"));

const isKnown = (violation: Violation): boolean =>
  known.some(
    ({ operation, call, fault, broken }) =>
      (operation === undefined || operation.test(violation.operation)) &&
      call.test(violation.call) &&
      (fault === undefined || fault.test(violation.fault)) &&
      broken.includes(violation.broken),
  );

const show = ({ operation, call, fault, broken, detail }: Violation): string =>
  `${operation}: ${call}: ${fault}: ${broken}: ${detail}`;

/** What is broken and not known to be, a few of each kind. */
function unexpected({ violations }: Outcome): string[] {
  return violations
    .filter((violation) => !isKnown(violation))
    .slice(0, 20)
    .map(show);
}

let cells = 0;
const seen: Violation[] = [];
const unhandled: unknown[] = [];
const hear = (reason: unknown): void => void unhandled.push(reason);

beforeEach(() => {
  vi.spyOn(process, "emitWarning").mockReturnValue(undefined); // a damaged record is reported
  process.on("unhandledRejection", hear);
});

afterEach(() => {
  vi.restoreAllMocks();
  process.off("unhandledRejection", hear);
  expect(unhandled).toEqual([]);
});

function count(outcome: Outcome): Outcome {
  cells += outcome.cells;
  seen.push(...outcome.violations);
  return outcome;
}

afterAll(() => {
  process.stdout.write(
    `errno matrix: ${cells} cells over ${operations.length} operations, ${seen.length} of them broken and known\n`,
  );
});

const timeout = process.env.STORM === "long" ? 3600_000 : 120_000;

onLinux("a system call that fails, once or for good,", { timeout }, () => {
  it.each(operations)("breaks no promise of: $name", async (operation) => {
    const outcome = count(await play(operation, failures));
    expect(outcome.calls.length).toBeGreaterThan(1);
    expect(outcome.cells).toBeGreaterThanOrEqual(outcome.calls.length * 22);
    expect(unexpected(outcome)).toEqual([]);
  });
});

onLinux("a read or a write that is cut short", { timeout }, () => {
  const transferring = operations.filter(({ transfersNothing }) => !transfersNothing);

  it.each(transferring)("breaks no promise of: $name", async (operation) => {
    const outcome = count(await play(operation, (calls) => cuts(calls)));
    expect(outcome.cells).toBeGreaterThan(40);
    expect(unexpected(outcome)).toEqual([]);
  });

  it.each(["retrieve without waiting", "store over a session, process"])(
    "at any length at all breaks no promise of: %s",
    async (name) => {
      const everyLength = (calls: readonly Made[]): Made[] =>
        calls.map((call) => {
          const { bytes: _, ...other } = call;
          return name.startsWith("retrieve") || call.name === "writeSync" ? call : other;
        });
      const operation = operations.find((one) => one.name === name)!;
      const outcome = count(await play(operation, (calls) => cuts(everyLength(calls), 1)));
      expect(outcome.cells).toBeGreaterThan(4000);
      expect(unexpected(outcome)).toEqual([]);
    },
  );
});

onLinux("the list of what is known to be broken", () => {
  it("has nothing that holds by now", () => {
    const stale = known.filter(
      ({ call, broken, operation, fault }) =>
        !seen.some(
          (one) =>
            (operation === undefined || operation.test(one.operation)) &&
            call.test(one.call) &&
            (fault === undefined || fault.test(one.fault)) &&
            broken.includes(one.broken),
        ),
    );
    expect(stale.map(({ why }) => why)).toEqual([]);
  });

  it("was looked for in enough cells", () => {
    expect(cells).toBeGreaterThan(30_000);
  });
});

onLinux("the matrix", { timeout }, () => {
  const store = operations.find(({ name }) => name === "store over a session, file")!;
  const retrieve = operations.find(({ name }) => name === "retrieve without waiting")!;

  /** What it finds in a simple handler; until `enough` is found, if that is said. */
  const brokenIn = async (fault?: string, enough?: Promised): Promise<Promised[]> => {
    const broken = new Set<Promised>();
    const open = (options: FileHandlerOptions): FileHandler => new SimpleHandler(options, fault);
    for (const operation of [retrieve, store])
      for (const faultsFor of [(calls: readonly Made[]) => cuts(calls), failures]) {
        const { violations } = await play(operation, faultsFor, open);
        for (const violation of violations) broken.add(violation.broken);
        if (enough !== undefined && broken.has(enough)) return [...broken];
      }
    return [...broken];
  };

  it("finds nothing in a simple handler that does it right", async () => {
    expect(await brokenIn()).toEqual([]);
  });

  it.each(faults)("finds the fault of one that %s", async (fault, broken) => {
    expect(await brokenIn(fault, broken)).toContain(broken);
  });
});

onLinux("the token in a lock", () => {
  // Who takes the lock over unlinks the file that it names.
  it("is whole before a file that it names is put in place", async () => {
    const dir = tempDir();
    const handler = new FileHandler({ fileDir: dir });
    let isShort = true;
    let named = "";
    let noted = "";
    const restore = intercept(dir, ({ name, args, path }, proceed) => {
      if (name === "writeSync" && path.endsWith(".lock") && isShort) {
        isShort = false;
        if (typeof args[1] === "string") return proceed(args[0], args[1].slice(0, 5), args[2]);
        return proceed(args[0], args[1], args[2], 5, args[4]);
      }
      if (name === "linkSync") {
        named = path;
        noted = readFileSync(handler._lockFile("a"), "latin1").slice(0, 32);
      }
      return proceed();
    });
    await handler.store("a", 1).finally(restore);
    expect(noted).toHaveLength(32);
    expect(named).toContain(noted);
  });
});

onLinux("a lock that is held for long", () => {
  it("is kept fresh by the next beat when one has failed", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const dir = tempDir();
    const handler = new FileHandler({ fileDir: dir });
    let isBroken = false;
    const restore = intercept(dir, (call, proceed) => {
      if (isBroken) throw systemError("EINTR", call);
      return proceed();
    });
    onTestFinished(restore);
    await handler._acquireLock("a");
    const lock = handler._lockFile("a");
    utimesSync(lock, 0, 0);
    isBroken = true;
    vi.advanceTimersByTime(30_000);
    isBroken = false;
    expect(statSync(lock).mtimeMs).toBe(0);
    expect(process.emitWarning).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(15_000);
    vi.useRealTimers();
    expect(Date.now() - statSync(lock).mtimeMs).toBeLessThan(10_000);
    await handler._releaseLock("a");
  });
});

onLinux("a process that is out of descriptors", () => {
  it("hears of it at once by a SessionError, is told no false miss, and goes on by itself", () => {
    const program = `
      import { FileHandler } from "filesession";
      const handler = new FileHandler({ fileDir: process.argv[1] });
      await handler.store("old", 1);
      let open;
      const gate = new Promise((resolve) => (open = resolve));
      const ids = Array.from({ length: 200 }, (_, n) => "s" + n);
      const held = ids.map((id) => handler.update(id, () => gate.then(() => id)));
      await Promise.resolve(); // by then each has its files open, or has not
      await handler._acquireLock("the last descriptor");
      const read = await handler.retrieve("old").catch((error) => error);
      await handler._releaseLock("the last descriptor");
      open();
      const told = await Promise.allSettled(held);
      const errors = told.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
      let lost = 0;
      for (const [n, id] of ids.entries()) {
        const { data } = await handler.retrieve(id);
        if ((told[n].status === "fulfilled") !== (data === id)) lost++;
        await handler.store(id, "again");
      }
      const codes = [...new Set([read, ...errors].map(({ code, status, cause }) => [code, status, cause?.code].join()))];
      const { data } = await handler.retrieve("old");
      console.log(JSON.stringify({ codes, failed: errors.length > 0, stored: errors.length < 200, lost, data, says: read.message.includes("ulimit -n") }));`;
    const node = [process.execPath, "--input-type=module", "-e", program, tempDir()];
    const run = spawnSync("sh", ["-c", 'ulimit -n 80 && exec "$@"', "sh", ...node]);
    expect(run.stderr.toString()).toBe("");
    expect(JSON.parse(run.stdout.toString())).toEqual({
      codes: ["ERR_SESSION_DIR,503,EMFILE"],
      failed: true,
      stored: true,
      lost: 0,
      data: 1,
      says: true,
    });
  });
});
