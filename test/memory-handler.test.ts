import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { type FileSessionConfig, SessionError, useFileSession } from "../src/index.ts";
import { MemoryHandler, MemoryPlace, moveClock, testHandler } from "../src/testing.ts";
import { describeH3, type H3, type Site } from "./_h3.ts";

/** An app that counts visits, and those of two visitors at once. */
function served(h3: H3, config: FileSessionConfig): Promise<Site> {
  return h3.serve({
    "/": async (event) => {
      const session = await useFileSession<{ visits?: number; since?: Date }>(event, config);
      await session.update(({ visits = 0, since = new Date() }) => ({ visits: visits + 1, since }));
      return session.data;
    },
    "/look": async (event) => (await useFileSession(event, config)).data,
    "/login": async (event) => {
      const session = await useFileSession(event, config);
      await session.regenerate();
      await session.update({ user: "Ada" });
      return session.id;
    },
    "/logout": async (event) => {
      await (await useFileSession(event, config)).clear();
      return "";
    },
  });
}

describe("MemoryHandler, by a moved clock", () => {
  testHandler(it, () => {
    const place = new MemoryPlace();
    const { advance, restore } = moveClock();
    return { open: () => new MemoryHandler(place), advance, close: restore };
  });
});

describe("MemoryHandler", () => {
  it("finds a session by its tag that moves meanwhile, whichever turn it takes", async () => {
    for (let turns = -50; turns <= 50; turns++) {
      const handler = new MemoryHandler();
      for (const id of ["a", "b", "old"]) await handler.store(id, id, { tag: "Ada" });
      const turnsLater = async <T>(count: number, call: () => Promise<T>): Promise<T> => {
        for (let turn = 0; turn < count; turn++) await Promise.resolve();
        return call();
      };

      const [found] = await Promise.all([
        turnsLater(turns, () => handler.tagged("Ada")),
        turnsLater(-turns, () => handler.store("new", 2, { oldId: "old" })),
      ]);

      const either = expect.toBeOneOf(["old", "new"]) as string;
      expect(
        found.filter((id) => id.length > 1),
        `${turns} turns later`,
      ).toContainEqual(either);
    }
  });
});

describeH3("MemoryHandler", (h3) => {
  it("keeps the sessions of an app, each visitor's", async () => {
    const handler = new MemoryHandler();
    const site = await served(h3, { handler });
    const [ada, bob] = [site.visitor(), site.visitor()];

    for (const visitor of [ada, bob, ada]) await visitor.get("/");

    expect((await ada.get("/look")).json).toMatchObject({ visits: 2 });
    expect((await bob.get("/look")).json).toMatchObject({ visits: 1 });
    expect((await site.visitor().get("/look")).json).toEqual({});
    expect(handler.place.sessions.size).toBe(2);
  });

  it("loses no update of requests that come at once", async () => {
    const site = await served(h3, { handler: new MemoryHandler() });
    const visitor = site.visitor();
    await visitor.get("/");

    await Promise.all(Array.from({ length: 20 }, () => visitor.get("/")));

    expect((await visitor.get("/look")).json).toMatchObject({ visits: 21 });
  });

  it("moves a session at log-in, and destroys it at log-out", async () => {
    const handler = new MemoryHandler();
    const site = await served(h3, { handler });
    const visitor = site.visitor();
    await visitor.get("/");
    const thief = site.visitor();
    for (const cookie of visitor.cookies) thief.cookies.set(...cookie);

    const { text: id } = await visitor.get("/login");

    expect([...handler.place.sessions.keys()]).toEqual([id]);
    expect((await thief.get("/look")).json).toEqual({});
    expect((await visitor.get("/look")).json).toMatchObject({ user: "Ada", visits: 1 });
    await visitor.get("/logout");
    expect(handler.place.sessions.size).toBe(0);
  });

  it("ends a session when the moved clock says so, and has it cleaned by itself", async () => {
    const handler = new MemoryHandler();
    const site = await served(h3, { handler, idleTimeout: 3600, cleanInterval: 0.02 });
    const { advance, restore } = moveClock();
    onTestFinished(restore);
    const visitor = site.visitor();
    await visitor.get("/");
    advance(3500);
    await visitor.get("/look"); // is use
    advance(3500);
    expect((await visitor.get("/look")).json).toMatchObject({ visits: 1 });
    await sleep(60);
    expect(handler.place.sessions.size).toBe(1);

    advance(3601);

    await expect.poll(() => handler.place.sessions.size).toBe(0);
    expect((await visitor.get("/look")).json).toEqual({});
  });

  it("has the app answer as it would when a disk fails", async () => {
    class FullPlace extends MemoryPlace {
      isFull = false;
      override check(): void {
        if (this.isFull) throw new SessionError("ERR_SESSION_DIR", "The disk is full");
      }
    }
    const place = new FullPlace();
    const site = await served(h3, { handler: new MemoryHandler(place) });
    const visitor = site.visitor();
    await visitor.get("/");
    place.isFull = true;

    expect((await visitor.get("/look")).status).toBe(503);
    expect((await visitor.get("/")).status).toBe(503);

    place.isFull = false;
    expect((await visitor.get("/look")).json).toMatchObject({ visits: 1 });
  });

  it("is shared by the handlers of one place, and by no others", async () => {
    const place = new MemoryPlace();
    const [one, other, stranger] = [
      await served(h3, { handler: new MemoryHandler(place) }),
      await served(h3, { handler: new MemoryHandler(place) }),
      await served(h3, { handler: new MemoryHandler() }),
    ];
    const visitor = one.visitor();
    await visitor.get("/");
    const elsewhere = [other, stranger].map((site) => {
      const same = site.visitor();
      for (const cookie of visitor.cookies) same.cookies.set(...cookie);
      return same;
    });

    const seen = await Promise.all(elsewhere.map((same) => same.get("/look")));

    expect(seen.map(({ json }) => json)).toEqual([
      { visits: 1, since: expect.any(String) as string },
      {},
    ]);
  });
});
