import type { APIRoute } from "astro";

export const POST: APIRoute = async ({ locals: { session } }) => {
  await session.update(({ visits = 0 }) => ({ visits: visits + 1 }));
  return Response.json({ visits: session.data.visits });
};
