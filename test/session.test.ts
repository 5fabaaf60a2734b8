import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { expect, it, vi } from "vitest";
import { FileHandler } from "../src/file/handler.ts";
import { type FileSessionConfig } from "../src/session/config.ts";
import type { H3EventLike } from "../src/session/event.ts";
import { useFileSession } from "../src/session/use.ts";
import { describeH3 } from "./_h3.ts";
import { filesIn, tempDir } from "./_dir.ts";

interface Data {
  user?: number;
  cart?: string[];
  n?: number;
  [key: `k${number}`]: boolean;
}

/** `useFileSession` in a directory of its own, and what stands there. */
function place(config: FileSessionConfig = {}) {
  const fileDir = tempDir();
  return {
    fileDir,
    use: (event: H3EventLike, more: FileSessionConfig = {}) =>
      useFileSession<Data>(event, { fileDir, ...config, ...more }),
    files: () => filesIn(fileDir),
    fileOf: (id: string | undefined) => join(fileDir, `sess_${id}`),
  };
}

function sha256(text: string | undefined): string {
  return createHash("sha256")
    .update(text ?? "")
    .digest("hex");
}

/** A promise and the function that resolves it. */
function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

function setClock(seconds: number): void {
  vi.setSystemTime(new Date(Date.UTC(2030, 0, 1) + seconds * 1000));
}

describeH3("useFileSession", (h3) => {
  it("gives a visitor who stores nothing an empty session, no cookie and no file", async () => {
    const { use, files } = place();
    const site = await h3.serve({
      "/": async (event) => {
        const { id, data, isNew, time, touched, expires, ip } = await use(event);
        return { id: id ?? null, data, isNew, others: [time, touched, expires, ip] };
      },
    });
    const answer = await site.visitor().get("/");
    const others = [null, null, null, null];
    expect(answer.json).toEqual({ id: null, data: {}, isNew: true, others });
    expect(answer.cookies).toEqual([]);
    expect(files()).toEqual([]);
  });

  it("begins the session with the first update; the next request has it", async () => {
    const { use, files } = place();
    const site = await h3.serve({
      "/login": async (event) => {
        const session = await (await use(event)).update({ user: 7 });
        return { id: session.id, data: session.data, isNew: session.isNew };
      },
      "/": async (event) => {
        const session = await use(event);
        return { id: session.id, data: session.data, isNew: session.isNew };
      },
    });
    const visitor = site.visitor();
    const login = await visitor.get("/login");
    const id = sha256(visitor.cookies.get("session"));
    expect(login.json).toEqual({ id, data: { user: 7 }, isNew: true });
    expect(files()).toEqual([`sess_${id}`]);
    const next = await visitor.get("/");
    expect(next.json).toEqual({ id, data: { user: 7 }, isNew: false });
    expect(next.cookies).toEqual([]);
  });

  it("is one session, read once, for all calls of a request", async () => {
    const { use, fileDir } = place();
    const handler = new FileHandler({ fileDir });
    const site = await h3.serve({
      "/": async (event) => {
        const [first, second] = await Promise.all([
          use(event, { handler }),
          use(event, { handler }),
        ]);
        const third = await use(event, { handler });
        await first.update({ n: 1 });
        return [first === second, first === third, third.data.n];
      },
    });
    const visitor = site.visitor();
    await visitor.get("/");
    const retrieve = vi.spyOn(handler, "retrieve");
    expect((await visitor.get("/")).json).toEqual([true, true, 1]);
    expect(retrieve).toHaveBeenCalledTimes(1);
  });

  it("is two sessions for two names", async () => {
    const { use, files } = place();
    const site = await h3.serve({
      "/": async (event) => {
        await (await use(event)).update({ user: 1 });
        await (await use(event, { name: "basket" })).update({ cart: ["apple"] });
        return "";
      },
      "/both": async (event) => [
        (await use(event)).data,
        (await use(event, { name: "basket" })).data,
      ],
    });
    const visitor = site.visitor();
    await visitor.get("/");
    expect([...visitor.cookies.keys()]).toEqual(["session", "basket"]);
    expect(files()).toHaveLength(2);
    expect((await visitor.get("/both")).json).toEqual([{ user: 1 }, { cart: ["apple"] }]);
  });

  it("is a miss under the name of another cookie, though handler and token are right", async () => {
    const { use, files } = place();
    const site = await h3.serve({
      "/": async (event) => (await (await use(event)).update({ user: 1 })).id,
      "/admin": async (event) => {
        const session = await use(event, { name: "admin" });
        const read = session.data;
        await session.clear();
        return read;
      },
      "/read": async (event) => (await use(event)).data,
    });
    const visitor = site.visitor();
    await visitor.get("/");
    const token = visitor.cookies.get("session");
    const swapped = { cookie: `admin=${token}` };
    expect((await site.visitor().get("/admin", swapped)).json).toEqual({});
    expect(files()).toHaveLength(1);
    expect((await visitor.get("/read")).json).toEqual({ user: 1 });
  });

  it("takes a record that names no cookie, which only the app can make, until its first change", async () => {
    const { use, fileDir } = place();
    const handler = new FileHandler({ fileDir });
    const token = "A".repeat(43);
    await handler.store(sha256(token), { n: 1 });
    const site = await h3.serve({
      "/": async (event) => (await use(event)).data,
      "/admin": async (event) => (await use(event, { name: "admin" })).data,
      "/update": async (event) => (await (await use(event)).update({ n: 2 })).data,
    });
    const visitor = site.visitor();
    for (const name of ["session", "admin"]) visitor.cookies.set(name, token);
    expect((await visitor.get("/admin")).json).toEqual({ n: 1 });
    expect((await visitor.get("/update")).json).toEqual({ n: 2 });
    expect((await visitor.get("/")).json).toEqual({ n: 2 });
    expect((await visitor.get("/admin")).json).toEqual({});
  });

  it("is another session for another request that was handed the same context", async () => {
    // What nitropack does with the context of a page for the requests it makes while it is
    // rendered.
    const { use } = place();
    const contexts: object[] = [];
    const site = await h3.serve({
      "/": async (event) => {
        contexts.push(event.context);
        Object.assign(event.context, contexts[0]);
        for (const key of Object.getOwnPropertySymbols(contexts[0] ?? {}))
          Reflect.set(event.context, key, Reflect.get(contexts[0] ?? {}, key));
        const session = await use(event);
        await session.update((data) => ({ n: (data.n ?? 0) + 1 }));
        return session.data.n;
      },
    });
    expect((await site.visitor().get("/")).text).toBe("1");
    expect((await site.visitor().get("/")).text).toBe("1");
  });

  it("makes no file for a token it did not give out, and sends no cookie", async () => {
    const { use, files } = place();
    const handler = new FileHandler({ fileDir: tempDir() });
    const retrieve = vi.spyOn(handler, "retrieve");
    const site = await h3.serve({
      "/": async (event) => {
        await use(event, { handler });
        const session = await use(event);
        return session.data;
      },
    });
    const unknown = "A".repeat(43);
    const answer = await site.visitor().get("/", { cookie: `session=${unknown}` });
    expect([answer.text, answer.cookies, files()]).toEqual(["{}", [], []]);
    expect(retrieve).toHaveBeenCalledTimes(1); // and no retry
  });

  it("does not look at the disk for what cannot be a token", async () => {
    const { use, fileDir } = place();
    const handler = new FileHandler({ fileDir });
    const retrieve = vi.spyOn(handler, "retrieve");
    const site = await h3.serve({ "/": async (event) => (await use(event, { handler })).data });
    const junk = ["", "x", "../../etc/passwd", "A".repeat(42), "A".repeat(44), "a".repeat(4000)];
    // The last of 43 characters carries 4 bits: `B` would decode to the same bytes as `A`.
    junk.push(`${"A".repeat(42)}B`, `${"A".repeat(42)}=`, "%41".repeat(43), `"${"A".repeat(43)}"`);
    for (const text of junk) {
      const answer = await site.visitor().get("/", { cookie: `session=${text}` });
      expect([answer.status, answer.text, answer.cookies]).toEqual([200, "{}", []]);
    }
    expect(retrieve).not.toHaveBeenCalled();
  });

  it("takes a token, not a record's id, which is its hash", async () => {
    const { use } = place();
    const site = await h3.serve({
      "/": async (event) => (await (await use(event)).update({ user: 1 })).id,
      "/read": async (event) => (await use(event)).data,
    });
    const id = (await site.visitor().get("/")).text;
    const stolen = { cookie: `session=${id}` };
    expect((await site.visitor().get("/read", stolen)).json).toEqual({});
  });

  it("begins a session under a new token when the one it was sent is unknown", async () => {
    const { use, files } = place();
    const site = await h3.serve({
      "/": async (event) => (await (await use(event)).update({ n: 1 })).id,
    });
    const planted = "A".repeat(43);
    const visitor = site.visitor();
    const answer = await visitor.get("/", { cookie: `session=${planted}` });
    expect(answer.text).not.toBe(sha256(planted));
    expect(answer.text).toBe(sha256(visitor.cookies.get("session")));
    expect(files()).toEqual([`sess_${answer.text}`]);
  });

  it("takes the first of several cookies of one name that is a session, and looks at four at most", async () => {
    const { use } = place();
    const site = await h3.serve({
      "/login": async (event) => (await (await use(event)).update({ user: 1 })).id,
      "/": async (event) => (await use(event)).data,
    });
    const visitor = site.visitor();
    await visitor.get("/login");
    const token = visitor.cookies.get("session") ?? "";
    const cookies = (count: number) => ({
      cookie: [...Array<string>(count).fill("A".repeat(43)), "junk", token]
        .map((value) => `session=${value}`)
        .join("; "),
    });
    expect((await site.visitor().get("/", cookies(3))).json).toEqual({ user: 1 });
    expect((await site.visitor().get("/", cookies(4))).json).toEqual({});
  });

  it("does not wait for a lock to read", async () => {
    const { use, fileDir } = place();
    const site = await h3.serve({
      "/login": async (event) => (await (await use(event)).update({ user: 1 })).id,
      "/": async (event) => (await use(event)).data,
    });
    const visitor = site.visitor();
    const id = (await visitor.get("/login")).text;
    await using handler = new FileHandler({ fileDir });
    await handler._acquireLock(id);
    expect((await visitor.get("/")).json).toEqual({ user: 1 });
  });

  it("can be taken apart, as h3's can", async () => {
    const { use } = place();
    const site = await h3.serve({
      "/": async (event) => {
        const { update, replace, regenerate, clear } = await use(event);
        const sessions = [await update({ n: 1 }), await regenerate(), await replace({ n: 2 })];
        const { data } = await clear();
        return [new Set(sessions).size, data];
      },
    });
    expect((await site.visitor().get("/")).json).toEqual([1, {}]);
  });

  it("holds the token that `generateId` makes", async () => {
    const { use } = place({ generateId: () => "chosen-by-the-app" });
    const site = await h3.serve({
      "/": async (event) => (await (await use(event)).update({ n: 1 })).id,
      "/read": async (event) => (await use(event)).data,
    });
    const visitor = site.visitor();
    expect((await visitor.get("/")).text).toBe(sha256("chosen-by-the-app"));
    expect(visitor.cookies.get("session")).toBe("chosen-by-the-app");
    expect((await visitor.get("/read")).json).toEqual({ n: 1 });
  });

  it("has its directory cleaned every `cleanInterval` seconds from the first use on, unless that is off", async () => {
    const timers = vi.spyOn(globalThis, "setInterval");
    const { use } = place();
    const site = await h3.serve({
      "/never": async (event) => (await use(event, { cleanInterval: 0 })).data,
      "/off": async (event) => (await use(event, { cleanInterval: false })).data,
      "/": async (event) => (await use(event, { cleanInterval: 60 })).data,
    });
    const visitor = site.visitor();
    const cleanings = () => timers.mock.calls.filter(([, ms]) => ms === 60_000).length;
    await visitor.get("/never");
    await visitor.get("/off");
    expect(cleanings()).toBe(0);
    await visitor.get("/");
    await visitor.get("/");
    expect(cleanings()).toBe(1);
  });

  it("shows neither token nor data when it is logged", async () => {
    const { use } = place();
    let shown = "";
    const site = await h3.serve({
      "/": async (event) => {
        const session = await (await use(event)).update({ cart: ["a secret wish"] });
        shown = inspect(session) + JSON.stringify(session);
        return session.id;
      },
    });
    const visitor = site.visitor();
    const id = (await visitor.get("/")).text;
    expect(shown.split(id)).toHaveLength(3);
    expect(shown).not.toContain(visitor.cookies.get("session"));
    expect(shown).not.toContain("wish");
  });
});

describeH3("session.update", (h3) => {
  it("merges key by key, and gives back what a session can hold as it was", async () => {
    const fileDir = tempDir();
    interface Rich {
      at?: Date;
      seen?: Map<string, Set<number>>;
      kept?: bigint;
    }
    let read: Partial<Rich> = {};
    const site = await h3.serve({
      "/": async (event) => {
        const session = await useFileSession<Rich>(event, { fileDir });
        await session.update({ kept: 5n, at: new Date(0) });
        await session.update({ at: new Date(1), seen: new Map([["a", new Set([1])]]) });
        return "";
      },
      "/read": async (event) => {
        read = (await useFileSession<Rich>(event, { fileDir })).data;
        return "";
      },
    });
    const visitor = site.visitor();
    await visitor.get("/");
    await visitor.get("/read");
    expect(read).toEqual({ kept: 5n, at: new Date(1), seen: new Map([["a", new Set([1])]]) });
  });

  it("hands a function the freshest data, not this request's snapshot", async () => {
    const { use } = place();
    const [read, written] = [gate(), gate()];
    const site = await h3.serve({
      "/": async (event) => {
        await (await use(event)).update((data) => ({ n: (data.n ?? 0) + 1 }));
        return "";
      },
      "/slow": async (event) => {
        const session = await use(event);
        read.open();
        await written.opened;
        const before = session.data.n;
        await session.update(async (data) => ({ n: (data.n ?? 0) + 1 }));
        return [before, session.data.n];
      },
    });
    const visitor = site.visitor();
    await visitor.get("/");
    const slow = visitor.get("/slow");
    await read.opened;
    await visitor.get("/");
    written.open();
    expect((await slow).json).toEqual([1, 3]);
  });

  it("writes nothing when the function gives undefined, and begins no session", async () => {
    const { use, files } = place();
    const site = await h3.serve({
      "/": async (event) => {
        const session = await use(event);
        await session.update(() => undefined);
        await session.update(async () => undefined);
        return { id: session.id ?? null };
      },
    });
    const answer = await site.visitor().get("/");
    expect([answer.json, answer.cookies, files()]).toEqual([{ id: null }, [], []]);
  });

  it("writes nothing when the function throws, and hands its error on", async () => {
    const { use, files } = place();
    const site = await h3.serve({
      "/": async (event) => {
        const session = await use(event);
        return session
          .update(() => {
            throw new Error("no stock");
          })
          .catch((error: Error) => error.message);
      },
    });
    const answer = await site.visitor().get("/");
    expect([answer.text, answer.cookies, files()]).toEqual(["no stock", [], []]);
  });

  it("loses none of twenty keys that twenty parallel requests add", async () => {
    const { use } = place();
    const site = await h3.serve({
      "/": async (event) => {
        const { searchParams } = new URL(requestPath(event), "http://localhost");
        const key = `k${Number(searchParams.get("key"))}` as const;
        const session = await use(event);
        await (Number(searchParams.get("key")) % 2
          ? session.update({ [key]: true })
          : session.update(async () => ({ [key]: true })));
        return "";
      },
      "/read": async (event) => Object.keys((await use(event)).data),
    });
    const visitor = site.visitor();
    await visitor.get("/?key=0");
    const numbers = Array.from({ length: 20 }, (_, i) => i + 1);
    await Promise.all(numbers.map((i) => visitor.get(`/?key=${i}`)));
    expect((await visitor.get("/read")).json).toHaveLength(21);
  });

  it("begins one session however many updates begin it at once", async () => {
    const { use, files } = place();
    const site = await h3.serve({
      "/": async (event) => {
        const session = await use(event);
        await Promise.all([
          session.update({ k1: true }),
          session.update(async () => ({ k2: true })),
          session.update({ k3: true }),
        ]);
        return Object.keys(session.data).sort();
      },
    });
    const answer = await site.visitor().get("/");
    expect(answer.json).toEqual(["k1", "k2", "k3"]);
    expect(answer.cookies).toHaveLength(1);
    expect(files()).toHaveLength(1);
  });

  it("does not bring back a session that was destroyed after this request had read it", async () => {
    const { use, files } = place();
    const [read, loggedOut] = [gate(), gate()];
    const site = await h3.serve({
      "/login": async (event) => (await (await use(event)).update({ user: 1 })).id,
      "/logout": async (event) => {
        await (await use(event)).clear();
        return "";
      },
      "/slow": async (event) => {
        const session = await use(event);
        read.open();
        await loggedOut.opened;
        await session.update({ n: 1 });
        return "";
      },
    });
    const visitor = site.visitor();
    await visitor.get("/login");
    const slow = visitor.get("/slow");
    await read.opened;
    await visitor.get("/logout");
    loggedOut.open();
    expect(await slow).toMatchObject({ status: 409, cookies: [] });
    expect(files()).toEqual([]);
  });

  it("refuses data that cannot be stored, naming the path, and leaves the session as it was", async () => {
    const { use } = place();
    const site = await h3.serve({
      "/": async (event) => {
        const session = await use(event);
        await session.update({ n: 1 });
        const refused: unknown[] = [
          { n: () => 1 },
          JSON.parse('{ "__proto__": { "admin": true } }'),
          [1],
          new Map(),
          null,
        ];
        const messages = await Promise.all(
          refused.map((patch) =>
            session.update(patch as Data).catch((error: Error) => error.message),
          ),
        );
        return [messages, session.data, "admin" in {}];
      },
    });
    const refusals = ["data.n", "data.__proto__", "data: a", "data: a", "data: a"];
    const beginnings = refusals.map((refusal) => `Cannot store ${refusal}`);
    const [messages, data, isPolluted] = (await site.visitor().get("/")).json as [
      string[],
      Data,
      boolean,
    ];
    messages.forEach((message, i) => expect(message).toContain(beginnings[i]));
    expect([data, isPolluted]).toEqual([{ n: 1 }, false]);
  });

  it("sets no cookie when nothing could be stored", async () => {
    const { use, files } = place();
    const site = await h3.serve({
      "/": async (event) => {
        const session = await use(event);
        await session.update({ cart: ["x".repeat(2_000_000)] });
        return "";
      },
    });
    expect(await site.visitor().get("/")).toMatchObject({ status: 413, cookies: [] });
    expect(files()).toEqual([]);
  });

  it("reads data that other programs stored and that is no object with keys as none", async () => {
    const { use, fileDir } = place();
    const site = await h3.serve({
      "/login": async (event) => (await (await use(event)).update({ n: 1 })).id,
      "/": async (event) => {
        const session = await use(event);
        const before = session.data;
        return [before, (await session.update({ n: 2 })).data];
      },
    });
    const visitor = site.visitor();
    const id = (await visitor.get("/login")).text;
    await using handler = new FileHandler({ fileDir });
    await handler.store(id, ["not", "ours"]);
    expect((await visitor.get("/")).json).toEqual([{}, { n: 2 }]);
  });
});

describeH3("session.replace", (h3) => {
  it("makes the data exactly this, and begins a session too", async () => {
    const { use } = place();
    const site = await h3.serve({
      "/": async (event) => {
        const session = await use(event);
        await session.replace({ user: 1, n: 1 });
        return (await session.replace({ user: 2 })).data;
      },
      "/read": async (event) => (await use(event)).data,
    });
    const visitor = site.visitor();
    expect((await visitor.get("/")).json).toEqual({ user: 2 });
    expect((await visitor.get("/read")).json).toEqual({ user: 2 });
  });
});

describeH3("session.regenerate", (h3) => {
  it("gives a new token and id; data and creation time stay, the old token is dead", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { use, files } = place();
    const site = await h3.serve({
      "/begin": async (event) => (await (await use(event)).update({ n: 1 })).id,
      "/login": async (event) => {
        const session = await use(event);
        const { time } = session;
        await session.regenerate();
        await session.update({ user: 1 });
        return { kept: session.time === time, id: session.id, data: session.data };
      },
      "/": async (event) => (await use(event)).data,
    });
    const visitor = site.visitor();
    setClock(0);
    const oldId = (await visitor.get("/begin")).text;
    const oldToken = visitor.cookies.get("session");
    setClock(30);
    const login = await visitor.get("/login");
    const id = sha256(visitor.cookies.get("session"));
    expect(login.json).toEqual({ kept: true, id, data: { n: 1, user: 1 } });
    expect(login.cookies).toHaveLength(1);
    expect(id).not.toBe(oldId);
    expect(files()).toEqual([`sess_${id}`]);
    expect((await visitor.get("/")).json).toEqual({ n: 1, user: 1 });
    const old = { cookie: `session=${oldToken}` };
    expect((await site.visitor().get("/", old)).json).toEqual({});
  });

  it("lets one of two requests win, and makes no second session", async () => {
    const { use, files } = place();
    const [first, second, both] = [gate(), gate(), gate()];
    const handler = (loaded: { open: () => void }) => async (event: H3EventLike) => {
      const session = await use(event);
      loaded.open();
      await both.opened;
      await session.regenerate();
      return "";
    };
    const site = await h3.serve({
      "/begin": async (event) => (await (await use(event)).update({ n: 1 })).id,
      "/1": handler(first),
      "/2": handler(second),
    });
    const visitor = site.visitor();
    await visitor.get("/begin");
    const answers = Promise.all([visitor.get("/1"), visitor.get("/2")]);
    await Promise.all([first.opened, second.opened]);
    both.open();
    const outcomes = (await answers).map(({ status, cookies }) => [status, cookies.length]);
    expect(outcomes.sort()).toEqual([
      [200, 1],
      [409, 0],
    ]);
    expect(files()).toHaveLength(1);
  });

  it("does nothing while nothing is stored", async () => {
    const { use, files } = place();
    const site = await h3.serve({
      "/": async (event) => ({ id: (await (await use(event)).regenerate()).id ?? null }),
    });
    const answer = await site.visitor().get("/");
    expect([answer.json, answer.cookies, files()]).toEqual([{ id: null }, [], []]);
  });

  it("comes before an update that was asked for after it", async () => {
    const { use } = place();
    const site = await h3.serve({
      "/begin": async (event) => (await (await use(event)).update({ n: 1 })).id,
      "/": async (event) => {
        const session = await use(event);
        await Promise.all([session.regenerate(), session.update({ user: 1 })]);
        return session.data;
      },
    });
    const visitor = site.visitor();
    await visitor.get("/begin");
    expect((await visitor.get("/")).json).toEqual({ n: 1, user: 1 });
  });
});

describeH3("session.clear", (h3) => {
  it("destroys the session and takes the cookie back; its token is dead", async () => {
    const { use, files } = place();
    const site = await h3.serve({
      "/login": async (event) => (await (await use(event)).update({ user: 1 })).id,
      "/logout": async (event) => {
        const { id, data, isNew, time } = await (await use(event)).clear();
        return { id: id ?? null, data, isNew, time: time ?? null };
      },
      "/": async (event) => (await use(event)).data,
    });
    const visitor = site.visitor();
    await visitor.get("/login");
    const cookie = `session=${visitor.cookies.get("session")}`;
    const logout = await visitor.get("/logout");
    expect(logout.json).toEqual({ id: null, data: {}, isNew: true, time: null });
    expect(logout.cookies).toEqual([expect.stringMatching(/^session=; Max-Age=0; Path=\/;/)]);
    expect(files()).toEqual([]);
    expect((await site.visitor().get("/", { cookie })).json).toEqual({});
  });

  it("is followed by a new session, with no old data, when something is stored again", async () => {
    const { use, files } = place();
    const site = await h3.serve({
      "/login": async (event) => (await (await use(event)).update({ user: 1 })).id,
      "/again": async (event) => {
        const session = await use(event);
        await Promise.all([session.clear(), session.update((data) => ({ ...data, n: 1 }))]);
        return { id: session.id, data: session.data };
      },
    });
    const visitor = site.visitor();
    const oldId = (await visitor.get("/login")).text;
    const again = await visitor.get("/again");
    const id = sha256(visitor.cookies.get("session"));
    expect(id).not.toBe(oldId);
    expect(again.json).toEqual({ id, data: { n: 1 } });
    expect(again.cookies).toHaveLength(1);
    expect(files()).toEqual([`sess_${id}`]);
  });

  it("takes back a session that began in the same request", async () => {
    const { use, files } = place();
    const site = await h3.serve({
      "/": async (event) => {
        const session = await use(event);
        await session.update({ n: 1 });
        await session.clear();
        return "";
      },
    });
    const visitor = site.visitor();
    const answer = await visitor.get("/");
    expect(answer.cookies).toEqual([expect.stringContaining("Max-Age=0")]);
    expect([...visitor.cookies.keys()]).toEqual([]);
    expect(files()).toEqual([]);
  });

  it("sends nothing to a visitor who has no cookie, and takes a dead one back", async () => {
    const { use, fileDir } = place();
    const handler = new FileHandler({ fileDir });
    const remove = vi.spyOn(handler, "remove");
    const site = await h3.serve({
      "/": async (event) => {
        await (await use(event, { handler })).clear();
        return "";
      },
    });
    expect((await site.visitor().get("/")).cookies).toEqual([]);
    const dead = await site.visitor().get("/", { cookie: `session=${"A".repeat(43)}` });
    expect(dead.cookies).toEqual([expect.stringContaining("session=; Max-Age=0")]);
    expect(remove).not.toHaveBeenCalled();
  });
});

describeH3("session lifetimes", (h3) => {
  const lifetimes = (config: FileSessionConfig = {}) => {
    const { use, ...rest } = place(config);
    const routes = {
      "/login": async (event: H3EventLike) => (await (await use(event)).update({ user: 1 })).id,
      "/": async (event: H3EventLike) => (await use(event)).data,
      "/moments": async (event: H3EventLike) => {
        const { time = 0, touched = 0, expires = 0 } = await use(event);
        return [touched - time, expires - time].map((ms) => ms / 1000);
      },
    };
    return { use, routes, ...rest };
  };

  it("ends a session a day after its last use", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { routes } = lifetimes();
    const visitor = (await h3.serve(routes)).visitor();
    setClock(0);
    await visitor.get("/login");
    setClock(86_399);
    expect((await visitor.get("/")).json).toEqual({ user: 1 });
    setClock(86_399 + 86_399);
    expect((await visitor.get("/")).json).toEqual({ user: 1 });
    setClock(86_399 + 86_399 + 86_400);
    expect((await visitor.get("/")).json).toEqual({});
  });

  it("ends a session a week after its creation, however much it is used", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { routes } = lifetimes();
    const visitor = (await h3.serve(routes)).visitor();
    setClock(0);
    await visitor.get("/login");
    for (let day = 0.9; day < 7; day += 0.9) {
      setClock(day * 86_400);
      expect((await visitor.get("/")).json).toEqual({ user: 1 });
    }
    setClock(604_800);
    expect((await visitor.get("/")).json).toEqual({});
  });

  it("says when it began, when it was last used, and when it ends unless it is used", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { routes } = lifetimes({ maxAge: 1000, idleTimeout: 600 });
    const visitor = (await h3.serve(routes)).visitor();
    setClock(0);
    await visitor.get("/login");
    expect((await visitor.get("/moments")).json).toEqual([0, 600]);
    setClock(300);
    expect((await visitor.get("/moments")).json).toEqual([300, 900]);
    setClock(500);
    expect((await visitor.get("/moments")).json).toEqual([500, 1000]);
  });

  it("does not write to a session that ended while the request held it", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { use, routes } = lifetimes();
    const site = await h3.serve({
      ...routes,
      "/long": async (event) => {
        const session = await use(event);
        setClock(86_400);
        return session.update({ n: 1 }).catch((error: { code: string }) => error.code);
      },
    });
    const visitor = site.visitor();
    setClock(0);
    await visitor.get("/login");
    expect((await visitor.get("/long")).text).toBe("ERR_SESSION_GONE");
  });

  it("notes the use of a session once a minute, and rewrites nothing for it", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { routes, fileOf } = lifetimes();
    const visitor = (await h3.serve(routes)).visitor();
    setClock(0);
    const file = fileOf((await visitor.get("/login")).text);
    const [content, { mtimeMs, ino }] = [readFileSync(file), statSync(file)];
    setClock(59);
    await visitor.get("/");
    expect(statSync(file).mtimeMs).toBe(mtimeMs);
    setClock(60);
    expect((await visitor.get("/")).cookies).toEqual([]);
    expect(statSync(file)).toMatchObject({ mtimeMs: mtimeMs + 60_000, ino });
    expect(readFileSync(file)).toEqual(content);
    setClock(119);
    await visitor.get("/");
    expect(statSync(file).mtimeMs).toBe(mtimeMs + 60_000);
  });

  it("notes it more often where the idle timeout is short, so that who stays active stays in", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { routes } = lifetimes({ idleTimeout: 10 });
    const visitor = (await h3.serve(routes)).visitor();
    for (let at = 0; at <= 54; at += 9) {
      setClock(at);
      expect((await visitor.get(at === 0 ? "/login" : "/")).text).not.toBe("{}");
    }
    setClock(64);
    expect((await visitor.get("/")).json).toEqual({});
  });

  it("serves a session whose use cannot be noted, with a warning", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { use, fileDir } = place();
    const handler = new FileHandler({ fileDir });
    const site = await h3.serve({
      "/login": async (event) => (await (await use(event, { handler })).update({ n: 1 })).id,
      "/": async (event) => (await use(event, { handler })).data,
    });
    const visitor = site.visitor();
    setClock(0);
    await visitor.get("/login");
    setClock(60);
    vi.spyOn(handler, "touch").mockRejectedValue(new Error("read-only file system"));
    const warning = vi.spyOn(process, "emitWarning").mockReturnValue();
    expect((await visitor.get("/")).json).toEqual({ n: 1 });
    expect(warning).toHaveBeenCalledWith(
      expect.stringContaining("read-only file system"),
      expect.objectContaining({ type: "SessionWarning" }),
    );
  });
});

function requestPath(event: H3EventLike): string {
  return "url" in event ? event.url.href : ((event as { path?: string }).path ?? "/");
}
