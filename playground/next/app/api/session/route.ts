import { fileSession, sessionRoute } from "../../../lib/session";

export const GET = sessionRoute(async () => {
  const { id = null, isNew, data } = await fileSession();
  return Response.json({ id, isNew, data });
});
