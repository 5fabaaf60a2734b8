import { expect, it } from "vitest";
import { getFileSession } from "../src/session/get.ts";
import { requireFileSession } from "../src/session/require.ts";
import type { FileSession } from "../src/session/file-session.ts";
import type { SessionEvent } from "../src/session/session-event.ts";
import { useFileSession } from "../src/session/use.ts";
import { filesIn, tempDir } from "./_dir.ts";
import type { Routes } from "./_h3.ts";
import { describeWebSocket, type UpgradeRequest } from "./_websocket.ts";

interface Data {
  user?: number;
  said?: string[];
  notice?: string;
}

/** The sessions of one site, and its routes. */
function place(options: { checkIp?: boolean } = {}) {
  const fileDir = tempDir();
  const config = { fileDir, ...options };
  const use = (event: SessionEvent): Promise<FileSession<Data>> =>
    useFileSession<Data>(event, config);
  const routes: Routes = {
    "/login": async (event) => (await (await use(event)).update({ user: 7 })).data,
    "/logout": async (event) => (await (await use(event)).clear()).data,
    "/notice": async (event) => (await (await use(event)).update({ notice: "saved" })).data,
    "/": async (event) => (await use(event)).data,
  };
  return { fileDir, config, use, routes };
}

describeWebSocket("a peer's session", (h3) => {
  it("is that of the cookie it came with", async () => {
    const { use, routes } = place();
    const site = await h3.serve(routes, { message: async (peer) => (await use(peer)).data });
    const visitor = site.visitor();
    await visitor.get("/login");
    expect(await (await site.connect(visitor)).say("?")).toEqual({ user: 7 });
    expect(await (await site.connect(site.visitor())).say("?")).toEqual({});
  });

  it("is changed, and the next request sees it", async () => {
    const { use, routes } = place();
    const site = await h3.serve(routes, {
      message: async (peer, text) =>
        (await (await use(peer)).update(({ said = [] }) => ({ said: [...said, text] }))).data.said,
    });
    const visitor = site.visitor();
    await visitor.get("/login");
    const client = await site.connect(visitor);
    expect(await client.say("one")).toEqual(["one"]);
    expect(await client.say("two")).toEqual(["one", "two"]);
    expect((await visitor.get("/")).json).toEqual({ user: 7, said: ["one", "two"] });
  });

  it("has keys removed and values pulled", async () => {
    const { use, routes } = place();
    const site = await h3.serve(routes, {
      message: async (peer) => {
        const session = await use(peer);
        return [await session.pull("notice"), (await session.unset("user")).data];
      },
    });
    const visitor = site.visitor();
    await visitor.get("/login");
    await visitor.get("/notice");
    expect(await (await site.connect(visitor)).say("?")).toEqual(["saved", {}]);
    expect((await visitor.get("/")).json).toEqual({});
  });

  it("is read each time, so that what happens over HTTP is seen, a log-out too", async () => {
    const { use, routes } = place();
    const site = await h3.serve(routes, { message: async (peer) => (await use(peer)).data });
    const visitor = site.visitor();
    await visitor.get("/login");
    const client = await site.connect(visitor);
    expect(await client.say("?")).toEqual({ user: 7 });
    await visitor.get("/notice");
    expect(await client.say("?")).toEqual({ user: 7, notice: "saved" });
    await visitor.get("/logout");
    expect(await client.say("?")).toEqual({});
  });

  it("is read again by one who holds it", async () => {
    const { use, routes } = place();
    const held: FileSession<Data>[] = [];
    const site = await h3.serve(routes, {
      message: async (peer) => {
        held[0] ??= await use(peer);
        return (await held[0].reload()).data;
      },
    });
    const visitor = site.visitor();
    await visitor.get("/login");
    const client = await site.connect(visitor);
    await client.say("?");
    await visitor.get("/notice");
    expect(await client.say("?")).toEqual({ user: 7, notice: "saved" });
  });

  it("is destroyed, and the cookie that stays names nothing", async () => {
    const { use, routes, fileDir } = place();
    const site = await h3.serve(routes, {
      message: async (peer) => (await (await use(peer)).clear()).data,
    });
    const visitor = site.visitor();
    await visitor.get("/login");
    expect(await (await site.connect(visitor)).say("?")).toEqual({});
    expect(filesIn(fileDir)).toEqual([]);
    expect(visitor.cookies.has("session")).toBe(true);
    expect((await visitor.get("/")).json).toEqual({});
  });

  it("does not begin, and nothing is written", async () => {
    const { use, routes, fileDir } = place();
    const site = await h3.serve(routes, {
      message: async (peer, text) => (await use(peer)).update({ said: [text] }),
    });
    const client = await site.connect(site.visitor());
    expect(await client.say("?")).toBe("ERR_SESSION_HEADERS_SENT");
    expect(filesIn(fileDir)).toEqual([]);
  });

  it("gets no new token, and stays as it is", async () => {
    const { use, routes, fileDir } = place();
    const site = await h3.serve(routes, {
      message: async (peer) => (await use(peer)).regenerate(),
    });
    const visitor = site.visitor();
    await visitor.get("/login");
    const files = filesIn(fileDir);
    const client = await site.connect(visitor);
    expect(await client.say("?")).toBe("ERR_SESSION_HEADERS_SENT");
    expect(filesIn(fileDir)).toEqual(files);
    expect((await visitor.get("/")).json).toEqual({ user: 7 });
  });

  it("knows the client's address", async () => {
    const { use, routes } = place({ checkIp: true });
    const site = await h3.serve(routes, { message: async (peer) => (await use(peer)).data });
    const visitor = site.visitor();
    await visitor.get("/login");
    expect(await (await site.connect(visitor)).say("?")).toEqual({ user: 7 });
  });

  it("is looked at, and demanded", async () => {
    const { config, routes } = place();
    const site = await h3.serve(routes, {
      message: async (peer, text) =>
        text === "look"
          ? ((await getFileSession<Data>(peer, config))?.data ?? null)
          : (await requireFileSession<Data>(peer, config)).data,
    });
    const stranger = await site.connect(site.visitor());
    expect(await stranger.say("look")).toBeNull();
    expect(await stranger.say("demand")).toBe("ERR_SESSION_REQUIRED");
    const visitor = site.visitor();
    await visitor.get("/login");
    const client = await site.connect(visitor);
    expect(await client.say("look")).toEqual({ user: 7 });
    expect(await client.say("demand")).toEqual({ user: 7 });
  });
});

describeWebSocket("the session of an upgrade", (h3) => {
  it("decides whether it comes to a WebSocket", async () => {
    const { config, routes } = place();
    const site = await h3.serve(routes, {
      upgrade: async (request) =>
        (await getFileSession(request, config)) ? undefined : new Response(null, { status: 401 }),
    });
    const visitor = site.visitor();
    expect((await site.connect(visitor)).status).toBe(401);
    await visitor.get("/login");
    expect((await site.connect(visitor)).status).toBe(101);
  });

  it.runIf(h3.major === 2)("knows the client's address", async () => {
    const { use, routes } = place({ checkIp: true });
    const seen: unknown[] = [];
    const site = await h3.serve(routes, {
      upgrade: async (request) => {
        seen.push((await use(request)).data);
        return undefined;
      },
    });
    const visitor = site.visitor();
    await visitor.get("/login");
    await site.connect(visitor);
    expect(seen).toEqual([{ user: 7 }]);
  });

  it("does not begin without headers for it", async () => {
    const { use, routes, fileDir } = place();
    const refusals: unknown[] = [];
    const site = await h3.serve(routes, {
      upgrade: async (request) => {
        await (
          await use(request)
        )
          .update({ user: 8 })
          .catch((error: { code: string }) => refusals.push(error.code));
        return undefined;
      },
    });
    const client = await site.connect(site.visitor());
    expect([client.status, client.cookies]).toEqual([101, []]);
    expect(refusals).toEqual(["ERR_SESSION_HEADERS_SENT"]);
    expect(filesIn(fileDir)).toEqual([]);
  });

  it.runIf(h3.major === 2)("has an event on which it is read, but does not begin", async () => {
    const { use, routes, fileDir } = place();
    const outcomes: unknown[] = [];
    const site = await h3.serve(routes, {
      event: async (event) => {
        const session = await use(event);
        outcomes.push(session.data);
        const { data } = await session.update({ notice: "connected" }).catch(
          // The response that this event has is thrown away.
          (error: { code: string }) => ({ data: error.code }),
        );
        outcomes.push(data);
      },
    });
    const visitor = site.visitor();
    await site.connect(visitor);
    expect(filesIn(fileDir)).toEqual([]);
    await visitor.get("/login");
    await site.connect(visitor);
    expect(outcomes).toEqual([
      {},
      "ERR_SESSION_HEADERS_SENT",
      { user: 7 },
      { user: 7, notice: "connected" },
    ]);
  });

  it("begins in headers that the hook hands over, and can be held for as long as the peer", async () => {
    const { use, routes } = place();
    const site = await h3.serve(routes, {
      upgrade: async (request: UpgradeRequest & { context?: object }) => {
        const headers = new Headers();
        const session = await use({ request, responseHeaders: headers });
        await session.update({ user: 8 });
        if (request.context) Object.assign(request.context, { session }); // crossws 0.3
        return { headers, context: { session } }; // crossws 0.4
      },
      message: async ({ context }, text) => {
        const { session } = context as { session: FileSession<Data> };
        return (await session.update({ said: [text] })).data;
      },
    });
    const visitor = site.visitor();
    const client = await site.connect(visitor);
    expect(client.cookies).toEqual([
      expect.stringMatching(/^session=[\w-]{43}; Max-Age=604800; Path=\/; HttpOnly; SameSite=Lax$/),
    ]);
    expect(await client.say("hello")).toEqual({ user: 8, said: ["hello"] });
    visitor.cookies.set("session", /=([^;]*)/.exec(client.cookies[0] ?? "")?.[1] ?? "");
    expect((await visitor.get("/")).json).toEqual({ user: 8, said: ["hello"] });
  });
});
