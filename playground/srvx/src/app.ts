// Each route gets the session, and gives what is to be answered.

import { setTimeout as sleep } from "node:timers/promises";
import { type FileSession, SessionError, useFileSession } from "filesession";
import type { ServerRequest } from "srvx";
import { page } from "./page.ts";
import { isAddable } from "./session.ts";

interface Asked {
  session: FileSession;
  request: Request;
  url: URL;
}

type Route = (asked: Asked) => Promise<Answer> | Answer;

/** A page, JSON, or where to go next. */
type Answer = { html: string } | { json: object; status?: number } | { to: string };

const routes: Record<string, Route> = {
  "GET /": ({ session }) => ({ html: page(session.data) }),

  async "POST /login"({ session, request }) {
    const user = (await request.formData()).get("user");
    if (typeof user !== "string" || user === "") return badRequest("Who is it?");
    await logIn(session, user);
    return { to: "/" };
  },

  async "POST /logout"({ session }) {
    await session.clear();
    return { to: "/" };
  },

  "GET /api/session": ({ session: { id = null, isNew, data } }) => ({ json: { id, isNew, data } }),

  async "POST /api/visit"({ session }) {
    await session.update(({ visits = 0 }) => ({ visits: visits + 1 }));
    return { json: { visits: session.data.visits } };
  },

  async "POST /api/add"({ session, url }) {
    const key = url.searchParams.get("key");
    if (!isAddable(key)) return badRequest("A key is k and a number");
    await sleep(Number(url.searchParams.get("ms")));
    await session.update({ [key]: true });
    return { json: { ok: true } };
  },

  async "POST /api/login"({ session, request }) {
    const { user } = (await request.json().catch(() => ({}))) as { user?: unknown };
    if (typeof user !== "string" || user === "") return badRequest("Who is it?");
    await logIn(session, user);
    return { json: { id: session.id } };
  },

  async "POST /api/logout"({ session }) {
    await session.clear();
    return { json: { ok: true } };
  },

  async "POST /api/slow"({ session, url }) {
    await sleep(Number(url.searchParams.get("ms")));
    await session.update({ late: true });
    return { json: { ok: true } };
  },
};

/** A new token, so that nobody who has planted the old one is logged in as well. */
async function logIn(session: FileSession, user: string): Promise<void> {
  await session.regenerate();
  await session.update({ user });
}

function badRequest(error: string): Answer {
  return { json: { error }, status: 400 };
}

export async function handle(request: ServerRequest): Promise<Response> {
  const url = new URL(request.url);
  const route = routes[`${request.method} ${url.pathname}`];
  if (!route) return new Response("Not found", { status: 404 });

  const headers = new Headers();
  try {
    const session = await useFileSession({ request, responseHeaders: headers });
    return respond(await route({ session, request, url }), headers);
  } catch (error) {
    if (!(error instanceof SessionError)) throw error;
    // 409 when it was logged out meanwhile, 503 when its disk is full.
    return Response.json({ error: error.code }, { status: error.status, headers });
  }
}

/** The headers have the session's cookie by now. */
function respond(answer: Answer, headers: Headers): Response {
  if ("to" in answer) {
    headers.set("location", answer.to);
    return new Response(null, { status: 303, headers });
  }
  if ("html" in answer) {
    headers.set("content-type", "text/html; charset=utf-8");
    return new Response(answer.html, { headers });
  }
  return Response.json(answer.json, { status: answer.status ?? 200, headers });
}
