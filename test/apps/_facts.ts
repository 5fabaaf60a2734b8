// What holds in every app of playground/: one visitor's session, from the first request to the
// log-out, by HTTP and in a browser. Each app answers the same requests, see playground/README.md.

import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { has } from "../_needs.ts";
import { args, executablePath } from "../e2e/chromium.ts";
import { Visitor } from "../e2e/visitor.ts";
import { type App, buildApp, type Server, startApp } from "./_app.ts";

/** How an app is built and served. */
export interface Facts {
  /** Its folder in playground/. */
  name: string;
  /** Its built program, and arguments. */
  serve: readonly string[];
  env?: NodeJS.ProcessEnv;
  /** A page that stores nothing. Default `/`. */
  quietPage?: string;
}

/** What `GET /api/session` tells. */
interface Looked {
  id: string | null;
  isNew: boolean;
  data: Record<string, unknown>;
}

/** Two servers of the app, on one directory, while its tests run. */
export interface Running {
  one: Server;
  two: Server;
  app: App;
  quietPage: string;
  start(): Promise<Server>;
  /** The names of the sessions' files. */
  files(): Promise<string[]>;
}

/** Builds the app and starts it twice, before the tests of this file; ends it after them. */
export function runApp({ name, serve, env = {}, quietPage = "/" }: Facts): Running {
  const running: Server[] = [];
  const it = {
    quietPage,
    async start() {
      const server = await startApp(it.app, serve, { env });
      running.push(server);
      return server;
    },
    async files() {
      const names = await readdir(join(it.app.dir, ".data/sessions")).catch(() => []);
      return names.filter((name) => name.startsWith("sess_")).sort();
    },
  } as Running;
  beforeAll(async () => {
    it.app = await buildApp(name);
    await rm(join(it.app.dir, ".data"), { recursive: true, force: true });
    [it.one, it.two] = await Promise.all([it.start(), it.start()]);
  });
  afterAll(() => Promise.all(running.map((server) => server.kill())));
  return it;
}

/** The list, for two servers that run. */
export function describeFacts(app: Running): void {
  describeApi(app);
  describePage(app);
}

/** What of it takes no page. */
export function describeApi(app: Running): void {
  const look = (visitor: Visitor, server = app.one): Promise<Looked> =>
    visitor.json<Looked>(server, "/api/session");

  const post = (visitor: Visitor, path: string, server = app.one): Promise<Response> =>
    visitor.send(server, path, { method: "POST" });

  const logIn = (visitor: Visitor, user: string): Promise<Response> =>
    visitor.send(app.one, "/api/login", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ user }),
    });

  /** Somebody who has visited once. */
  async function guest(): Promise<Visitor> {
    const visitor = new Visitor();
    expect((await post(visitor, "/api/visit")).status).toBe(200);
    return visitor;
  }

  describe("a visitor", () => {
    it("who stores nothing gets no cookie, and no file", async () => {
      const before = await app.files();
      const visitor = new Visitor();
      for (const path of [app.quietPage, "/api/session"]) {
        const response = await visitor.get(app.one, path);
        expect(response.status).toBe(200);
        expect(response.headers.getSetCookie()).toEqual([]);
      }
      expect(await look(visitor)).toEqual({ id: null, isNew: true, data: {} });
      expect(await app.files()).toEqual(before);
    });

    it("who stores something gets one cookie, which scripts and other sites cannot use", async () => {
      const response = await post(new Visitor(), "/api/visit");
      expect(await response.json()).toEqual({ visits: 1 });
      const [cookie = "", ...more] = response.headers.getSetCookie();
      expect(more).toEqual([]);
      const [pair, ...attributes] = cookie.split("; ");
      expect(pair).toMatch(/^session=[\w-]{43}$/);
      const names = attributes.map((attribute) => attribute.toLowerCase());
      expect(names).toEqual(
        expect.arrayContaining(["httponly", "samesite=lax", "path=/", "max-age=2592000"]),
      );
      expect(names).not.toContain("secure"); // plain http, on localhost
      expect(response.headers.get("vary")).toMatch(/\bcookie\b/i);
      expect(response.headers.get("cache-control")).toMatch(/no-cache|no-store/);
    });

    it("is known at the next request, to both servers, and gets no cookie again", async () => {
      const visitor = await guest();
      const second = await post(visitor, "/api/visit", app.two);
      expect(await second.json()).toEqual({ visits: 2 });
      expect(second.headers.getSetCookie()).toEqual([]);
      const { id, isNew, data } = await look(visitor);
      expect([isNew, data]).toEqual([false, { visits: 2 }]);
      expect(await app.files()).toContain(`sess_${id}`);
    });

    it("has a cookie that no file is named after", async () => {
      const token = (await guest()).cookies.get("session")!;
      for (const name of await app.files()) expect(name).not.toContain(token);
    });

    it.each(["A".repeat(43), "../../../etc/passwd", "%00", ""])(
      "with an unknown or malformed cookie (%j) is nobody, and nothing is made of it",
      async (token) => {
        const before = await app.files();
        const visitor = new Visitor();
        visitor.cookies.set("session", token);
        expect((await look(visitor)).id).toBeNull();
        expect(await app.files()).toEqual(before);
        await post(visitor, "/api/visit");
        expect(visitor.cookies.get("session")).not.toBe(token);
      },
    );
  });

  describe("requests that meet", () => {
    it.each([
      ["one server", () => [app.one]],
      ["two servers on one directory", () => [app.one, app.two]],
    ])("lose nothing: twenty that each add a key leave twenty, on %s", async (_, servers) => {
      const visitor = await guest();
      const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
      const places = servers();
      const responses = await Promise.all(
        keys.map((key, i) =>
          post(visitor, `/api/add?key=${key}&ms=200`, places[i % places.length]),
        ),
      );
      expect(responses.map(({ status }) => status)).toEqual(keys.map(() => 200));
      const { data } = await look(visitor);
      expect(data).toEqual({ visits: 1, ...Object.fromEntries(keys.map((key) => [key, true])) });
    });

    it("lose nothing: twenty visits on two servers count twenty", async () => {
      const visitor = await guest();
      const visits = Array.from({ length: 20 }, (_, i) => [app.one, app.two][i % 2]);
      await Promise.all(visits.map((server) => post(visitor, "/api/visit", server)));
      expect((await look(visitor)).data).toEqual({ visits: 21 });
    });

    it("cannot undo a log-out: one that began before it is refused, and brings nothing back", async () => {
      const visitor = await guest();
      const { id } = await look(visitor);
      const slow = post(visitor.copy(), "/api/slow?ms=1500");
      await look(visitor);
      await sleep(300); // it has read the session
      await post(visitor, "/api/logout", app.two);
      const response = await slow;
      expect(response.status).toBe(409);
      expect(response.headers.getSetCookie()).toEqual([]);
      expect(await app.files()).not.toContain(`sess_${id}`);
    });

    it("let a slow one through when nobody has logged out", async () => {
      const visitor = await guest();
      expect((await post(visitor, "/api/slow?ms=10")).status).toBe(200);
      expect((await look(visitor)).data).toEqual({ visits: 1, late: true });
    });
  });

  describe("a log-in", () => {
    it("gives a new token, keeps the data, and the old token is dead", async () => {
      const visitor = await guest();
      const thief = visitor.copy();
      const before = await look(visitor);

      const response = await logIn(visitor, "Ada");

      const { id } = (await response.json()) as { id: string };
      expect(id).not.toBe(before.id);
      expect(await look(visitor, app.two)).toMatchObject({
        id,
        isNew: false,
        data: { visits: 1, user: "Ada" },
      });
      expect((await look(thief)).id).toBeNull();
      expect((await look(thief, app.two)).id).toBeNull();
      expect(await app.files()).not.toContain(`sess_${before.id}`);
    });

    it("ends with a log-out, on disk and in the browser", async () => {
      const visitor = await guest();
      await logIn(visitor, "Ada");
      const thief = visitor.copy();
      const { id } = await look(visitor);

      const response = await post(visitor, "/api/logout", app.two);

      expect(response.status).toBe(200);
      expect(visitor.cookies.has("session")).toBe(false);
      expect(await app.files()).not.toContain(`sess_${id}`);
      expect((await look(thief)).id).toBeNull();
    });
  });

  it("sessions survive kill -9", async () => {
    const doomed = await app.start();
    const visitor = new Visitor();
    await post(visitor, "/api/visit", doomed);
    const before = await look(visitor, doomed);
    await doomed.kill("SIGKILL");
    const restarted = await app.start();
    expect(await look(visitor, restarted)).toEqual(before);
    expect(before.data).toEqual({ visits: 1 });
    await restarted.kill();
  });
}

function describePage(app: Running): void {
  inChromium("the page, in Chromium", (openPage) => {
    it.each([
      ["with JavaScript", true],
      ["without JavaScript", false],
    ])("logs somebody in and out, %s", async (_, javaScriptEnabled) => {
      const page = await openPage({ javaScriptEnabled });
      const context = page.context();
      await context.request.post(`${app.one.url}/api/visit`, { headers: { origin: app.one.url } });

      await page.goto(app.one.url);
      expect(await shown(page)).toEqual({ user: "stranger", visits: "1" });

      await page.fill("#login input[name=user]", "Grace <b>");
      await page.click("#login button");
      await expect.poll(() => shown(page)).toEqual({ user: "Grace <b>", visits: "1" });

      await page.reload();
      expect(await shown(page)).toEqual({ user: "Grace <b>", visits: "1" });
      const [cookie] = await context.cookies();
      expect(cookie).toMatchObject({ name: "session", httpOnly: true, sameSite: "Lax" });

      await page.click("#logout");
      await expect.poll(() => shown(page)).toEqual({ user: "stranger", visits: "0" });
      expect(await context.cookies()).toEqual([]);
    });
  });
}

/** For a framework that renders the page in the request of the form: its `#visit` begins the session. */
export function describeVisitForm(app: Running): void {
  inChromium("the form for a visit, in Chromium", (openPage) => {
    it.each([
      ["with JavaScript", true],
      ["without JavaScript", false],
    ])(
      "begins a session, and the page made in the same request knows of it, %s",
      async (_, javaScriptEnabled) => {
        const page = await openPage({ javaScriptEnabled });
        await page.goto(app.one.url);
        for (const visits of ["1", "2"]) {
          await page.click("#visit");
          await expect.poll(() => shown(page)).toEqual({ user: "stranger", visits });
        }
      },
    );
  });
}

/**
 * Tests that get pages, each in a browser of its own that has no cookies yet. No page may throw, or ask
 * another host for anything. Without a Chromium they are skipped; with `CI=true` that fails.
 */
function inChromium(
  title: string,
  tests: (openPage: (options?: BrowserContextOptions) => Promise<Page>) => void,
): void {
  describe.runIf(has("chromium"))(title, () => {
    let browser: Browser;
    const contexts: BrowserContext[] = [];
    const complaints: string[] = [];

    beforeAll(async () => {
      browser = await chromium.launch({ executablePath: executablePath!, args });
    });
    afterAll(() => browser?.close());
    afterEach(async () => {
      await Promise.all(contexts.splice(0).map((context) => context.close()));
      expect(complaints.splice(0)).toEqual([]);
    });

    tests(async (options = {}) => {
      const context = await browser.newContext(options);
      contexts.push(context);
      context.setDefaultTimeout(5000);
      const page = await context.newPage();
      page.on("pageerror", (error) => complaints.push(error.message));
      page.on("request", (request) => {
        if (!request.url().startsWith("http://localhost:")) complaints.push(request.url());
      });
      return page;
    });
  });
}

/** What the page tells; `undefined` while it is being loaded. */
async function shown(page: Page): Promise<{ user: string; visits: string } | undefined> {
  try {
    const [user = "", visits = ""] = await Promise.all(
      ["#user", "#visits"].map((selector) => page.innerText(selector, { timeout: 2000 })),
    );
    return { user, visits };
  } catch {
    return undefined;
  }
}
