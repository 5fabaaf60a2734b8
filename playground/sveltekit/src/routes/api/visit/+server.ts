import { json } from "@sveltejs/kit";
import { useFileSession } from "filesession";
import { endpoint } from "#lib/server/session.ts";

export const POST = endpoint(async (event) => {
  const session = await useFileSession(event);
  await session.update(({ visits = 0 }) => ({ visits: visits + 1 }));
  return json({ visits: session.data.visits });
});
