import { fileSession, sessionRoute } from "../../../lib/session";

export const POST = sessionRoute(async () => {
  const session = await fileSession();
  await session.update(({ visits = 0 }) => ({ visits: visits + 1 }));
  return Response.json({ visits: session.data.visits });
});
