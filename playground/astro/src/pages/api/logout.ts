import type { APIRoute } from "astro";

export const POST: APIRoute = async ({ locals }) => {
  await locals.session.clear();
  return Response.json({ ok: true });
};
