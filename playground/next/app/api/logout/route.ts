import { fileSession, sessionRoute } from "../../../lib/session";

export const POST = sessionRoute(async () => {
  await (await fileSession()).clear();
  return Response.json({ ok: true });
});
