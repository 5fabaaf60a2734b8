import { describe, expect, it } from "vitest";
import { UnderWay } from "../src/core/under-way.ts";

describe("UnderWay", () => {
  it("is over when nothing is under way, for all who wait", async () => {
    const underWay = new UnderWay();
    let finish = (): void => {};
    const done = underWay.run(() => new Promise<void>((resolve) => (finish = resolve)));
    const told: string[] = [];
    underWay.end();

    // As two who close a handler at once.
    const waiting = Promise.all(
      ["one", "other"].map((who) => underWay.over().then(() => told.push(who))),
    );
    await Promise.resolve();
    expect(told).toEqual([]);
    finish();

    await Promise.all([done, waiting]);
    expect(told).toEqual(["one", "other"]);
    await underWay.over();
  });

  it("counts what has failed as over", async () => {
    const underWay = new UnderWay();
    await expect(underWay.run(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
    await underWay.over();
  });

  it("begins nothing after its end", async () => {
    const underWay = new UnderWay();
    underWay.end();
    let hasBegun = false;

    const late = underWay.run(async () => void (hasBegun = true));

    await expect(late).rejects.toMatchObject({ code: "ERR_SESSION_DIR" });
    expect(() => underWay.assertOpen()).toThrow();
    expect([underWay.isEnded, hasBegun]).toEqual([true, false]);
  });
});
