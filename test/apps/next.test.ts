import { describe, expect, it } from "vitest";
import { Visitor } from "../e2e/visitor.ts";
import { describeFacts, inChromium, runApp, shown } from "./_facts.ts";

describe("playground/next", () => {
  const app = runApp({ name: "next", serve: ["node_modules/next/dist/bin/next", "start"] });
  describeFacts(app);

  inChromium("a server action", (openPage) => {
    it.each([
      ["with JavaScript", true],
      ["without JavaScript", false],
    ])(
      "begins a session, and the page made in its request knows of it, %s",
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

  it("a page that begins a session is refused, and leaves neither cookie nor file", async () => {
    const before = await app.files();
    const response = await new Visitor().get(app.one, "/too-late");
    expect(await response.text()).toContain("ERR_SESSION_HEADERS_SENT");
    expect(response.headers.getSetCookie()).toEqual([]);
    expect(await app.files()).toEqual(before);
  });

  it("a page changes a session that there is", async () => {
    const visitor = new Visitor();
    await visitor.send(app.one, "/api/add?key=k1", { method: "POST" });
    expect(await (await visitor.get(app.one, "/too-late")).text()).toContain("Stored");
    expect(await visitor.json(app.two, "/api/session")).toMatchObject({
      data: { k1: true, visits: 1 },
    });
  });
});
