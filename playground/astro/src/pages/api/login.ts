import type { APIRoute } from "astro";
import { logIn } from "../../session.ts";

export const POST: APIRoute = async ({ locals: { session }, request }) => {
  const { user } = (await request.json().catch(() => ({}))) as { user?: unknown };
  if (typeof user !== "string" || user === "")
    return Response.json({ error: "Who is it?" }, { status: 400 });
  await logIn(session, user);
  return Response.json({ id: session.id });
};
