import { logIn, sessionRoute } from "../../../lib/session";

export const POST = sessionRoute(async (request) => {
  const { user } = (await request.json().catch(() => ({}))) as { user?: unknown };
  if (typeof user !== "string" || user === "")
    return Response.json({ error: "Who is it?" }, { status: 400 });
  const { id } = await logIn(user);
  return Response.json({ id });
});
