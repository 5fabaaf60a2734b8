import { closeFacts } from "./testing/close.ts";
import { cleanFacts } from "./testing/clean.ts";
import { dataFacts } from "./testing/data.ts";
import type { HandlerHarness, It } from "./testing/harness.ts";
import { idFacts } from "./testing/ids.ts";
import { lockFacts } from "./testing/lock.ts";
import { moveFacts } from "./testing/move.ts";
import { type Facts, Place } from "./testing/place.ts";
import { recordFacts } from "./testing/record.ts";
import { tagFacts } from "./testing/tags.ts";
import { ttlFacts } from "./testing/ttl.ts";
import { updateFacts } from "./testing/update.ts";

export type { HandlerHarness, It };
export { MemoryHandler, MemoryPlace } from "./testing/memory-handler.ts";

/**
 * The `Handler` contract as a test suite: registers one test for each fact that holds for every
 * handler.
 *
 * `newHarness` is called at the beginning of each test, so tests may run side by side as far as the
 * harness can. A call that waits for what will not come fails its test after 3 seconds. Otherwise
 * none takes as long as that where a call takes a few milliseconds.
 *
 * @example
 * import { describe, it } from "vitest"; // or node:test, jest, mocha
 * import { testHandler } from "filesession/testing";
 *
 * describe("MyHandler", () => {
 *   testHandler(it, async () => {
 *     const table = await createTable();
 *     return { open: () => new MyHandler(table), close: () => table.drop() };
 *   });
 * });
 */
export function testHandler(
  it: It,
  newHarness: () => HandlerHarness | Promise<HandlerHarness>,
): void {
  for (const [title, fact] of Object.entries(facts)) {
    it(title, async () => {
      const place = new Place(await newHarness());
      try {
        await fact(place);
      } catch (error) {
        // A handler that has failed may well not close either, and the first error is the one to
        // show.
        await place.close(500).catch(() => {});
        throw error;
      }
      await place.close();
    });
  }
}

const facts: Facts = {
  ...recordFacts,
  ...dataFacts,
  ...moveFacts,
  ...updateFacts,
  ...lockFacts,
  ...ttlFacts,
  ...tagFacts,
  ...cleanFacts,
  ...idFacts,
  ...closeFacts,
};
