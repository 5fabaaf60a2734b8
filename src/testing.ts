import { badOption } from "./core/error.ts";
import { type FileSessionConfig, useFileSession } from "./index.ts";
import { closeFacts } from "./testing/close.ts";
import { cleanFacts } from "./testing/clean.ts";
import { type BrowserCookie, cookieOf, firstVisit, type ReadyCookie } from "./testing/cookie.ts";
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

export type { BrowserCookie, HandlerHarness, It, ReadyCookie };
export { type MovedClock, moveClock } from "./testing/clock.ts";
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

/**
 * The cookie of a session that has this data already, for tests that begin with somebody who is
 * logged in, say. It is made as the app at `url` would make it that calls `useFileSession` with the
 * same `config`, and kept where that one looks.
 *
 * `ip` is the visitor's address, which an app with `checkIp` wants. Rejects with
 * `ERR_SESSION_OPTION` for an option that makes no sense, and as `session.replace` does.
 *
 * @example
 * const ada = await sessionCookie("http://localhost:3000", { user: "Ada" });
 * await fetch("http://localhost:3000/cart", { headers: { cookie: ada.header } });
 * await context.addCookies([ada.forBrowser]); // of Playwright
 */
export async function sessionCookie<T extends object>(
  url: string | URL,
  data: T,
  config: FileSessionConfig = {},
  { ip = "" }: { ip?: string } = {},
): Promise<ReadyCookie> {
  const { cookie, checkIp } = config;
  if (cookie === false)
    throw badOption("cookie", cookie, "the attributes of the cookie to be made");
  if (checkIp === true && ip === "")
    throw badOption("ip", ip, "the visitor's address, as `checkIp` asks for it");
  const visit = firstVisit(url, ip);
  // Whoever tests an app is not the one to clean up after it.
  const session = await useFileSession<T>(visit, { ...config, cleanInterval: false });
  const { id = "" } = await session.replace(data);
  return cookieOf(visit, id);
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
