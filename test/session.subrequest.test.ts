import { expect, it } from "vitest";
import * as h3v1 from "h3-v1";
import * as h3v2 from "h3-v2";
import { fetchNodeRequestHandler } from "node-mock-http";
import { defineCachedHandler } from "ocache";
import type { H3EventLike } from "../src/session/event.ts";
import type { FileSession } from "../src/session/file-session.ts";
import { useFileSession } from "../src/session/use.ts";
import { filesIn, tempDir } from "./_dir.ts";
import { appOne, cachedEvent, describeH3, type H3, type Routes } from "./_h3.ts";

interface Data {
  user?: number;
  visits?: number;
}

type Fetch = (event: H3EventLike, path: string, init?: RequestInit) => Promise<Response>;

/** Serves pages, and an API that they fetch from in the course of a request. */
async function serve(h3: H3, pages: (fetch: Fetch) => Routes, api: Routes) {
  return h3.serve({ ...api, ...pages(h3.major === 1 ? fetchOne(api) : fetchTwo) });
}

// As nitropack 2 makes `event.fetch` and `event.$fetch`.
function fetchOne(api: Routes): Fetch {
  const listener = h3v1.toNodeListener(appOne(api));
  const localFetch = (path: string, init?: object) =>
    fetchNodeRequestHandler(listener as never, path, init);
  return (event, path, init) =>
    h3v1.fetchWithEvent(event as h3v1.H3Event, path, init as never, {
      fetch: localFetch as never,
    }) as Promise<Response>;
}

const fetchTwo: Fetch = (event, path, init) =>
  h3v2.fetchWithEvent(event as h3v2.H3Event, path, init);

/** The sessions of one site, with an API that does what its paths say. */
function place() {
  const fileDir = tempDir();
  const use = (event: H3EventLike): Promise<FileSession<Data>> =>
    useFileSession<Data>(event, { fileDir });
  const api: Routes = {
    "/api/read": async (event) => (await use(event)).data,
    "/api/login": async (event) => (await (await use(event)).update({ user: 7 })).data,
    "/api/count": async (event) =>
      (await (await use(event)).update(({ visits = 0 }) => ({ visits: visits + 1 }))).data,
    "/api/renew": async (event) => (await (await use(event)).regenerate()).data,
    "/api/logout": async (event) => (await (await use(event)).clear()).data,
  };
  return { fileDir, use, api };
}

// A browser sends it with every request.
const agent = { "user-agent": "Mozilla/5.0" };

describeH3("a sub-request's session", (h3) => {
  // Without Node, nothing of h3 2's says which request a sub-request was made in.
  const isKnown = h3.major === 1 || h3.overNode;

  it("is the visitor's", async () => {
    const { use, api } = place();
    const pages = (fetch: Fetch): Routes => ({
      "/": async (event) => {
        await use(event);
        return (await fetch(event, "/api/count")).json();
      },
    });
    const site = await serve(h3, pages, api);
    const visitor = site.visitor();
    await visitor.get("/api/login", agent);
    expect((await visitor.get("/", agent)).json).toEqual({ user: 7, visits: 1 });
    expect((await visitor.get("/api/read", agent)).json).toEqual({ user: 7, visits: 1 });
  });

  it.runIf(isKnown)("is the very session of the outer request", async () => {
    const { use, api } = place();
    const pages = (fetch: Fetch): Routes => ({
      "/": async (event) => {
        const session = await use(event);
        await fetch(event, "/api/count");
        return session.data;
      },
    });
    const site = await serve(h3, pages, api);
    const visitor = site.visitor();
    await visitor.get("/api/login", agent);
    expect((await visitor.get("/", agent)).json).toEqual({ user: 7, visits: 1 });
  });

  it.runIf(isKnown).each<[string, (session: FileSession<Data>) => Promise<unknown>, Data]>([
    ["begun", (session) => session.update({ user: 8 }), { user: 8 }],
    ["moved", (session) => session.regenerate(), { user: 7 }],
    ["destroyed", (session) => session.clear(), {}],
  ])("is what the outer request has %s just now", async (what, change, expected) => {
    const { use, api } = place();
    const pages = (fetch: Fetch): Routes => ({
      "/": async (event) => {
        await change(await use(event));
        return (await fetch(event, "/api/read")).json();
      },
    });
    const site = await serve(h3, pages, api);
    const visitor = site.visitor();
    if (what !== "begun") await visitor.get("/api/login", agent);
    const { json, cookies } = await visitor.get("/", agent);
    expect([json, cookies.length]).toEqual([expected, 1]);
    expect((await visitor.get("/api/read", agent)).json).toEqual(expected);
  });

  it.runIf(isKnown).each<[string, string, Data]>([
    ["begins", "/api/count", { visits: 1 }],
    ["moves", "/api/renew", { user: 7 }],
    ["destroys", "/api/logout", {}],
  ])("%s, and the outer response has the cookie, as its own has", async (what, path, expected) => {
    const { use, api, fileDir } = place();
    const inner: string[] = [];
    const pages = (fetch: Fetch): Routes => ({
      "/": async (event) => {
        const session = await use(event);
        inner.push(...(await fetch(event, path)).headers.getSetCookie());
        return session.data;
      },
    });
    const site = await serve(h3, pages, api);
    const visitor = site.visitor();
    if (what !== "begins") await visitor.get("/api/login", agent);
    const before = visitor.cookies.get("session");
    const { json, cookies } = await visitor.get("/", agent);
    expect(json).toEqual(expected);
    expect(cookies).toEqual([expect.stringMatching(/^session=/)]);
    expect(inner).toEqual(cookies);
    expect(visitor.cookies.get("session")).not.toBe(before);
    expect((await visitor.get("/api/read", agent)).json).toEqual(expected);
    expect(filesIn(fileDir)).toHaveLength(what === "destroys" ? 0 : 1);
  });

  it.runIf(isKnown)("is one for all that are made at once", async () => {
    const { use, api, fileDir } = place();
    const pages = (fetch: Fetch): Routes => ({
      "/": async (event) => {
        const session = await use(event);
        await Promise.all(Array.from({ length: 5 }, () => fetch(event, "/api/count")));
        return session.data;
      },
    });
    const site = await serve(h3, pages, api);
    const visitor = site.visitor();
    const { json, cookies } = await visitor.get("/", agent);
    expect([json, cookies.length]).toEqual([{ visits: 5 }, 1]);
    expect(filesIn(fileDir)).toHaveLength(1);
  });

  it.runIf(isKnown)("does not begin once the outer response has begun", async () => {
    const { use, api, fileDir } = place();
    const pages = (fetch: Fetch): Routes => ({
      "/": async (event) => {
        await use(event);
        return new ReadableStream({
          start: (controller) => controller.enqueue(new TextEncoder().encode("begun, ")),
          async pull(controller) {
            await new Promise((resolve) => setImmediate(resolve));
            const { status } = await fetch(event, "/api/count");
            controller.enqueue(new TextEncoder().encode(String(status)));
            controller.close();
          },
        });
      },
    });
    const site = await serve(h3, pages, api);
    expect((await site.visitor().get("/", agent)).text).toBe("begun, 500");
    expect(filesIn(fileDir)).toEqual([]);
  });

  it("is read by itself when the outer request has asked for none; its cookie can be handed on", async () => {
    const { api } = place();
    const pages = (fetch: Fetch): Routes => ({
      "/": async (event) => {
        const response = await fetch(event, "/api/count");
        const [cookie = ""] = response.headers.getSetCookie();
        h3.setHeader(event, "set-cookie", cookie);
        return response.json();
      },
    });
    const site = await serve(h3, pages, api);
    const visitor = site.visitor();
    const { json, cookies } = await visitor.get("/", agent);
    expect([json, cookies.length]).toEqual([{ visits: 1 }, 1]);
    expect((await visitor.get("/api/read", agent)).json).toEqual({ visits: 1 });
  });

  it.runIf(h3.major === 2 && h3.overNode)("is also that of one who asks after it", async () => {
    const { use, api } = place();
    const pages = (fetch: Fetch): Routes => ({
      "/": async (event) => {
        await fetch(event, "/api/count");
        return (await use(event)).data;
      },
    });
    const site = await serve(h3, pages, api);
    const visitor = site.visitor();
    const { json, cookies } = await visitor.get("/", agent);
    expect([json, cookies.length]).toEqual([{ visits: 1 }, 1]);
    expect((await visitor.get("/api/read", agent)).json).toEqual({ visits: 1 });
  });

  it.runIf(h3.major === 1)(
    "is its own where an app gives all its visitors one context",
    async () => {
      const { use, api } = place();
      const context = {};
      const pages = (fetch: Fetch): Routes => ({
        "/": async (event) => {
          event.context = context;
          const session = await use(event);
          const seen = await (await fetch(event, "/api/read")).json();
          await session.update({ user: 9 });
          return seen;
        },
        "/fetch": async (event) => {
          event.context = context;
          return (await fetch(event, "/api/read")).json();
        },
      });
      const site = await serve(h3, pages, api);
      await site.visitor().get("/", agent);
      const another = { "user-agent": "curl" };
      expect((await site.visitor().get("/fetch", another)).json).toEqual({});
      expect((await site.visitor().get("/", agent)).json).toEqual({});
    },
  );

  it("is another's when it has another's cookie", async () => {
    const { use, api } = place();
    let cookie = "";
    const pages = (fetch: Fetch): Routes => ({
      "/": async (event) => {
        const session = await use(event);
        await session.update({ user: 9 });
        const response = await fetch(event, "/api/count", { headers: { cookie } });
        return [session.data, await response.json()];
      },
    });
    const site = await serve(h3, pages, api);
    const [visitor, other] = [site.visitor(), site.visitor()];
    await other.get("/api/login", agent);
    cookie = `session=${other.cookies.get("session")}`;
    expect((await visitor.get("/", agent)).json).toEqual([{ user: 9 }, { user: 7, visits: 1 }]);
    expect((await visitor.get("/", agent)).json).toEqual([{ user: 9 }, { user: 7, visits: 2 }]);
    expect((await visitor.get("/api/read", agent)).json).toEqual({ user: 9 });
  });

  it("is nobody's when it has no cookie and the outer request has", async () => {
    const { use, api } = place();
    const pages = (fetch: Fetch): Routes => ({
      "/": async (event) => {
        await use(event);
        return (await fetch(event, "/api/read", { headers: { cookie: "" } })).json();
      },
    });
    const site = await serve(h3, pages, api);
    const visitor = site.visitor();
    await visitor.get("/api/login", agent);
    expect((await visitor.get("/", agent)).json).toEqual({});
  });
});

describeH3("a session begun before a cached handler", (h3) => {
  // Browsers tell what they are; not everybody does.
  it.each([agent, {}])("is not seen in it, nor in what it fetches (%o)", async (headers) => {
    const { use, api } = place();
    const seen: unknown[] = [];
    const look = async (fetch: Fetch, event: H3EventLike): Promise<string> => {
      seen.push((await use(event)).data);
      seen.push(await (await fetch(event, "/api/read")).json());
      return "the same for everybody";
    };
    const cached = (fetch: Fetch): ((event: H3EventLike) => unknown) =>
      h3.major === 1
        ? (event) => look(fetch, cachedEvent(event))
        : (defineCachedHandler((event) => look(fetch, event as unknown as H3EventLike), {
            maxAge: 60,
            name: tempDir(),
          }) as (event: unknown) => unknown);
    const site = await serve(
      h3,
      (fetch) => {
        const handler = cached(fetch);
        return {
          "/": async (event) => {
            await (await use(event)).update({ user: 7 });
            await fetch(event, "/api/read");
            return handler(event);
          },
        };
      },
      api,
    );
    expect((await site.visitor().get("/", headers)).text).toBe("the same for everybody");
    expect(seen).toEqual([{}, {}]);
  });

  // Nitro 3 leaves no mark: there one begins, and its cookie is kept from everybody.
  it.runIf(h3.major === 1)("does not begin in what it fetches", async () => {
    const { api, fileDir } = place();
    const pages = (fetch: Fetch): Routes => ({
      "/": async (event) => String((await fetch(cachedEvent(event), "/api/login")).status),
    });
    const site = await serve(h3, pages, api);
    expect((await site.visitor().get("/", agent)).text).toBe("500");
    expect(filesIn(fileDir)).toEqual([]);
  });

  it.each([agent, {}])("is not seen when it is fetched (%o)", async (headers) => {
    const { use, api } = place();
    const seen: unknown[] = [];
    const look = async (event: H3EventLike): Promise<string> => {
      seen.push((await use(event)).data);
      return "the same for everybody";
    };
    const pages = (fetch: Fetch): Routes => ({
      "/": async (event) => {
        await (await use(event)).update({ user: 7 });
        return (await fetch(event, "/api/cached")).text();
      },
    });
    const site = await serve(h3, pages, {
      ...api,
      "/api/cached":
        h3.major === 1
          ? (event) => look(cachedEvent(event))
          : (defineCachedHandler((event) => look(event as unknown as H3EventLike), {
              maxAge: 60,
              name: tempDir(),
            }) as (event: unknown) => unknown),
    });
    expect((await site.visitor().get("/", headers)).text).toBe("the same for everybody");
    expect(seen).toEqual([{}]);
  });
});
