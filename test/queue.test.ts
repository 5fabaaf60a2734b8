import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { beginTurn, endTurn, isOthersTurn, waitForTurn } from "../src/core/queue.ts";

let now: number;

beforeEach(() => {
  now = 1000;
  vi.spyOn(performance, "now").mockImplementation(() => now);
});
afterEach(() => void vi.restoreAllMocks());

const late = (): Error => new Error("late");

describe("waitForTurn", () => {
  it("gives turns in the order they were asked for", async () => {
    expect(beginTurn("file")).toBe(true);
    const order: number[] = [];
    const turns = [1, 2, 3].map(async (n) => {
      await waitForTurn("file", 1000, late);
      order.push(n);
      endTurn("file");
    });
    endTurn("file");
    await Promise.all(turns);
    expect(order).toEqual([1, 2, 3]);
    expect(beginTurn("file")).toBe(true);
    endTurn("file");
  });
});

describe("isOthersTurn", () => {
  it("says after 25 ms of turns without a break, once, that other processes are to have theirs", async () => {
    beginTurn("file");
    now += 20;
    const next = waitForTurn("file", 1000, late);
    endTurn("file");
    await next;
    expect(isOthersTurn("file")).toBe(false);
    now += 5;
    expect(isOthersTurn("file")).toBe(true);
    expect(isOthersTurn("file")).toBe(false);
    endTurn("file");
  });

  it("counts from the last time that nobody wanted one", () => {
    beginTurn("file");
    now += 24;
    endTurn("file");
    beginTurn("file");
    now += 24;
    expect(isOthersTurn("file")).toBe(false);
    endTurn("file");
  });
});
