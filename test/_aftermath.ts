// After a crash: another handler goes on in the same directory, and finds everything in order, or
// says what is not.

import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { FileHandler, SessionRecord } from "../src/index.ts";
import { type Operation, type Sessions, timeout } from "./_operations.mjs";

// How far the clock of the file system may be behind ours: a tick of the kernel.
const tickMs = 10;

type Records = Map<string, SessionRecord>;

export interface Crash {
  fileDir: string;
  operation: Operation;
  /** The sessions before the operation, and the moment when it began. */
  before: Records;
  begun: number;
  /** Where it was interrupted. */
  where: string;
}

/** What whoever comes next does: changes what is there, does the same again, or cleans. */
const ways = ["updates", "repeats", "cleans"] as const;

export interface Aftermath {
  /** What is not as it must be, one line each. */
  wrong: string[];
  /** The longest time in seconds that anybody waited for a session. */
  longestWait: number;
  /** How often the record of a session that has ended stays until `clean` finds it expired. */
  ended: number;
}

/** The sessions there are, for somebody who waits for no lock. */
export async function sessionsIn(handler: FileHandler): Promise<Records> {
  const records: Records = new Map();
  for await (const id of handler.keys()) {
    const record = await handler.retrieve(id, { blocking: false });
    if (record.id !== undefined) records.set(id, record);
  }
  return records;
}

/**
 * Goes on after each of the crashes, all at once; `turn` rotates the ways to do so among them.
 * `staleAfter` is that of `open`'s handlers.
 */
export async function goOn(
  crashes: Crash[],
  open: (fileDir: string) => FileHandler,
  staleAfter: number,
  turn = 0,
): Promise<Aftermath> {
  const wrong: string[] = [];
  let longestWait = 0;
  let ended = 0;
  const settle = (): Promise<void> => sleep(1000 * staleAfter + 10);

  const lookAfter = async (crash: Crash, way: (typeof ways)[number]): Promise<void> => {
    const { fileDir, operation } = crash;
    const handler = open(fileDir);
    const found = await sessionsIn(handler);
    expectWhole(found, crash);
    let expected = dataOf(found);
    const isCleaning = operation.name.startsWith("clean");
    // A write that was cut off has moved the file's mtime all the same: it is not expired any more.
    const isRenewed = ([id, { touched }]: [string, SessionRecord]): boolean =>
      isCleaning && touched !== crash.before.get(id)?.touched;
    const final = { ...operation.after, ...dataOf(new Map([...found].filter(isRenewed))) };

    if (way === "updates")
      for (const id of ["a", "b"]) {
        const begun = performance.now();
        await handler.update<Sessions[string]>(id, ({ data }) => data && { v: `${data.v}, seen` });
        longestWait = Math.max(longestWait, (performance.now() - begun) / 1000);
        if (expected[id]) expected[id] = { v: `${expected[id].v}, seen` };
      }
    if (way === "repeats") {
      if (isCleaning) await settle(); // it skips what seems busy
      await operation.run(handler);
      expected = final;
    }
    if (way === "cleans") {
      await settle();
      await handler.clean(timeout);
      if (isCleaning) expected = final;
    }
    expect(dataOf(await sessionsIn(handler))).toEqual(expected);

    await settle();
    for (let time = 0; time < 2; time++) await handler.clean(timeout);
    expect(dataOf(await sessionsIn(handler))).toEqual(expected);
    const isRecord = (name: string): boolean => /^sess_[ab]$/.test(name);
    const isExpected = (name: string): boolean =>
      isRecord(name) || (operation.hidden !== undefined && name.endsWith(".bad"));
    const files = readdirSync(fileDir);
    expect(files.filter((name) => !isExpected(name))).toEqual([]);
    if (!operation.hidden && files.filter(isRecord).length > Object.keys(expected).length) {
      ended++;
      await handler.clean(0);
      expect(readdirSync(fileDir).filter(isRecord)).toEqual([]);
    }
    await handler.close();
  };

  await Promise.all(
    crashes.map(async (crash, index) => {
      const way = ways[(index + turn) % ways.length]!;
      try {
        await lookAfter(crash, way);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        wrong.push(`${crash.operation.name}, ${crash.where}, then ${way}: ${why}`);
      }
    }),
  );
  return { wrong, longestWait, ended };
}

/** Each session is its old or its new version, in all that is known of it. */
function expectWhole(found: Records, { operation, before, begun }: Crash): void {
  const { after, between = [] } = operation;
  expect([dataOf(before), ...between, after]).toContainEqual(dataOf(found));
  for (const [id, record] of found) {
    const { touched, ...rest } = record;
    const was = before.get(id);
    if (was && JSON.stringify(rest.data) === JSON.stringify(was.data)) {
      const { touched: wasTouched, ...wasRest } = was;
      expect(rest).toEqual(wasRest);
      if (touched !== wasTouched) expect(touched).toBeGreaterThanOrEqual(begun - tickMs);
    } else {
      expect(touched).toBeGreaterThanOrEqual(begun - tickMs);
      const carried = before.get("a")?.time;
      if (carried !== undefined) expect(rest.time).toBe(carried);
    }
  }
}

export function dataOf(records: Records): Sessions {
  return Object.fromEntries([...records].map(([id, { data }]) => [id, data])) as Sessions;
}
