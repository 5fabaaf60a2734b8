// A new token while requests with the old one are still on their way.

import { createHash } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { expect, it, onTestFinished, vi } from "vitest";
import { isRecord } from "../src/core/handler.ts";
import type { H3EventLike } from "../src/session/event.ts";
import type { FileSession } from "../src/session/file-session.ts";
import { useFileSession } from "../src/session/use.ts";
import { FileHandler } from "../src/index.ts";
import { filesIn, tempDir } from "./_dir.ts";
import { describeH3, type H3, type Visitor } from "./_h3.ts";

interface Data {
  user: string;
  n: number;
}

/** A site where a visitor has a session, `{ n: 1 }`, and may log in with a grace. */
async function site(h3: H3, grace = 30) {
  const fileDir = tempDir();
  const use = (event: H3EventLike): Promise<FileSession<Data>> =>
    useFileSession<Data>(event, { fileDir });
  const routes = {
    "/begin": async (event: H3EventLike) => (await (await use(event)).update({ n: 1 })).data,
    "/login": async (event: H3EventLike) => {
      const session = await use(event);
      await session.update({ user: "Ada" });
      await session.regenerate({ grace });
      return session.data;
    },
    "/again": async (event: H3EventLike) => (await (await use(event)).regenerate({ grace })).data,
    "/": async (event: H3EventLike) => (await use(event)).data,
    "/write": async (event: H3EventLike) => (await (await use(event)).update({ n: 2 })).data,
    "/replaced": async (event: H3EventLike) => ({ is: (await use(event)).isReplaced }),
    "/flash": async (event: H3EventLike) => (await use(event)).flashed(),
    "/logout": async (event: H3EventLike) => (await (await use(event)).clear()).data,
  };
  const served = await h3.serve(routes);
  const visitor = served.visitor();
  await visitor.get("/begin");
  /** Somebody with the token the visitor has now. */
  const copy = (): Visitor => {
    const other = served.visitor();
    for (const [name, value] of visitor.cookies) other.cookies.set(name, value);
    return other;
  };
  return { fileDir, use, visitor, copy, serve: (more: object) => h3.serve({ ...routes, ...more }) };
}

describeH3("session.regenerate with a grace", (h3) => {
  it("has twenty requests with the old token read on, and gives none of them the new one", async () => {
    const { visitor, copy } = await site(h3);
    const late = Array.from({ length: 20 }, copy);

    const [login, ...answers] = await Promise.all([
      visitor.get("/login"),
      ...late.map((one) => one.get("/")),
    ]);

    expect(login.json).toEqual({ n: 1, user: "Ada" });
    for (const { status, json, cookies } of [
      ...answers,
      ...(await Promise.all(late.map((one) => one.get("/")))),
    ]) {
      expect([status, cookies]).toEqual([200, []]);
      expect(json).toMatchObject({ n: 1 });
    }
    for (const { json } of await Promise.all(late.map((one) => one.get("/"))))
      expect(json).toEqual({ n: 1, user: "Ada" });
    expect((await visitor.get("/")).json).toEqual({ n: 1, user: "Ada" });
  });

  it("lets a request with the old token change nothing: ERR_SESSION_GONE", async () => {
    const { visitor, copy, fileDir } = await site(h3);
    const old = copy();
    await visitor.get("/login");
    const before = filesIn(fileDir);

    for (const path of ["/write", "/logout"]) {
      const { status, cookies } = await old.get(path);
      expect([path, status, cookies]).toEqual([path, 409, []]);
    }
    expect((await old.get("/flash")).json).toEqual({});
    expect((await old.get("/replaced")).json).toEqual({ is: true });
    expect((await visitor.get("/replaced")).json).toEqual({ is: false });

    expect(filesIn(fileDir)).toEqual(before);
    expect((await visitor.get("/")).json).toEqual({ n: 1, user: "Ada" });
    expect((await old.get("/")).json).toEqual({ n: 1, user: "Ada" });
  });

  it("does not count a request with the old token as use of the session", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { visitor, copy, fileDir } = await site(h3, 3600);
    const old = copy();
    await visitor.get("/login");
    const touched = async (): Promise<number[]> => {
      const handler = new FileHandler({ fileDir });
      const all: number[] = [];
      for await (const id of handler.keys()) {
        const record = await handler.retrieve(id);
        if (isRecord(record)) all.push(record.touched);
      }
      return all;
    };
    const before = await touched();
    vi.setSystemTime(Date.now() + 600_000);
    expect((await old.get("/")).json).toEqual({ n: 1, user: "Ada" });
    expect(await touched()).toEqual(before);
  });

  it("ends: from then on the old token is a miss", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { visitor, copy } = await site(h3);
    const old = copy();
    await visitor.get("/login");
    vi.setSystemTime(Date.now() + 29_000);
    expect((await old.get("/")).json).toEqual({ n: 1, user: "Ada" });
    vi.setSystemTime(Date.now() + 2_000);
    expect((await old.get("/")).json).toEqual({});
    expect((await visitor.get("/")).json).toEqual({ n: 1, user: "Ada" });
  });

  it("reports each use of the old token after its end as `reuse`, and no use before", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { visitor, copy } = await site(h3);
    const old = copy();
    const idOf = (one: Visitor): string =>
      createHash("sha256")
        .update(one.cookies.get("session") ?? "")
        .digest("hex");
    await visitor.get("/login");
    const seen: unknown[] = [];
    const hear = (message: unknown): void => void seen.push(message);
    subscribe("filesession:reuse", hear);
    onTestFinished(() => void unsubscribe("filesession:reuse", hear));
    await old.get("/");
    await visitor.get("/");
    expect(seen).toEqual([]);
    vi.setSystemTime(Date.now() + 31_000);
    const { json, cookies } = await old.get("/");
    expect([json, cookies]).toEqual([{}, []]);
    await visitor.get("/");
    expect(seen).toEqual([{ id: idOf(old), to: idOf(visitor) }]);
    await old.get("/");
    expect(seen).toHaveLength(2);
  });

  it("ends with the session", async () => {
    const { visitor, copy } = await site(h3);
    const old = copy();
    await visitor.get("/login");
    await visitor.get("/logout");
    expect((await old.get("/")).json).toEqual({});
  });

  it("leads one hop, not from token to token", async () => {
    const { visitor, copy } = await site(h3);
    const oldest = copy();
    await visitor.get("/login");
    const old = copy();
    await visitor.get("/again");
    expect((await old.get("/")).json).toEqual({ n: 1, user: "Ada" });
    expect((await oldest.get("/")).json).toEqual({});
  });

  it("has a request follow that was not first; it changes nothing more", async () => {
    const { use, serve, visitor } = await site(h3);
    const opened = [gate(), gate()];
    const both = gate();
    const login = (index: number) => async (event: H3EventLike) => {
      const session = await use(event);
      opened[index]?.open();
      await both.opened;
      await session.regenerate({ grace: 30 });
      const after = { id: session.id, data: session.data };
      const written = await session.update({ user: "Ada" }).then(
        () => true,
        () => false,
      );
      return { ...after, written };
    };
    const served = await serve({ "/1": login(0), "/2": login(1) });
    const clients = [served.visitor(), served.visitor()];
    for (const client of clients)
      for (const [name, value] of visitor.cookies) client.cookies.set(name, value);

    const answers = Promise.all(clients.map((client, index) => client.get(`/${index + 1}`)));
    await Promise.all(opened.map(({ opened }) => opened));
    both.open();

    const outcomes = (await answers).map(({ status, cookies, json }) =>
      Object.assign(json as { id: string }, { status, cookies: cookies.length }),
    );
    outcomes.sort((a, b) => b.cookies - a.cookies);
    const { id } = outcomes[0] ?? {};
    expect(outcomes).toEqual([
      { id, data: { n: 1 }, written: true, status: 200, cookies: 1 },
      { id, data: expect.objectContaining({ n: 1 }), written: false, status: 200, cookies: 0 },
    ]);
  });

  it("prefers a live session to the one that an old token leads to", async () => {
    const { visitor, copy, serve } = await site(h3);
    const old = copy();
    await visitor.get("/login");
    const both = (await serve({})).visitor();
    const tokens = [old, visitor].map((one) => `session=${one.cookies.get("session")}`);
    const { status } = await both.get("/write", { cookie: tokens.join("; ") });
    expect(status).toBe(200);
    expect((await visitor.get("/")).json).toEqual({ n: 2, user: "Ada" });
  });

  it("is a number of seconds: ERR_SESSION_OPTION", async () => {
    for (const grace of [-1, Number.NaN, "5" as unknown as number]) {
      const { visitor } = await site(h3, grace);
      expect((await visitor.get("/again")).status).toBe(500);
      expect((await visitor.get("/")).json).toEqual({ n: 1 });
    }
  });
});

/** Somebody waits until another opens it. */
function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  onTestFinished(() => open());
  return { opened, open };
}
