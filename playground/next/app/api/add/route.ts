import { setTimeout as sleep } from "node:timers/promises";
import { fileSession, sessionRoute } from "../../../lib/session";

export const POST = sessionRoute(async (request) => {
  const { searchParams } = new URL(request.url);
  const key = searchParams.get("key");
  if (!isAddable(key)) return Response.json({ error: "A key is k and a number" }, { status: 400 });
  const session = await fileSession();
  await sleep(Number(searchParams.get("ms")));
  await session.update({ [key]: true });
  return Response.json({ ok: true });
});

function isAddable(key: string | null): key is `k${number}` {
  return key !== null && /^k\d+$/.test(key);
}
