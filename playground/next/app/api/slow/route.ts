import { setTimeout as sleep } from "node:timers/promises";
import { fileSession, sessionRoute } from "../../../lib/session";

export const POST = sessionRoute(async (request) => {
  const session = await fileSession();
  await sleep(Number(new URL(request.url).searchParams.get("ms")));
  await session.update({ late: true });
  return Response.json({ ok: true });
});
