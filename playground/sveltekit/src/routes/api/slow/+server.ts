import { setTimeout as sleep } from "node:timers/promises";
import { json } from "@sveltejs/kit";
import { useFileSession } from "filesession";
import { endpoint } from "#lib/server/session.ts";

export const POST = endpoint(async (event) => {
  const session = await useFileSession(event);
  await sleep(Number(event.url.searchParams.get("ms")));
  await session.update({ late: true });
  return json({ ok: true });
});
