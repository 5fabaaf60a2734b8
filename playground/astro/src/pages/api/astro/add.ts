import { setTimeout as sleep } from "node:timers/promises";
import type { APIRoute } from "astro";

export const POST: APIRoute = async ({ session, url }) => {
  const keys = (await session?.get("keys")) ?? [];
  await sleep(Number(url.searchParams.get("ms")));
  session?.set("keys", [...keys, url.searchParams.get("key") ?? ""]);
  return Response.json({ ok: true });
};
