import { json } from "@sveltejs/kit";
import { useFileSession } from "filesession";
import { endpoint } from "#lib/server/session.ts";

export const POST = endpoint(async (event) => {
  await (await useFileSession(event)).clear();
  return json({ ok: true });
});
