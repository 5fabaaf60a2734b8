import type { APIRoute } from "astro";

export const GET: APIRoute = ({ locals }) => {
  const { id = null, isNew, data } = locals.session;
  return Response.json({ id, isNew, data });
};
