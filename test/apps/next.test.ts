import { describe, expect, it } from "vitest";
import { Visitor } from "../e2e/visitor.ts";
import { describeFacts, describeVisitForm, runApp } from "./_facts.ts";

describe("playground/next", () => {
  const app = runApp({ name: "next", serve: ["node_modules/next/dist/bin/next", "start"] });
  describeFacts(app);

  describeVisitForm(app);

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
