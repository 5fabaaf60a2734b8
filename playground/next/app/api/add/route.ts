import { fileSession, sessionRoute } from "../../../lib/session";

export const POST = sessionRoute(async (request) => {
  const key = new URL(request.url).searchParams.get("key");
  if (!isAddable(key)) return Response.json({ error: "A key is k and a number" }, { status: 400 });
  await (await fileSession()).update({ [key]: true });
  return Response.json({ ok: true });
});

function isAddable(key: string | null): key is `k${number}` {
  return key !== null && /^k\d+$/.test(key);
}
