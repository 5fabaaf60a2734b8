// What a session tells the handler that keeps it.

import { describe, expect, it } from "vitest";
import type { Handler, WriteOptions } from "../src/core/handler.ts";
import { useFileSession } from "../src/session/use.ts";
import { MemoryHandler } from "../src/testing.ts";

/** A handler, and the options of every write that it was asked for. */
function listening(): { handler: Handler; asked: WriteOptions[] } {
  const asked: WriteOptions[] = [];
  class Listening extends MemoryHandler {
    override checkOptions(options: WriteOptions): void {
      asked.push(options);
      super.checkOptions(options);
    }
  }
  return { handler: new Listening(), asked };
}

function visit() {
  return { request: new Request("https://shop.example/"), responseHeaders: new Headers() };
}

describe("a session", () => {
  it("says with each write how long it may sit unused, and no longer than it may live", async () => {
    for (const [maxAge, idleTimeout] of [
      [7200, 3600],
      [3600, 7200],
    ] as const) {
      const { handler, asked } = listening();
      const session = await useFileSession<{ n?: number }>(visit(), {
        handler,
        maxAge,
        idleTimeout,
      });

      await session.update({ n: 1 });
      await session.replace({ n: 2 });
      await session.flash("said", true);
      await session.remember(60);
      await session.tag("Ada");
      await session.regenerate({ grace: 5 });

      expect(asked.map((options) => options.idleTimeout)).toEqual(Array(6).fill(3600));
    }
  });

  it("is held by an async update, and by no other, whatever that gives", async () => {
    const { handler, asked } = listening();
    const validate = async (value: unknown) => ({ value: value as { n?: number } });
    const schema = { "~standard": { version: 1, vendor: "test", validate } } as const;
    const session = await useFileSession(visit(), { handler, schema });

    await session.update(async () => ({ n: 1 }));
    await session.update(() => Promise.resolve({ n: 2 }));
    await session.update({ n: 3 });

    expect(asked.map(({ lock }) => lock)).toEqual([true, false, false]);
  });
});
