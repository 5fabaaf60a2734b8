import { expect, it } from "vitest";
import type { H3EventLike } from "../src/session/event.ts";
import { getFileSession } from "../src/session/get.ts";
import { requireFileSession } from "../src/session/require.ts";
import { useFileSession } from "../src/session/use.ts";
import { FileHandler } from "../src/index.ts";
import { filesIn, tempDir } from "./_dir.ts";
import { describeH3 } from "./_h3.ts";

interface Data {
  user?: number;
  cart?: string[];
  notice?: string;
}

/** The sessions of one site. */
function place() {
  const fileDir = tempDir();
  const use = (event: H3EventLike): ReturnType<typeof useFileSession<Data>> =>
    useFileSession<Data>(event, { fileDir });
  return {
    fileDir,
    use,
    look: (event: H3EventLike) => getFileSession<Data>(event, { fileDir }),
    demand: (event: H3EventLike) => requireFileSession<Data>(event, { fileDir }),
    /** Begins a session. */
    login: async (event: H3EventLike) => {
      const { id, data, touched } = await (await use(event)).update({ user: 7 });
      return { id, data, touched };
    },
  };
}

describeH3("session.unset", (h3) => {
  it("removes keys, as they are on disk, and leaves the others", async () => {
    const { use } = place();
    const site = await h3.serve({
      "/login": async (event) => (await (await use(event)).update({ user: 7, cart: ["tea"] })).data,
      "/empty": async (event) => (await (await use(event)).unset("cart", "notice")).data,
      "/": async (event) => (await use(event)).data,
    });
    const visitor = site.visitor();
    await visitor.get("/login");
    expect((await visitor.get("/empty")).json).toEqual({ user: 7 });
    expect((await visitor.get("/")).json).toEqual({ user: 7 });
  });

  it("begins no session, and writes nothing where the key is not", async () => {
    const { use, fileDir, login } = place();
    const site = await h3.serve({
      "/login": login,
      "/empty": async (event) => ({
        touched: (await (await use(event)).unset("cart")).touched ?? null,
      }),
    });
    expect((await site.visitor().get("/empty")).json).toEqual({ touched: null });
    expect(filesIn(fileDir)).toEqual([]);
    const visitor = site.visitor();
    const { json } = await visitor.get("/login");
    expect((await visitor.get("/empty")).json).toEqual({
      touched: (json as Data & { touched: number }).touched,
    });
  });
});

describeH3("session.pull", (h3) => {
  it("gives a value to one of those who ask for it at once", async () => {
    const { use } = place();
    const site = await h3.serve({
      "/say": async (event) => (await (await use(event)).update({ notice: "saved" })).data,
      "/hear": async (event) => ({ heard: await (await use(event)).pull("notice") }),
    });
    const visitor = site.visitor();
    await visitor.get("/say");
    const answers = await Promise.all(Array.from({ length: 10 }, () => visitor.get("/hear")));
    const heard = answers.map(({ json }) => (json as { heard?: string }).heard);
    expect(heard.filter((text) => text !== undefined)).toEqual(["saved"]);
  });

  it("gives undefined, and begins no session, when there is none", async () => {
    const { use, fileDir } = place();
    const site = await h3.serve({
      "/hear": async (event) => ({ heard: (await (await use(event)).pull("notice")) ?? null }),
    });
    const answer = await site.visitor().get("/hear");
    expect(answer.json).toEqual({ heard: null });
    expect(answer.cookies).toEqual([]);
    expect(filesIn(fileDir)).toEqual([]);
  });
});

describeH3("session.reload", (h3) => {
  it("reads what others have stored since", async () => {
    const { use, fileDir, login } = place();
    const other = new FileHandler({ fileDir });
    const site = await h3.serve({
      "/login": login,
      "/": async (event) => {
        const session = await use(event);
        await other.update(session.id ?? "", () => ({ user: 8 }));
        const before = session.data;
        return [before, (await session.reload()).data];
      },
    });
    const visitor = site.visitor();
    await visitor.get("/login");
    expect((await visitor.get("/")).json).toEqual([{ user: 7 }, { user: 8 }]);
  });

  it("finds out that the session is gone; the next update begins another", async () => {
    const { use, fileDir, login } = place();
    const other = new FileHandler({ fileDir });
    const site = await h3.serve({
      "/login": login,
      "/": async (event) => {
        const session = await use(event);
        const { id } = session;
        await other.remove(id ?? "");
        const { id: none, data, isNew } = await session.reload();
        await session.update({ user: 9 });
        return { none: none ?? null, data, isNew, isAnother: session.id !== id };
      },
    });
    const visitor = site.visitor();
    await visitor.get("/login");
    const { json } = await visitor.get("/");
    expect(json).toEqual({ none: null, data: {}, isNew: true, isAnother: true });
  });

  it("is nothing while there is no session", async () => {
    const { use } = place();
    const site = await h3.serve({
      "/": async (event) => ({ id: (await (await use(event)).reload()).id ?? null }),
    });
    expect((await site.visitor().get("/")).json).toEqual({ id: null });
  });
});

describeH3("getFileSession", (h3) => {
  it("gives the session that is there", async () => {
    const { look, login } = place();
    const site = await h3.serve({
      "/login": login,
      "/": async (event) => (await look(event))?.data ?? null,
    });
    const visitor = site.visitor();
    await visitor.get("/login");
    expect((await visitor.get("/")).json).toEqual({ user: 7 });
  });

  it("gives undefined when there is none, without cookie or file", async () => {
    const { look, fileDir } = place();
    const site = await h3.serve({
      "/": async (event) => ({ is: typeof (await look(event)) }),
    });
    const answer = await site.visitor().get("/");
    expect(answer.json).toEqual({ is: "undefined" });
    expect(answer.cookies).toEqual([]);
    expect(filesIn(fileDir)).toEqual([]);
  });

  it("does not wait for a lock", async () => {
    const { look, fileDir, login } = place();
    const other = new FileHandler({ fileDir });
    const site = await h3.serve({
      "/login": login,
      "/": async (event) => (await look(event))?.data ?? null,
    });
    const visitor = site.visitor();
    const { id } = (await visitor.get("/login")).json as { id: string };
    await other._acquireLock(id);
    expect((await visitor.get("/")).json).toEqual({ user: 7 });
    await other._releaseLock(id);
  });
});

describeH3("requireFileSession", (h3) => {
  it("gives the session that is there", async () => {
    const { demand, login } = place();
    const site = await h3.serve({
      "/login": login,
      "/": async (event) => (await (await demand(event)).update({ cart: ["tea"] })).data,
    });
    const visitor = site.visitor();
    await visitor.get("/login");
    expect((await visitor.get("/")).json).toEqual({ user: 7, cart: ["tea"] });
  });

  it("answers 401 when there is none", async () => {
    const { demand, fileDir } = place();
    const site = await h3.serve({ "/": async (event) => (await demand(event)).data });
    const answer = await site.visitor().get("/");
    expect(answer.status).toBe(401);
    expect(answer.cookies).toEqual([]);
    expect(filesIn(fileDir)).toEqual([]);
  });
});
