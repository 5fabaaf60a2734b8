// Sessions that live as long as they were told to.

import { expect, it, vi } from "vitest";
import { FileHandler, type FileSessionConfig, fileSessions, useFileSession } from "../src/index.ts";
import type { H3EventLike } from "../src/session/event.ts";
import type { FileSession } from "../src/session/file-session.ts";
import { filesIn, tempDir } from "./_dir.ts";
import { describeH3, type H3 } from "./_h3.ts";

const day = 86_400;

async function site(h3: H3, config: FileSessionConfig = {}, seconds = 30 * day) {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2030, 0, 1) });
  const fileDir = tempDir();
  const all = { ...config, fileDir };
  const use = (event: H3EventLike): Promise<FileSession> => useFileSession(event, all);
  const served = await h3.serve({
    "/login": async (event) => {
      const session = await use(event);
      await session.update({ user: "Ada" });
      return {};
    },
    "/remember": async (event) => {
      const session = await (await use(event)).remember(seconds);
      return { expires: (session.expires ?? 0) - Date.now(), is: session.isRemembered };
    },
    "/": async (event) => (await use(event)).data,
    "/expires": async (event) => ({ in: ((await use(event)).expires ?? 0) - Date.now() }),
    "/is": async (event) => ({ is: (await use(event)).isRemembered }),
    "/update": async (event) => (await (await use(event)).update({ n: 1 })).data,
    "/regenerate": async (event) => (await (await use(event)).regenerate()).data,
  });
  return { all, served, visitor: served.visitor(), handler: new FileHandler({ fileDir }) };
}

const later = (seconds: number): void => void vi.setSystemTime(Date.now() + seconds * 1000);

describeH3("session.remember", (h3) => {
  it("has session and cookie live that long, used or not, whatever the options say", async () => {
    const { visitor, handler } = await site(h3);
    await visitor.get("/login");
    const token = visitor.cookies.get("session");
    expect((await visitor.get("/is")).json).toEqual({ is: false });
    const { json, cookies } = await visitor.get("/remember");
    expect(json).toEqual({ expires: 30 * day * 1000, is: true });
    expect(cookies).toEqual([expect.stringMatching(`^session=${token}; Max-Age=${30 * day};`)]);

    later(30 * day - 1);
    await handler.clean(day);
    expect((await visitor.get("/")).json).toEqual({ user: "Ada" });
    later(1);
    expect((await visitor.get("/")).json).toEqual({});
    expect((await handler.clean(100 * day)).removed).toBe(1);
  });

  it("stays through updates and a new token, whose cookie has what is left", async () => {
    const { visitor } = await site(h3);
    await visitor.get("/login");
    await visitor.get("/remember");
    later(10 * day);
    expect((await visitor.get("/update")).cookies).toEqual([]);
    const { cookies } = await visitor.get("/regenerate");
    expect(cookies).toEqual([expect.stringContaining(`; Max-Age=${20 * day};`)]);
    later(20 * day - 1);
    expect((await visitor.get("/")).json).toEqual({ user: "Ada", n: 1 });
  });

  it("may be shorter than the options say, and be said again", async () => {
    const { visitor, all } = await site(h3, {}, 60);
    await visitor.get("/login");
    await visitor.get("/remember");
    later(50);
    const { cookies } = await visitor.get("/remember");
    expect(cookies).toEqual([expect.stringContaining("; Max-Age=60;")]);
    later(59);
    expect((await visitor.get("/expires")).json).toEqual({ in: 1000 });
    later(1);
    expect((await visitor.get("/")).json).toEqual({});
    expect(await fileSessions(all).count()).toBe(0);
  });

  it("begins a session where there is none", async () => {
    const { visitor } = await site(h3);
    const { cookies } = await visitor.get("/remember");
    expect(cookies).toEqual([expect.stringContaining(`; Max-Age=${30 * day};`)]);
    later(29 * day);
    expect((await visitor.get("/expires")).json).toEqual({ in: day * 1000 });
  });

  it("goes before the cookie's own lifetime", async () => {
    const { visitor } = await site(h3, { cookie: { maxAge: 5 } });
    expect((await visitor.get("/login")).cookies).toEqual([expect.stringContaining("Max-Age=5;")]);
    const { cookies } = await visitor.get("/remember");
    expect(cookies).toEqual([expect.stringContaining(`; Max-Age=${30 * day};`)]);
  });

  it("is a number of seconds: ERR_SESSION_OPTION, and the session is as it was", async () => {
    for (const seconds of [-1, Number.NaN, Infinity, "60" as unknown as number]) {
      const { visitor } = await site(h3, {}, seconds);
      await visitor.get("/login");
      const { status, cookies } = await visitor.get("/remember");
      expect([status, cookies]).toEqual([500, []]);
      expect((await visitor.get("/expires")).json).toEqual({ in: day * 1000 });
    }
  });

  // Over the web nothing is sent before the handler has ended.
  it.skipIf(!h3.overNode)("changes nothing when the cookie cannot be sent any more", async () => {
    const { all } = await site(h3);
    const served = await h3.serve({
      "/login": async (event) => (await (await useFileSession(event, all)).update({ n: 1 })).data,
      "/late": async (event) => {
        const session = await useFileSession(event, all);
        const { node, runtime } = event as unknown as {
          node?: { res: NodeJS.WritableStream };
          runtime?: { node: { res: NodeJS.WritableStream } };
        };
        const response = runtime?.node.res ?? node?.res;
        response?.write("begun ");
        const outcome = await session.remember(30 * day).then(
          () => "remembered",
          (error: { code: string }) => error.code,
        );
        response?.end(outcome);
        return undefined;
      },
    });
    const visitor = served.visitor();
    await visitor.get("/login");
    expect((await visitor.get("/late")).text).toBe("begun ERR_SESSION_HEADERS_SENT");
    const [file = ""] = filesIn(all.fileDir);
    const record = await new FileHandler({ fileDir: all.fileDir }).retrieve(
      file.slice("sess_".length),
    );
    expect([record.expires, record.lasting]).toEqual([undefined, undefined]);
  });
});
