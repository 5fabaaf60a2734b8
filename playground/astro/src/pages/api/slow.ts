import { setTimeout as sleep } from "node:timers/promises";
import type { APIRoute } from "astro";

export const POST: APIRoute = async ({ locals, url }) => {
  await sleep(Number(url.searchParams.get("ms")));
  await locals.session.update({ late: true });
  return Response.json({ ok: true });
};
