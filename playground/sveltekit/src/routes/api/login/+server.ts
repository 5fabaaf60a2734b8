import { error, json } from "@sveltejs/kit";
import { endpoint, logIn } from "#lib/server/session.ts";

export const POST = endpoint(async (event) => {
  const { user } = (await event.request.json().catch(() => ({}))) as { user?: unknown };
  if (typeof user !== "string" || user === "") error(400, "Who is it?");
  return json({ id: await logIn(event, user) });
});
