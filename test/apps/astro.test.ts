import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Visitor } from "../e2e/visitor.ts";
import { describeFacts, runApp } from "./_facts.ts";

describe("playground/astro", () => {
  const app = runApp({ name: "astro", serve: ["dist/server/entry.mjs"] });
  describeFacts(app);

  describe("Astro's own session, kept by filesession/driver", () => {
    const dir = (): string => join(app.app.dir, ".data/astro");

    const post = (visitor: Visitor, path: string, server = app.one): Promise<Response> =>
      visitor.send(server, `/api/astro/${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ user: "Ada" }),
      });

    it("is in one file, and known to both servers", async () => {
      const visitor = new Visitor();
      await post(visitor, "add?key=a");
      await post(visitor, "add?key=b", app.two);
      expect(await visitor.json(app.one, "/api/astro/session")).toEqual({ keys: ["a", "b"] });
      const id = visitor.cookies.get("astro-session")!;
      expect(await readFile(join(dir(), `sess_${id}`), "utf8")).toContain("keys");
    });

    it("has a new id after a log-in, and the old one is dead", async () => {
      const visitor = new Visitor();
      await post(visitor, "add?key=a");
      const thief = visitor.copy();
      await post(visitor, "login");
      const session = { keys: ["a"], user: "Ada" };
      expect(await visitor.json(app.two, "/api/astro/session")).toEqual(session);
      await expect.poll(() => thief.json(app.one, "/api/astro/session")).toEqual({});
    });

    it("goes with a log-out, cookie and file", async () => {
      const visitor = new Visitor();
      await post(visitor, "add?key=a");
      const id = visitor.cookies.get("astro-session")!;
      await post(visitor, "logout", app.two);
      expect(visitor.cookies.has("astro-session")).toBe(false);
      expect(await readdir(dir())).not.toContain(`sess_${id}`);
    });

    it("survives kill -9", async () => {
      const doomed = await app.start();
      const visitor = new Visitor();
      await post(visitor, "add?key=a", doomed);
      await doomed.kill("SIGKILL");
      expect(await visitor.json(app.one, "/api/astro/session")).toEqual({ keys: ["a"] });
    });

    it("cannot do this: of changes that meet, all but one are lost", async () => {
      const visitor = new Visitor();
      await post(visitor, "add?key=a");
      await Promise.all([post(visitor, "add?key=b&ms=300"), post(visitor, "add?key=c&ms=600")]);
      expect(await visitor.json(app.one, "/api/astro/session")).toEqual({ keys: ["a", "c"] });
    });

    it("cannot do this: a request that began before a log-out brings it back", async () => {
      const visitor = new Visitor();
      await post(visitor, "login");
      const thief = visitor.copy();
      const slow = post(thief, "add?key=b&ms=600");
      await sleep(200); // it has read the session
      await post(visitor, "logout", app.two);
      expect((await slow).status).toBe(200);
      expect(await thief.json(app.one, "/api/astro/session")).toEqual({ user: "Ada", keys: ["b"] });
    });

    it("cannot do this: its cookie is what its file is named after", async () => {
      const visitor = new Visitor();
      await post(visitor, "login");
      expect(await readdir(dir())).toContain(`sess_${visitor.cookies.get("astro-session")}`);
    });
  });
});
