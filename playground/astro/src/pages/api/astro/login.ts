import type { APIRoute } from "astro";

export const POST: APIRoute = async ({ session, request }) => {
  const { user } = (await request.json()) as { user: string };
  await session?.regenerate();
  session?.set("user", user);
  return Response.json({ ok: true });
};
