import { json } from "@sveltejs/kit";
import { useFileSession } from "filesession";
import { endpoint } from "#lib/server/session.ts";

export const GET = endpoint(async (event) => {
  const { id = null, isNew, data } = await useFileSession(event);
  return json({ id, isNew, data });
});
