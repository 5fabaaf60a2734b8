import { setTimeout as sleep } from "node:timers/promises";
import type { APIRoute } from "astro";

export const POST: APIRoute = async ({ locals, url }) => {
  const key = url.searchParams.get("key");
  if (!isAddable(key)) return Response.json({ error: "A key is k and a number" }, { status: 400 });
  await sleep(Number(url.searchParams.get("ms")));
  await locals.session.update({ [key]: true });
  return Response.json({ ok: true });
};

function isAddable(key: string | null): key is `k${number}` {
  return key !== null && /^k\d+$/.test(key);
}
