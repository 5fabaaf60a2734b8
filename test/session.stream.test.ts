import { expect, it } from "vitest";
import * as h3v1 from "h3-v1";
import * as h3v2 from "h3-v2";
import type { H3EventLike } from "../src/session/event.ts";
import type { FileSession } from "../src/session/file-session.ts";
import { useFileSession } from "../src/session/use.ts";
import { filesIn, tempDir } from "./_dir.ts";
import { describeH3, type H3, type Routes } from "./_h3.ts";

interface Data {
  user?: number;
  sent?: number;
}

/** The sessions of one site. */
function place() {
  const fileDir = tempDir();
  const use = (event: H3EventLike): Promise<FileSession<Data>> =>
    useFileSession<Data>(event, { fileDir });
  const routes: Routes = {
    "/login": async (event) => (await (await use(event)).update({ user: 7 })).data,
    "/logout": async (event) => (await (await use(event)).clear()).data,
    "/": async (event) => (await use(event)).data,
  };
  return { fileDir, use, routes };
}

/** A stream of server-sent events: one that says that its head has gone, and one with an outcome. */
function stream(h3: H3, event: H3EventLike, outcome: () => Promise<unknown>): unknown {
  const events =
    h3.major === 1
      ? h3v1.createEventStream(event as h3v1.H3Event)
      : h3v2.createEventStream(event as h3v2.H3Event);
  const tell = async (): Promise<void> => {
    await events.push("begins");
    await events.push("has begun"); // is taken when the one before has been written
    const said = await outcome().catch((error: { code?: string }) => error.code ?? String(error));
    await events.push(JSON.stringify(said));
    await events.close();
  };
  void tell();
  return "send" in events ? events.send() : events;
}

/** What the last event of a stream says. */
function lastOf(text: string): unknown {
  const [, said = ""] = /data: ([^\n]*)\n\n$/.exec(text) ?? [];
  return JSON.parse(said) as unknown;
}

// The web's servers have tests of their own for streams, in session.cookie.test.ts.
describeH3("the session of an event stream", (h3) => {
  it.runIf(h3.overNode).each(["before", "after"])(
    "is read and changed, opened %s its head has gone",
    async (opened) => {
      const { use, routes } = place();
      const site = await h3.serve({
        ...routes,
        "/events": async (event) => {
          if (opened === "before") await use(event);
          return stream(h3, event, async () => (await (await use(event)).update({ sent: 1 })).data);
        },
      });
      const visitor = site.visitor();
      await visitor.get("/login");
      const { headers, text } = await visitor.get("/events");
      expect(headers.get("content-type")).toBe("text/event-stream");
      expect(lastOf(text)).toEqual({ user: 7, sent: 1 });
      expect((await visitor.get("/")).json).toEqual({ user: 7, sent: 1 });
    },
  );

  it.runIf(h3.overNode).each(["before", "after"])(
    "does not begin, opened %s its head has gone",
    async (opened) => {
      const { use, routes, fileDir } = place();
      const site = await h3.serve({
        ...routes,
        "/events": async (event) => {
          if (opened === "before") await use(event);
          return stream(h3, event, async () => (await use(event)).update({ sent: 1 }));
        },
      });
      const { text, cookies } = await site.visitor().get("/events");
      expect([lastOf(text), cookies]).toEqual(["ERR_SESSION_HEADERS_SENT", []]);
      expect(filesIn(fileDir)).toEqual([]);
    },
  );

  it.runIf(h3.overNode)("begins before it, and is changed while it lasts", async () => {
    const { use, routes } = place();
    const site = await h3.serve({
      ...routes,
      "/events": async (event) => {
        const session = await use(event);
        await session.update({ user: 8 });
        return stream(h3, event, async () => (await session.update({ sent: 1 })).data);
      },
    });
    const visitor = site.visitor();
    const { text, cookies } = await visitor.get("/events");
    expect([lastOf(text), cookies.length]).toEqual([{ user: 8, sent: 1 }, 1]);
    expect((await visitor.get("/")).json).toEqual({ user: 8, sent: 1 });
  });

  it.runIf(h3.overNode)("finds out about a log-out when it is read again", async () => {
    const { use, routes } = place();
    let [begun, loggedOut] = [(): void => undefined, (): void => undefined];
    const beginning = new Promise<void>((resolve) => (begun = resolve));
    const end = new Promise<void>((resolve) => (loggedOut = resolve));
    const site = await h3.serve({
      ...routes,
      "/events": (event) =>
        stream(h3, event, async () => {
          const session = await use(event);
          begun();
          await end;
          return [session.data, (await session.reload()).data];
        }),
    });
    const visitor = site.visitor();
    await visitor.get("/login");
    const answer = visitor.get("/events");
    await beginning;
    await visitor.get("/logout");
    loggedOut();
    expect(lastOf((await answer).text)).toEqual([{ user: 7 }, {}]);
  });
});
