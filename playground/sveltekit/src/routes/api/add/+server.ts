import { setTimeout as sleep } from "node:timers/promises";
import { error, json } from "@sveltejs/kit";
import { useFileSession } from "filesession";
import { endpoint } from "#lib/server/session.ts";

export const POST = endpoint(async (event) => {
  const { searchParams } = event.url;
  const key = searchParams.get("key");
  if (!isAddable(key)) error(400, "A key is k and a number");
  const session = await useFileSession(event);
  await sleep(Number(searchParams.get("ms")));
  await session.update({ [key]: true });
  return json({ ok: true });
});

function isAddable(key: string | null): key is `k${number}` {
  return key !== null && /^k\d+$/.test(key);
}
