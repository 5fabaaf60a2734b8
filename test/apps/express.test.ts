import { describe, expect, it } from "vitest";
import { Visitor } from "../e2e/visitor.ts";
import { runApp } from "./_facts.ts";
import type { Server } from "./_app.ts";

describe("playground/express", () => {
  const app = runApp({ name: "express", serve: ["server.js"] });
  // To its end: express-session sends the head of an answer before it has stored, and the last byte after.
  const post = async (visitor: Visitor, server: Server, path: string, body = {}): Promise<void> => {
    const response = await visitor.send(server, path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(200);
    await response.text();
  };
  const look = async (visitor: Visitor, server: Server): Promise<unknown> =>
    (await visitor.json<{ data: unknown }>(server, "/api/session")).data;

  it("keeps nothing about a visitor who stores nothing", async () => {
    const before = await app.files();
    const visitor = new Visitor();
    expect(await look(visitor, app.one)).toEqual({});
    expect(visitor.cookies.size).toBe(0);
    expect(await app.files()).toEqual(before);
  });

  it("keeps a session for both servers, and over kill -9", async () => {
    const doomed = await app.start();
    const visitor = new Visitor();
    await post(visitor, doomed, "/api/visit");
    await post(visitor, app.two, "/api/visit");
    await doomed.kill("SIGKILL");
    expect(await look(visitor, app.one)).toEqual({ visits: 2 });
  });

  it("gives a new id at a log-in, and the old one is dead", async () => {
    const visitor = new Visitor();
    await post(visitor, app.one, "/api/visit");
    const thief = visitor.copy();
    await post(visitor, app.one, "/api/login", { user: "Ada" });
    expect(await look(visitor, app.two)).toEqual({ visits: 1, user: "Ada" });
    expect(await look(thief, app.two)).toEqual({});
  });

  it("ends with the log-out, also for who has kept the cookie", async () => {
    const visitor = new Visitor();
    await post(visitor, app.one, "/api/login", { user: "Ada" });
    const thief = visitor.copy();
    expect(await look(thief, app.two)).toEqual({ user: "Ada" });
    await post(visitor, app.two, "/api/logout");
    expect(await look(thief, app.one)).toEqual({});
  });

  it("closes at a SIGTERM, by itself", async () => {
    const server = await app.start();
    await post(new Visitor(), server, "/api/visit");
    expect(await server.kill("SIGTERM")).toBe(0);
  });
});
