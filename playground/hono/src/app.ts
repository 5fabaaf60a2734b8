import { setTimeout as sleep } from "node:timers/promises";
import { type FileSession, SessionError } from "filesession";
import { Hono } from "hono";
import { page } from "./page.ts";
import { fileSession, isAddable } from "./session.ts";

export const app = new Hono()
  .use(fileSession)

  .get("/", (c) => c.html(page(c.var.session.data)))

  .post("/login", async (c) => {
    const { user } = await c.req.parseBody();
    if (typeof user !== "string" || user === "") return c.text("Who is it?", 400);
    await logIn(c.var.session, user);
    return c.redirect("/", 303);
  })

  .post("/logout", async (c) => {
    await c.var.session.clear();
    return c.redirect("/", 303);
  })

  .get("/api/session", (c) => {
    const { id = null, isNew, data } = c.var.session;
    return c.json({ id, isNew, data });
  })

  .post("/api/visit", async (c) => {
    const { data } = await c.var.session.update(({ visits = 0 }) => ({ visits: visits + 1 }));
    return c.json({ visits: data.visits });
  })

  .post("/api/add", async (c) => {
    const key = c.req.query("key");
    if (!isAddable(key)) return c.json({ error: "A key is k and a number" }, 400);
    await sleep(Number(c.req.query("ms")));
    await c.var.session.update({ [key]: true });
    return c.json({ ok: true });
  })

  .post("/api/login", async (c) => {
    const { user } = await c.req.json<{ user?: unknown }>().catch(() => ({ user: undefined }));
    if (typeof user !== "string" || user === "") return c.json({ error: "Who is it?" }, 400);
    await logIn(c.var.session, user);
    return c.json({ id: c.var.session.id });
  })

  .post("/api/logout", async (c) => {
    await c.var.session.clear();
    return c.json({ ok: true });
  })

  .post("/api/slow", async (c) => {
    await sleep(Number(c.req.query("ms")));
    await c.var.session.update({ late: true });
    return c.json({ ok: true });
  });

app.onError((error) => {
  if (!(error instanceof SessionError)) throw error;
  // 409 when it was logged out meanwhile, 503 when its disk is full.
  return Response.json({ error: error.code }, { status: error.status });
});

/** A new token, so that nobody who has planted the old one is logged in as well. */
async function logIn(session: FileSession, user: string): Promise<void> {
  await session.regenerate();
  await session.update({ user });
}
