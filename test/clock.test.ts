import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { afterEach, describe, expect, it, vi } from "vitest";
import { pickle, unpickle } from "../src/core/pickle.ts";
import type * as filesession from "../src/index.ts";
import { type MovedClock, moveClock, testHandler } from "../src/testing.ts";
import { tempDir } from "./_dir.ts";

const RealDate = Date;
const { now: realNow } = Date;
const realDate = properties();

let clock: MovedClock | undefined;

/** A clock that is right again after the test. */
function moved(seconds?: number): MovedClock {
  return (clock = moveClock(seconds));
}

afterEach(() => {
  clock?.restore();
  assert.ok(isReal());
  expect(ahead(Date.now())).toBe(0);
});

/** Whether all there is of Date is as it was. */
function isReal(): boolean {
  return isDeepStrictEqual(properties(), realDate);
}

function properties(): unknown[] {
  return [
    Object.getOwnPropertyDescriptor(globalThis, "Date"),
    Object.getOwnPropertyDescriptors(RealDate),
    Object.getOwnPropertyDescriptors(RealDate.prototype),
  ];
}

/** How many seconds a moment is ahead of the true time. */
function ahead(moment: number): number {
  return Math.round((moment - performance.timeOrigin - performance.now()) / 1000) + 0; // never -0
}

describe("moveClock", () => {
  it("moves what Date says the time is, and advances it from there", () => {
    const { advance } = moved();
    expect(ahead(Date.now())).toBe(0);

    advance(60);
    advance(0);
    advance(3540.25);

    expect(ahead(Date.now())).toBe(3600);
    expect(ahead(new Date().getTime())).toBe(3600);
    expect(ahead(Date.parse(Date()) + 500)).toBeCloseTo(3600, -1);
    expect(ahead(RealDate.now())).toBe(3600); // somebody got hold of it before
  });

  it("takes how far it is moved at once", () => {
    moved(86_400);

    expect(ahead(Date.now())).toBe(86_400);
  });

  it("lets time and timers go on", async () => {
    moved(3600);
    const [before, begun] = [Date.now(), performance.now()];

    await sleep(30);

    expect(performance.now() - begun).toBeLessThan(3000);
    expect(Date.now() - before).toBeGreaterThanOrEqual(29);
    expect(Date.now() - before).toBeLessThan(3000);
  });

  it("makes dates that are dates, before and after", () => {
    const early = new Date(0);
    const { restore } = moved(3600);
    const late = new Date();
    class Birthday extends Date {}
    const own = new Birthday();

    for (const date of [early, late, own]) expect(date).toBeInstanceOf(Date);
    for (const date of [early, late]) {
      expect(date.constructor).toBe(Date);
      expect(Object.getPrototypeOf(date)).toBe(Date.prototype);
      expect(structuredClone(date)).toEqual(date);
      const { encoding, text } = pickle({ date });
      expect(unpickle(encoding, text)).toEqual({ date });
    }
    expect([own.constructor, ahead(own.getTime())]).toEqual([Birthday, 3600]);
    restore();

    for (const date of [early, late, own]) expect(date).toBeInstanceOf(Date);
    expect(late.constructor).toBe(Date);
    expect(ahead(late.getTime())).toBe(3600);
    expect(ahead(new Birthday().getTime())).toBe(0);
  });

  it("leaves alone what a Date is made of", () => {
    const dates = (): unknown[] => [
      new Date(0),
      new Date(2026, 0, 31, 12),
      new Date("2026-01-31"),
      new Date(new Date(5)),
      new Date(undefined as unknown as number),
      Date.UTC(2026, 0),
      Date.parse("2026-01-31T00:00:00Z"),
      [Date.name, Date.length],
      Object.prototype.toString.call(new Date()),
    ];
    const before = dates();

    moved(3600);

    expect(dates()).toEqual(before);
  });

  it("restores Date as it was, also twice, and at the end of `using`", () => {
    const { restore } = moved(3600);
    assert.ok(!isReal());
    restore();
    assert.ok(isReal());
    const second = moved(60);
    restore(); // not the second one's
    expect(ahead(Date.now())).toBe(60);

    second[Symbol.dispose]();

    assert.ok(isReal());
  });

  it("leaves another's Date in place, and rights its own below it", () => {
    const { restore } = moved(3600);
    vi.useFakeTimers({ toFake: ["Date"], now: 5000 });

    restore();

    expect(Date.now()).toBe(5000);
    vi.useRealTimers();
    expect(ahead(Date.now())).toBe(0);
    expect(ahead(new Date().getTime())).toBe(0);
    globalThis.Date = RealDate; // what the fake had found is what it has put back
  });

  it("moves another's Date", () => {
    vi.useFakeTimers({ toFake: ["Date"], now: 5000 });
    const { restore } = moved(60);
    expect([Date.now(), new Date().getTime()]).toEqual([65_000, 65_000]);

    restore();

    expect([Date.now(), new Date().getTime()]).toEqual([5000, 5000]);
    vi.useRealTimers();
  });

  it("is refused while the clock is moved: ERR_SESSION_OPTION", () => {
    const { advance } = moved(60);

    expect(() => moveClock()).toThrow(/moved already.*`restore\(\)`/);
    expect(() => moveClock()).toThrow(expect.objectContaining({ code: "ERR_SESSION_OPTION" }));

    advance(60);
    expect(ahead(Date.now())).toBe(120);
  });

  it("cannot be advanced once it is restored", () => {
    const { advance, restore } = moved();
    restore();

    expect(() => advance(1)).toThrow(/has been restored/);
    moved();
    expect(() => advance(1)).toThrow(/has been restored/);
  });

  it.each([-1, Number.NaN, Infinity, 1e13, "60", 60n, null, {}])(
    "refuses %s seconds: ERR_SESSION_OPTION",
    (seconds) => {
      const error = expect.objectContaining({ code: "ERR_SESSION_OPTION" });
      expect(() => moveClock(seconds as number)).toThrow(error);
      expect(Date.now).toBe(realNow);
      const { advance } = moved(60);
      expect(() => advance(seconds as number)).toThrow(error);
      expect(ahead(Date.now())).toBe(60);
    },
  );
});

// As it is published: what reads and writes the files may be another thread.
const { FileHandler } = (await import(`${"filesession"}`)) as typeof filesession;
const published = (await import(`${"filesession/testing"}`)) as { moveClock: typeof moveClock };

describe.each([undefined, 0, 2])("FileHandler by a moved clock, `threads: %s`", (threads) => {
  testHandler(it, () => {
    const fileDir = tempDir();
    const { advance, restore } = published.moveClock();
    return {
      open: () => new FileHandler({ fileDir, ...(threads !== undefined && { threads }) }),
      advance,
      close: restore,
    };
  });

  it("is right again in its threads when the clock is", async () => {
    await using handler = new FileHandler({
      fileDir: tempDir(),
      ...(threads !== undefined && { threads }),
    });
    const { restore } = published.moveClock(3600);
    const { touched } = await handler.store("late", 1);
    await handler.clean(60);
    restore();

    const now = await handler.store("now", 2);

    expect([ahead(touched), ahead(now.touched)]).toEqual([3600, 0]);
    expect(await handler.clean(60)).toEqual({ removed: 0, kept: 2, skipped: 0 });
  });
});
