// What one request says to the next.

import { expect, it } from "vitest";
import { useFileSession } from "../src/index.ts";
import type { H3EventLike } from "../src/session/event.ts";
import type { FileSession } from "../src/session/file-session.ts";
import { filesIn, tempDir } from "./_dir.ts";
import { describeH3, type H3 } from "./_h3.ts";

interface Data {
  n: number;
}

async function site(h3: H3) {
  const fileDir = tempDir();
  const use = (event: H3EventLike): Promise<FileSession<Data>> =>
    useFileSession<Data>(event, { fileDir });
  const served = await h3.serve({
    "/say": async (event) => {
      const session = await use(event);
      await session.flash("notice", "Saved");
      await session.flash("at", new Date(0));
      return session.data;
    },
    "/hear": async (event) => (await use(event)).flashed(),
    "/hear-twice": async (event) => {
      const session = await use(event);
      return [await session.flashed(), await session.flashed()];
    },
    "/": async (event) => (await use(event)).data,
    "/update": async (event) =>
      (await (await use(event)).update((data) => ({ n: (data.n ?? 0) + 1 }))).data,
    "/replace": async (event) => (await (await use(event)).replace({ n: 5 })).data,
    "/regenerate": async (event) => (await (await use(event)).regenerate()).data,
    "/keep": async (event) => {
      const session = await use(event);
      const heard = await session.flashed();
      await session.keep();
      return heard;
    },
    "/keep-notice": async (event) => {
      const session = await use(event);
      await session.flashed();
      await session.keep("notice", "nothing");
      return {};
    },
    "/keep-unheard": async (event) => {
      await (await use(event)).keep();
      return {};
    },
    "/answer": async (event) => {
      const session = await use(event);
      await session.flash("notice", "Next");
      return session.flashed();
    },
  });
  return { fileDir, served, visitor: served.visitor() };
}

const said = { notice: "Saved", at: "1970-01-01T00:00:00.000Z" };

describeH3("session.flash", (h3) => {
  it("is heard by the next request that asks, and by no other", async () => {
    const { visitor } = await site(h3);
    const say = await visitor.get("/say");
    expect([say.json, say.cookies.length]).toEqual([{}, 1]); // it is no data, and begins the session
    expect((await visitor.get("/hear")).json).toEqual(said);
    expect((await visitor.get("/hear")).json).toEqual({});
  });

  it("waits for a request that asks, whatever others do", async () => {
    const { visitor } = await site(h3);
    await visitor.get("/say");
    expect((await visitor.get("/")).json).toEqual({});
    expect((await visitor.get("/update")).json).toEqual({ n: 1 });
    expect((await visitor.get("/replace")).json).toEqual({ n: 5 });
    expect((await visitor.get("/regenerate")).json).toEqual({ n: 5 });
    expect((await visitor.get("/hear")).json).toEqual(said);
    expect((await visitor.get("/")).json).toEqual({ n: 5 });
  });

  it("is heard by one of twenty requests that ask at once", async () => {
    const { visitor } = await site(h3);
    await visitor.get("/say");
    const answers = await Promise.all(Array.from({ length: 20 }, () => visitor.get("/hear")));
    const heard = answers.map(({ json }) => json).filter((json) => Object.keys(json as object)[0]);
    expect(heard).toEqual([said]);
  });

  it("is for the next request, not for the one that says it", async () => {
    const { visitor } = await site(h3);
    await visitor.get("/say");
    expect((await visitor.get("/answer")).json).toEqual({ at: said.at });
    expect((await visitor.get("/hear")).json).toEqual({ notice: "Next" });
  });
});

describeH3("session.flashed", (h3) => {
  it("gives the same again to the same request", async () => {
    const { visitor } = await site(h3);
    await visitor.get("/say");
    expect((await visitor.get("/hear-twice")).json).toEqual([said, said]);
  });

  it("begins no session, and writes nothing where nothing was said", async () => {
    const { visitor, fileDir } = await site(h3);
    const { json, cookies } = await visitor.get("/hear");
    expect([json, cookies, filesIn(fileDir)]).toEqual([{}, [], []]);
  });
});

describeH3("session.keep", (h3) => {
  it("says it again to the next request, all or some of it", async () => {
    const { visitor } = await site(h3);
    await visitor.get("/say");
    expect((await visitor.get("/keep")).json).toEqual(said);
    await visitor.get("/keep-unheard");
    await visitor.get("/keep-notice");
    expect((await visitor.get("/hear")).json).toEqual({ notice: "Saved" });
    expect((await visitor.get("/hear")).json).toEqual({});
  });
});

describeH3("a key of the session's own", (h3) => {
  it.each(["~flash", "~version"])("%s is refused as data: ERR_SESSION_DATA", async (key) => {
    const fileDir = tempDir();
    const served = await h3.serve({
      "/": async (event) =>
        (await (await useFileSession(event, { fileDir })).update({ [key]: 1 })).data,
    });
    expect((await served.visitor().get("/")).status).toBe(500);
    expect(filesIn(fileDir)).toEqual([]);
  });
});
