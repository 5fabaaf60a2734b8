// Whose sessions these are.

import { describe, expect, it, vi } from "vitest";
import { FileHandler, fileSessions, type FileSessionConfig, useFileSession } from "../src/index.ts";
import type { H3EventLike } from "../src/session/event.ts";
import type { FileSession } from "../src/session/file-session.ts";
import { readConfig } from "../src/session/config.ts";
import { destroySessionsOf } from "../src/session/owners.ts";
import { filesIn, tempDir } from "./_dir.ts";
import { describeH3, type H3, type Site, type Visitor } from "./_h3.ts";

interface Data {
  user: string;
  device: string;
}

async function site(h3: H3, config: FileSessionConfig = {}) {
  const all = { fileDir: tempDir(), ...config };
  const use = (event: H3EventLike): Promise<FileSession<Data>> => useFileSession<Data>(event, all);
  const served = await h3.serve({
    "/ada": (event) => login(event, "Ada"),
    "/bob": (event) => login(event, "Bob"),
    "/": async (event) => (await use(event)).data,
    "/others": async (event) => (await use(event)).others(),
    "/destroy-others": async (event) => ({ count: await (await use(event)).destroyOthers() }),
    "/untag": async (event) => (await (await use(event)).tag(null)).data,
    "/regenerate": async (event) => (await (await use(event)).regenerate({ grace: 5 })).data,
    "/update": async (event) => (await (await use(event)).update({ device: "new" })).data,
  });
  async function login(event: H3EventLike, user: string) {
    const session = await use(event);
    await session.update({ user, device: "phone" });
    await session.tag(user);
    return { id: session.id };
  }
  return { all, served, sessions: fileSessions<Data>(all) };
}

/** A visitor who has logged in, and the id of the session. */
async function loggedIn(served: Site, path: string): Promise<{ visitor: Visitor; id: string }> {
  const visitor = served.visitor();
  const { json } = await visitor.get(path);
  return { visitor, id: (json as { id: string }).id };
}

const idsIn = (json: unknown): string[] => (json as { id: string }[]).map(({ id }) => id);

describeH3("session.tag", (h3) => {
  it("begins a session where there is none, and lets go of it with `null`", async () => {
    const all = { fileDir: tempDir() };
    const served = await h3.serve({
      "/": async (event) => (await (await useFileSession(event, all)).tag("Ada")).data,
      "/none": async (event) => (await (await useFileSession(event, all)).tag(null)).data,
    });
    const visitor = served.visitor();
    expect((await visitor.get("/")).cookies).toHaveLength(1);
    expect(await fileSessions(all).list("Ada")).toHaveLength(1);
    await visitor.get("/none");
    expect(await fileSessions(all).list("Ada")).toEqual([]);
    expect(await fileSessions(all).count()).toBe(1);
  });

  it("stays through updates, and through a new token", async () => {
    const { served, sessions } = await site(h3);
    const { visitor, id } = await loggedIn(served, "/ada");
    await visitor.get("/update");
    expect(idsIn(await sessions.list("Ada"))).toEqual([id]);
    await visitor.get("/regenerate");
    const [moved, ...more] = await sessions.list("Ada");
    expect([moved?.data, more]).toEqual([{ user: "Ada", device: "new" }, []]);
    expect(moved?.id).not.toBe(id);
  });

  it("has the sessions go that were given it longest ago, from `maxSessions` on", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { served, sessions } = await site(h3, { maxSessions: 2 });
    const later = (): void => void vi.setSystemTime(Date.now() + 1000);
    const first = await loggedIn(served, "/ada");
    const bob = await loggedIn(served, "/bob");
    later();
    const second = await loggedIn(served, "/ada");
    later();
    await first.visitor.get("/ada"); // logs in again: not the oldest any more
    later();
    const third = await loggedIn(served, "/ada");

    expect(idsIn(await sessions.list("Ada")).sort()).toEqual([first.id, third.id].sort());
    expect((await second.visitor.get("/")).json).toEqual({});
    expect((await bob.visitor.get("/")).json).toMatchObject({ user: "Bob" });
  });

  it("leaves `maxSessions` of ten log-ins at once", async () => {
    const { served, sessions } = await site(h3, { maxSessions: 3 });
    const all = await Promise.all(Array.from({ length: 10 }, () => served.visitor().get("/ada")));
    expect(all.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
    expect(await sessions.list("Ada")).toHaveLength(3);
  });

  it("is a text of 1 to 1024 characters: ERR_SESSION_OPTION, and begins no session", async () => {
    for (const tag of ["", "x".repeat(1025), 7 as unknown as string]) {
      const fileDir = tempDir();
      const served = await h3.serve({
        "/": async (event) => (await (await useFileSession(event, { fileDir })).tag(tag)).data,
      });
      const { status, cookies } = await served.visitor().get("/");
      expect([status, cookies, filesIn(fileDir)]).toEqual([500, [], []]);
    }
  });
});

describeH3("session.others", (h3) => {
  it("lists the user's other sessions, the one that was used last first", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { served } = await site(h3);
    const phone = await loggedIn(served, "/ada");
    const laptop = await loggedIn(served, "/ada");
    vi.setSystemTime(Date.now() + 5000);
    const tablet = await loggedIn(served, "/ada");
    await loggedIn(served, "/bob");
    vi.setSystemTime(Date.now() + 120_000);
    await laptop.visitor.get("/"); // counts as use

    const { json } = await phone.visitor.get("/others");

    expect(idsIn(json)).toEqual([laptop.id, tablet.id]);
    const [one] = json as Record<string, unknown>[];
    expect(Object.keys(one ?? {}).sort()).toEqual(
      ["data", "expires", "id", "ip", "time", "touched"].sort(),
    );
    expect(one).toMatchObject({ data: { user: "Ada", device: "phone" }, touched: Date.now() });
    for (const { visitor } of [laptop, tablet])
      expect(JSON.stringify(json)).not.toContain(visitor.cookies.get("session"));
  });

  it("lists no session that has ended, or is another cookie's", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { served, all } = await site(h3, { idleTimeout: 1000 });
    await loggedIn(served, "/ada");
    vi.setSystemTime(Date.now() + 1_001_000);
    const { visitor, id } = await loggedIn(served, "/ada");
    const admin = fileSessions({ ...all, name: "admin" });
    expect((await visitor.get("/others")).json).toEqual([]);
    expect(await admin.list("Ada")).toEqual([]);
    expect(await admin.destroyTagged("Ada")).toBe(0);
    expect(idsIn(await fileSessions(all).list("Ada"))).toEqual([id]);
  });

  it("lists nothing without a tag, or without a session", async () => {
    const { served } = await site(h3);
    const { visitor } = await loggedIn(served, "/ada");
    await visitor.get("/untag");
    await loggedIn(served, "/ada");
    expect((await visitor.get("/others")).json).toEqual([]);
    expect((await served.visitor().get("/others")).json).toEqual([]);
  });
});

describeH3("session.destroyOthers", (h3) => {
  it("logs the user out everywhere else, and nobody else", async () => {
    const { served, sessions } = await site(h3);
    const devices = [
      await loggedIn(served, "/ada"),
      await loggedIn(served, "/ada"),
      await loggedIn(served, "/ada"),
    ];
    const bob = await loggedIn(served, "/bob");

    const answer = await devices[0]?.visitor.get("/destroy-others");

    expect(answer?.json).toEqual({ count: 2 });
    const data = await Promise.all(
      devices.map(async ({ visitor }) => (await visitor.get("/")).json),
    );
    expect(data).toEqual([{ user: "Ada", device: "phone" }, {}, {}]);
    expect((await bob.visitor.get("/")).json).toMatchObject({ user: "Bob" });
    expect(await sessions.count()).toBe(2);
  });

  it("destroys nothing without a tag", async () => {
    const { served } = await site(h3);
    const { visitor } = await loggedIn(served, "/ada");
    await loggedIn(served, "/ada");
    await visitor.get("/untag");
    expect((await visitor.get("/destroy-others")).json).toEqual({ count: 0 });
  });
});

describe("fileSessions", () => {
  async function place() {
    const config = { fileDir: tempDir() };
    const handler = new FileHandler(config);
    const store = (id: string, tag?: string) =>
      handler.store(id, { id }, { cookieName: "session", ...(tag !== undefined && { tag }) });
    await Promise.all([store("a1", "Ada"), store("a2", "Ada"), store("b1", "Bob"), store("c1")]);
    return { config, handler, sessions: fileSessions(config) };
  }

  it("destroys a session by its id, and says whether there was one", async () => {
    const { sessions } = await place();
    expect(await sessions.destroy("a1")).toBe(true);
    expect(await sessions.destroy("a1")).toBe(false);
    expect(idsIn(await sessions.list("Ada"))).toEqual(["a2"]);
  });

  it("destroys those of a tag, except some, and says how many", async () => {
    const { sessions, handler } = await place();
    await handler.store("a3", {}, { tag: "Ada" });
    expect(await sessions.destroyTagged("Ada", { except: "a2" })).toBe(2);
    expect(idsIn(await sessions.list("Ada"))).toEqual(["a2"]);
    expect(await sessions.destroyTagged("Ada", { except: ["a2", "b1"] })).toBe(0);
    expect(await sessions.destroyTagged("Ada")).toBe(1);
    expect(await sessions.count()).toBe(2);
    const wrong = { except: 7 as unknown as string };
    await expect(sessions.destroyTagged("Bob", wrong)).rejects.toMatchObject({
      code: "ERR_SESSION_OPTION",
    });
    expect(await sessions.list("Bob")).toHaveLength(1);
  });

  it("destroys a session of the tag that is given a new id meanwhile", async () => {
    const { config, handler, sessions } = await place();
    const settings = readConfig(config);
    const tagged = handler.tagged.bind(handler);
    // Between the look at the index and the removal each session moves on, twice.
    let moves = 0;
    handler.tagged = async (tag) => {
      const ids = await tagged(tag);
      if (moves++ < 2)
        for (const id of ids) await handler.store(`${id}m`, {}, { oldId: id, mustExist: true });
      return ids;
    };
    await destroySessionsOf("Ada", { ...settings, handler });
    expect(await sessions.list("Ada")).toEqual([]);
    expect(await sessions.count()).toBe(2);
  });

  it("counts, and cleans what has not been used for `idleTimeout`", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    try {
      const { sessions, handler } = await place();
      expect(await sessions.count()).toBe(4);
      vi.setSystemTime(Date.now() + 86_000_000);
      await handler.touch("b1");
      vi.setSystemTime(Date.now() + 1_000_000);
      expect(await sessions.clean()).toMatchObject({ removed: 3, kept: 1, skipped: 0 });
      expect(await sessions.count()).toBe(1);
    } finally {
      vi.useRealTimers();
    }
  });

  it("lists data that does not fit the schema as empty, and destroys it", async () => {
    const { config } = await place();
    const schema = {
      "~standard": {
        version: 1 as const,
        vendor: "test",
        validate: () => ({ issues: [{ message: "no" }] }),
      },
    };
    const warning = vi.spyOn(process, "emitWarning").mockReturnValue();
    const sessions = fileSessions({ ...config, schema, onInvalid: "throw" });
    expect((await sessions.list("Bob")).map(({ data }) => data)).toEqual([{}]);
    expect(await sessions.destroyTagged("Bob")).toBe(1);
    warning.mockRestore();
  });
});
