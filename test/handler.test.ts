import assert from "node:assert/strict";
import { describe, it } from "vitest";
import { testHandler } from "../src/testing.ts";
import { type Broken, brokenHandlers } from "./_broken-handlers.ts";
import { fileHarness } from "./_file-harness.ts";
import { FilesHandler, FilesPlace } from "./_files-handler.ts";
import { MemoryHandler } from "../src/testing/memory-handler.ts";
import { StillPlace } from "./_still-place.ts";

describe.each(["process", "file", "full"] as const)("FileHandler, durability %s", (durability) => {
  testHandler(it, () => fileHarness({ durability }));
});

// The suite has tests of its own: it lets handlers pass that are right, and no other.

describe("testHandler() passes a handler in memory", () => {
  testHandler(it, () => {
    const place = new StillPlace();
    return {
      open: () => new MemoryHandler(place),
      advance: (seconds) => place.advance(seconds),
      breakPlace: () => place.break(),
    };
  });
});

describe("testHandler() passes a handler with temporary files and rename", () => {
  testHandler(it, () => {
    const place = new FilesPlace();
    return {
      open: () => new FilesHandler(place),
      advance: (seconds) => place.advance(seconds),
      breakPlace: () => place.break(),
      close: () => place.close(),
    };
  });
});

describe.concurrent("testHandler() fails where it should when", () => {
  for (const broken of brokenHandlers) {
    it(broken.fault, { timeout: 30_000 }, async () => {
      const failed = await failures(broken);

      assert.deepEqual(failed.sort(), broken.fails.toSorted());
    });
  }

  it("any of its facts does not hold", () => {
    const titles: string[] = [];
    testHandler(
      (title) => titles.push(title),
      () => assert.fail("no test is run"),
    );
    const caught = new Set(brokenHandlers.flatMap(({ fails }) => fails));
    assert.deepEqual(new Set(titles), caught);
  });
});

/** The titles of the tests that fail for a handler, all of them run at once. */
async function failures(broken: Broken): Promise<string[]> {
  const failed: string[] = [];
  const running: Promise<void>[] = [];
  testHandler(
    (title, test) => running.push(test().catch(() => void failed.push(title))),
    () => {
      const place = broken.newPlace();
      return {
        open: () => broken.open(place),
        advance: (seconds) => place.advance(seconds),
        breakPlace: () => place.break(),
        close: () => place.close(),
      };
    },
  );
  await Promise.all(running);
  return failed;
}
