// The cookie of a ready-made session in a real browser, which then has it as if it had logged in.

import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { H3, toNodeHandler } from "h3-v2";
import { type Browser, type BrowserContext, chromium } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type FileSessionConfig, useFileSession } from "../../src/index.ts";
import { MemoryHandler, moveClock, sessionCookie } from "../../src/testing.ts";
import { tempDir } from "../_dir.ts";
import { has } from "../_needs.ts";
import { args, executablePath } from "./chromium.ts";

interface Data {
  user?: string;
  cart?: Set<string>;
}

describe.runIf(has("chromium"))("sessionCookie, in Chromium", () => {
  let browser: Browser;
  let context: BrowserContext;
  const servers: Server[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executablePath!, args });
  });
  afterAll(() => browser.close());

  beforeEach(async () => {
    context = await browser.newContext();
  });
  afterEach(async () => {
    await context.close();
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });

  /** An app with a page for those who are logged in. Gives its address. */
  async function served(config: FileSessionConfig): Promise<string> {
    const app = new H3()
      .get("/", async (event) => {
        const { data } = await useFileSession<Data>(event, config);
        event.res.headers.set("content-type", "text/html; charset=utf-8");
        return data.user === undefined
          ? "<h1>Log in</h1>"
          : `<h1>Hello, ${data.user}</h1><p>${[...(data.cart ?? [])].join(", ")}</p><a href="/logout">Log out</a>`;
      })
      .get("/logout", async (event) => {
        await (await useFileSession(event, config)).clear();
        return new Response(null, { status: 303, headers: { location: "/" } });
      });
    const server = createServer(toNodeHandler(app) as RequestListener);
    servers.push(server);
    await new Promise<void>((done) => server.listen(0, "localhost", done));
    return `http://localhost:${(server.address() as AddressInfo).port}`;
  }

  /** The heading of the app's page. */
  async function headingAt(url: string): Promise<string | null> {
    const page = await context.newPage();
    await page.goto(url);
    return page.textContent("h1");
  }

  it.each<[string, () => FileSessionConfig]>([
    ["a directory", () => ({ fileDir: tempDir() })],
    ["memory", () => ({ handler: new MemoryHandler() })],
    ["a strict cookie", () => ({ fileDir: tempDir(), cookie: { sameSite: "strict", path: "/" } })],
    ["a Secure cookie", () => ({ handler: new MemoryHandler(), name: "__Host-session" })],
  ])("is let in without logging in, and logs out: %s", async (_, newConfig) => {
    const config = newConfig();
    const url = await served(config);
    expect(await headingAt(url)).toBe("Log in");
    const ada = await sessionCookie(
      url,
      { user: "Ada", cart: new Set(["tea", "oat milk"]) },
      config,
    );

    await context.addCookies([ada.forBrowser]);

    const page = await context.newPage();
    await page.goto(url);
    expect(await page.textContent("h1")).toBe("Hello, Ada");
    expect(await page.textContent("p")).toBe("tea, oat milk");
    expect(await page.evaluate("document.cookie")).toBe("");
    await page.click("a");
    expect(await page.textContent("h1")).toBe("Log in");
    expect(await context.cookies()).toEqual([]);
  });

  it("is there from the beginning, as the storage state of a context", async () => {
    const config = { handler: new MemoryHandler() };
    const url = await served(config);
    const { forBrowser } = await sessionCookie(url, { user: "Ada" }, config);
    await context.close();

    context = await browser.newContext({ storageState: { cookies: [forBrowser], origins: [] } });

    expect(await headingAt(url)).toBe("Hello, Ada");
    const [kept] = await context.cookies();
    expect(kept).toMatchObject({ ...forBrowser, expires: expect.closeTo(forBrowser.expires, -1) });
  });

  it("is over when the session is, by the moved clock", async () => {
    const config = { handler: new MemoryHandler(), idleTimeout: 3600 };
    const url = await served(config);
    const { forBrowser } = await sessionCookie(url, { user: "Ada" }, config);
    await context.addCookies([forBrowser]);
    expect(await headingAt(url)).toBe("Hello, Ada");

    const { restore } = moveClock(3601);

    try {
      expect(await headingAt(url)).toBe("Log in");
    } finally {
      restore();
    }
  });
});
