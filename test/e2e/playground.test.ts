// The playground as it is deployed: built for production, two processes on one directory, nothing
// mocked.

import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { buildPlayground } from "./build.ts";
import { args, executablePath, howToGetIt } from "./chromium.ts";
import { type Server, startServer } from "./server.ts";
import { Visitor } from "./visitor.ts";

let script: string;
/** Where the servers are started: `./.data/sessions` is in it, for both doors of both of them. */
let cwd: string;
const running: Server[] = [];
let one: Server;
let two: Server;

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), "filesession-e2e-"));
  script = await buildPlayground();
  [one, two] = await Promise.all([start(), start()]);
}, 60_000);

afterAll(async () => {
  await Promise.all(running.map((server) => server.kill()));
  const places = [cwd, script && dirname(dirname(script))].filter(Boolean);
  await Promise.all(places.map((place) => rm(place, { recursive: true, force: true })));
});

async function start(): Promise<Server> {
  const server = await startServer(script, cwd);
  running.push(server);
  return server;
}

function filePath(id: string | null): string {
  return join(cwd, ".data/sessions", `sess_${id}`);
}

async function sessionFiles(): Promise<string[]> {
  const names = await readdir(join(cwd, ".data/sessions")).catch(() => []);
  return names.filter((name) => name.startsWith("sess_")).sort();
}

describe("two servers on one directory", () => {
  it("keep nothing about a visitor who stores nothing", async () => {
    const visitor = new Visitor();
    const before = await sessionFiles();

    const looked = await visitor.look(one);

    expect(looked).toMatchObject({ id: null, isNew: true, data: {} });
    expect(visitor.cookies.size).toBe(0);
    expect(await sessionFiles()).toEqual(before);
  });

  it("take an unknown and a malformed cookie for no session, and make none of them", async () => {
    const before = await sessionFiles();
    for (const token of ["A".repeat(43), "../../../etc/passwd", "%00", ""]) {
      const visitor = new Visitor();
      visitor.cookies.set("session", token);
      expect((await visitor.look(one)).id).toBeNull();
    }
    expect(await sessionFiles()).toEqual(before);
  });

  it("count one visitor's visits together", async () => {
    const visitor = new Visitor();

    for (const server of [one, two, two]) await visitor.get(server, "/");

    const { data } = await visitor.look(one);
    expect(data["visits"]).toBe("number 3");
    expect(data[`servedBy.get(${one.pid})`]).toBe("number 1");
    expect(data[`servedBy.get(${two.pid})`]).toBe("number 2");
  });

  it("send a cookie that scripts and other sites cannot use, and that no cache keeps", async () => {
    const response = await new Visitor().get(one, "/");

    const [cookie, ...more] = response.headers.getSetCookie();
    expect(more).toEqual([]);
    expect(cookie).toMatch(/^session=[\w-]{43};/);
    expect(cookie).toContain("HttpOnly");
    expect(cookie).toContain("SameSite=Lax");
    expect(cookie).toContain("Path=/");
    expect(response.headers.get("vary")).toMatch(/cookie/i);
    expect(response.headers.get("cache-control")).toContain("no-cache");
  });

  it("give a new id and cookie at login, and let the old ones die everywhere", async () => {
    const visitor = new Visitor();
    await visitor.get(one, "/");
    const { id } = await visitor.look(one);
    const thief = new Visitor();
    thief.cookies.set("session", visitor.cookies.get("session")!);
    expect((await thief.look(two)).id).toBe(id);

    const response = await visitor.post(one, "/login", { name: "Grace" });

    expect(response.status).toBe(303);
    const after = await visitor.look(two);
    expect(after.id).not.toBe(id);
    expect(after.data).toMatchObject({ visits: "number 1", "user.name": 'string "Grace"' });
    expect((await thief.look(one)).id).toBeNull();
    expect((await thief.look(two)).id).toBeNull();
    expect(await sessionFiles()).not.toContain(`sess_${id}`);
  });

  it("forget a session at logout, on disk and in the browser", async () => {
    const visitor = new Visitor();
    await visitor.get(one, "/");
    await visitor.post(one, "/login", { name: "Grace" });
    const { id } = await visitor.look(one);
    const token = visitor.cookies.get("session")!;

    await visitor.post(two, "/logout");

    expect(visitor.cookies.has("session")).toBe(false);
    expect(await sessionFiles()).not.toContain(`sess_${id}`);
    const thief = new Visitor();
    thief.cookies.set("session", token);
    expect(await thief.look(one)).toMatchObject({ id: null, data: {} });
  });

  it("give back dates, maps and bigints as they went in", async () => {
    const visitor = new Visitor();
    const start = Date.now();
    await visitor.post(one, "/cart", { add: "stamp" });
    await visitor.post(two, "/cart", { add: "stamp" });
    await visitor.post(one, "/cart", { add: "cards" });
    await visitor.post(two, "/cart", { remove: "cards" });

    const { data } = await visitor.look(one);

    expect(data["cart"]).toBe("Map 1 entry");
    expect(data['cart.get("stamp").count']).toBe("number 2");
    expect(data['cart.get("stamp").cents']).toBe("bigint 1890n");
    const [type, added] = data['cart.get("stamp").added']!.split(" ");
    expect(type).toBe("Date");
    expect(Date.parse(added!)).toBeGreaterThanOrEqual(start);
    expect(Date.parse(added!)).toBeLessThanOrEqual(Date.now());
  });

  it("keep each session in a file that only its owner can read, and show it as it is", async () => {
    const visitor = new Visitor();
    await visitor.post(one, "/cart", { add: "folder" });
    const { id } = await visitor.look(one);

    const text = await readFile(filePath(id), "utf8");

    expect((await stat(filePath(id))).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(filePath(id)))).mode & 0o777).toBe(0o700);
    expect(text).toContain("folder");
    expect(text).not.toContain(visitor.cookies.get("session"));
    const page = await (await visitor.get(two, "/?after=cart")).text();
    expect(page).toContain(`cat .data/sessions/sess_${id}`);
    expect(page).toContain("-rw-------");
  });

  it("see the sessions through the mounted storage too", async () => {
    type Mount = { keys: string[]; items: { key: string; mtime?: string }[]; same: boolean };
    const visitor = new Visitor();
    const start = Date.now();
    await visitor.get(one, "/");
    await visitor.post(one, "/cart", { add: "folder" });
    const { id } = await visitor.look(one);

    for (const server of [one, two]) {
      const { keys, items, same } = await visitor.json<Mount>(server, "/api/storage");
      expect(keys).toContain(id);
      expect(same).toBe(true);
      const item = items.find(({ key }) => key === id);
      expect(Date.parse(item!.mtime!)).toBeGreaterThan(start - 1000);
    }
  });

  it("lose nothing when fifty requests meet, where the naive way does", async () => {
    const visitor = new Visitor();
    await visitor.post(one, "/race/start");
    const fifty = Array.from({ length: 50 }, (_, i) => (i % 2 ? one : two));

    const responses = await Promise.all([
      ...fifty.map((server) => visitor.post(server, "/race/ours")),
      ...fifty.map((server) => visitor.post(server, "/race/naive")),
    ]);

    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200]));
    const { ours, naive } = await visitor.json<{ ours: number; naive: number }>(two, "/race");
    expect(ours).toBe(50);
    expect(naive).toBeGreaterThan(0);
    expect(naive).toBeLessThanOrEqual(50);
  });

  it("make no session in a cached handler, and serve everybody the same", async () => {
    const visitor = new Visitor();
    await visitor.get(one, "/");
    const before = await sessionFiles();

    const known = await visitor.get(one, "/api/cached");
    const stranger = await new Visitor().get(one, "/api/cached");

    for (const response of [known, stranger]) {
      expect(response.headers.getSetCookie()).toEqual([]);
      expect(await response.json()).toEqual({ id: null, pid: one.pid });
    }
    expect(await sessionFiles()).toEqual(before);
  });

  it("refuse a form that makes no sense, and store nothing of it", async () => {
    const visitor = new Visitor();
    expect((await visitor.post(one, "/login", { name: " " })).status).toBe(400);
    expect((await visitor.post(one, "/cart", { add: "elephant" })).status).toBe(400);
    expect((await visitor.post(one, "/race/ours")).status).toBe(409);
    expect(visitor.cookies.size).toBe(0);
  });

  it("put no markup of a visitor's on the page", async () => {
    const visitor = new Visitor();
    await visitor.post(one, "/login", { name: "<script>alert(1)</script>" });
    const page = await (await visitor.get(one, "/")).text();
    expect(page).not.toContain("<script>alert");
  });

  it("keep what was acknowledged when one of them is killed, and find it again after a restart", async () => {
    const doomed = await start();
    const visitor = new Visitor();
    await visitor.get(doomed, "/");
    await visitor.post(doomed, "/race/start");
    let acknowledged = 0;
    let killed: Promise<void> | undefined;

    // Half of the work is still to be done when the server goes.
    const requests = Array.from({ length: 50 }, async () => {
      await visitor.post(doomed, "/race/ours");
      acknowledged += 1;
      if (acknowledged === 25) killed = doomed.kill();
    });
    await Promise.allSettled(requests);
    await killed;

    const seen = await visitor.json<{ ours: number }>(two, "/race");
    expect(acknowledged).toBeGreaterThanOrEqual(25);
    expect(seen.ours).toBeGreaterThanOrEqual(acknowledged);
    const restarted = await start();
    const { pid, data } = await visitor.look(restarted);
    expect(pid).toBe(restarted.pid);
    expect(data).toMatchObject({ visits: "number 1", "race.count": `number ${seen.ours}` });
  });
});

const isMissing = executablePath === undefined;
if (isMissing) {
  if (process.env["CI"] === "true") it("has a Chromium", () => expect.fail(howToGetIt));
  else console.warn(howToGetIt);
}

describe.skipIf(isMissing)("the page, in Chromium", () => {
  let browser: Browser;
  let context: BrowserContext | undefined;
  /** What no page may do: print an error, or ask another host for anything. */
  let complaints: string[];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executablePath!, args });
  });
  afterAll(() => browser?.close());
  afterEach(async () => {
    await context?.close();
    expect(complaints).toEqual([]);
  });

  async function openPage(options: Parameters<Browser["newContext"]>[0] = {}): Promise<Page> {
    context = await browser.newContext(options);
    context.setDefaultTimeout(5000);
    complaints = [];
    const page = await context.newPage();
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    page.on("request", (request) => {
      if (!request.url().startsWith("http://localhost:")) complaints.push(request.url());
    });
    return page;
  }

  const text = (page: Page, selector: string): Promise<string> => page.innerText(selector);
  const idOn = (page: Page): Promise<string | null> =>
    page.getAttribute("#session-id", "title", { timeout: 5000 });

  it("shows a session living, from the first visit to the logout", async () => {
    const page = await openPage();
    const reloads: string[] = [];
    await page.goto(one.url);
    page.on("load", () => reloads.push(page.url()));
    expect(await text(page, "#visit-count")).toBe("1");
    expect(await text(page, "#raw")).toContain("filesession");

    await page.click("#visit");
    await expect.poll(() => text(page, "#visit-count")).toBe("2");

    await page.click("#add-cards");
    await expect.poll(() => text(page, "#count-cards")).toBe("1");
    await page.click("#add-cards");
    await expect.poll(() => text(page, "#cart-total")).toBe("9.00");
    expect(await text(page, "#types")).toMatch(/cart\.get\("cards"\)\.added\s+Date/);

    const before = await idOn(page);
    await page.fill("#name", "Grace");
    await page.click("#login");
    await expect.poll(() => text(page, "#person-title")).toBe("Grace");
    const after = await idOn(page);
    expect(after).not.toBe(before);
    expect(await text(page, "#file")).toContain(`sess_${after}`);

    await page.click("#try-retired");
    await expect.poll(() => text(page, "#person")).toContain("It opens nothing.");
    expect(await text(page, "#retired-answer")).toContain('"id":null');
    expect(await idOn(page)).toBe(after);
    expect(reloads).toEqual([]);

    await page.goto(two.url);
    expect(await text(page, "#pid")).toBe(String(two.pid));
    expect(await text(page, "#visit-count")).toBe("3");
    expect(await text(page, "#person-title")).toBe("Grace");
    expect(await text(page, "#count-cards")).toBe("2");
    expect(await text(page, "#mount-same")).toContain("exactly");

    await page.click("#logout");
    await expect.poll(() => text(page, "#file-title")).toBe("no file");
    const cookies = await page.context().cookies();
    expect(cookies.map(({ name }) => name)).not.toContain("session");
    expect(await sessionFiles()).not.toContain(`sess_${after}`);
  });

  it("draws what became of fifty requests at once, and still does after a reload", async () => {
    const page = await openPage();
    await page.goto(one.url);

    await page.click("#start-race");

    const result = (lane: string): Promise<string> => text(page, `#lane-${lane} strong`);
    await expect.poll(() => result("ours"), { timeout: 10_000 }).toBe("50 of 50");
    const naive = await result("naive");
    expect(naive).toMatch(/^\d+ of 50/);
    const kept = (lane: string): Promise<number> => page.locator(`#lane-${lane} .kept`).count();
    expect(await kept("ours")).toBe(50);
    expect(await kept("naive")).toBe(Number.parseInt(naive));
    await page.reload();
    expect([await result("ours"), await result("naive")]).toEqual(["50 of 50", naive]);
  });

  it("keeps the keyboard where it was", async () => {
    const page = await openPage();
    await page.goto(one.url);
    const focused = (): Promise<string | undefined> =>
      page.evaluate(() => document.activeElement?.id);

    await page.focus("#add-stamp");
    await page.keyboard.press("Enter");
    await expect.poll(() => text(page, "#count-stamp")).toBe("1");
    expect(await focused()).toBe("add-stamp");

    await page.focus("#start-race");
    await page.keyboard.press("Enter");
    await expect.poll(() => text(page, "#lane-ours strong"), { timeout: 10_000 }).toBe("50 of 50");
    expect(await focused()).toBe("start-race");

    await page.focus("#remove-stamp");
    await page.keyboard.press("Enter");
    await expect.poll(() => text(page, "#count-stamp")).toBe("0");
    expect(await focused()).toBe("cart-title");
  });

  it("works without JavaScript", async () => {
    const page = await openPage({ javaScriptEnabled: false });
    await page.goto(one.url);

    await page.click("#add-folder");
    expect(await text(page, "#count-folder")).toBe("1");
    await page.click("#login");
    expect(await text(page, "#person-title")).toBe("Ada");
    expect(await text(page, "#notice")).toContain("Logged in");
    await page.click("#try-retired");
    expect(await text(page, "#person")).toContain("It opens nothing.");
    expect(await text(page, "#visit-count")).toBe("1");
    await page.click("#logout");
    expect(await text(page, "#file-title")).toBe("no file");
  });

  it("fits a phone", async () => {
    const page = await openPage({
      viewport: { width: 360, height: 740 },
      isMobile: true,
      hasTouch: true,
    });
    await page.goto(one.url);
    await page.tap("#add-cards");
    await page.tap("#login");
    await expect.poll(() => text(page, "#person-title")).toBe("Ada");
    await page.tap("#try-retired");
    await page.tap("#start-race");
    await expect.poll(() => text(page, "#lane-ours strong"), { timeout: 10_000 }).toBe("50 of 50");

    const widths = await page.evaluate(() => [
      document.documentElement.scrollWidth,
      document.documentElement.clientWidth,
    ]);

    expect(widths).toEqual([360, 360]);
  });

  it("says so when the server does not answer", async () => {
    const page = await openPage();
    await page.goto(one.url);
    await context!.route("**/cart", (route) => route.abort());
    await page.click("#add-cards");
    await expect.poll(() => text(page, "#notice")).toContain("did not answer");
    complaints = complaints.filter((text) => !text.includes("ERR_FAILED")); // the browser's own word on it
  });
});
