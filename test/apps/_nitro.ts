// The playground, built with one of the Nitros: what test/e2e has in full, in short, for each runtime.

import { cpSync, existsSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { buildPlaygrounds } from "../e2e/build.ts";
import { Visitor } from "../e2e/visitor.ts";
import { type App, type Server, startApp } from "./_app.ts";
import { place } from "./_pack.ts";

/** The facts, for `nitro2` or `nitro3`. */
export function describeNitro(name: "nitro2" | "nitro3"): void {
  describe(`playground/, with ${name}`, () => {
    let app: App;
    let one: Server;
    let two: Server;
    const files = (): string[] =>
      readdirSync(join(app.dir, ".data/sessions")).filter((file) => /^sess_[0-9a-f]+$/.test(file));
    const start = (): Promise<Server> => startApp(app, ["server/index.mjs"]);

    beforeAll(async () => {
      app = { name, dir: await built(name), node: process.execPath };
      rmSync(join(app.dir, ".data"), { recursive: true, force: true });
      [one, two] = await Promise.all([start(), start()]);
    });
    afterAll(() => Promise.all([one?.kill(), two?.kill()]));

    it("keeps nothing about a visitor who stores nothing, and a file about one who does", async () => {
      const visitor = new Visitor();
      expect((await visitor.look(one)).id).toBeNull();
      expect(visitor.cookies.has("session")).toBe(false);
      await visitor.post(one, "/cart", { add: "stamp" });
      const { id, data } = await visitor.look(two);
      expect(files()).toContain(`sess_${id}`);
      expect(data['cart.get("stamp").cents']).toBe("bigint 1890n");
      expect(await visitor.json(one, "/api/storage")).toMatchObject({ same: true });
    });

    it("loses nothing of fifty requests at once, on two servers", async () => {
      const visitor = new Visitor();
      await visitor.post(one, "/race/start");
      const servers = Array.from({ length: 50 }, (_, i) => (i % 2 ? one : two));
      await Promise.all(servers.map((server) => visitor.post(server, "/race/ours")));
      expect(await visitor.json(one, "/race")).toMatchObject({ ours: 50 });
    });

    it("gives a new token at a log-in, and ends with the log-out", async () => {
      const visitor = new Visitor();
      await visitor.get(one, "/");
      const before = visitor.cookies.get("session");
      expect((await visitor.post(one, "/login", { name: "Ada" })).status).toBe(303);
      expect(visitor.cookies.get("session")).not.toBe(before);
      const { id, data } = await visitor.look(two);
      expect(data["user.name"]).toBe('string "Ada"');
      await visitor.post(two, "/logout");
      expect(files()).not.toContain(`sess_${id}`);
    });

    it("keeps sessions over kill -9", async () => {
      const doomed = await start();
      const visitor = new Visitor();
      await visitor.post(doomed, "/cart", { add: "stamp" });
      const { id } = await visitor.look(doomed);
      await doomed.kill("SIGKILL");
      expect((await visitor.look(one)).id).toBe(id);
    });
  });
}

/** Where it is built, out of what is packed. It stays for the runtimes to come. */
async function built(name: "nitro2" | "nitro3"): Promise<string> {
  const dir = join(place, `${name}-${inject("packed").slice(0, 16)}`);
  if (process.env.APP_RUNTIME && existsSync(dir)) return dir;
  rmSync(dir, { recursive: true, force: true });
  const [script = ""] = await buildPlaygrounds(name === "nitro2" ? "Nitro 2" : "Nitro 3");
  const output = dirname(dirname(script));
  cpSync(output, dir, { recursive: true });
  rmSync(output, { recursive: true });
  return dir;
}
