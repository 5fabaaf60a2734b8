import { type FileSession, SessionError, useFileSession } from "filesession";
import { cookies, headers } from "next/headers";

declare module "filesession" {
  interface SessionData {
    user?: string;
    visits?: number;
    late?: boolean;
    /** What `POST /api/add` has added. */
    [key: `k${number}`]: true;
  }
}

/**
 * This request's session. A server action and a route handler can change it; a page can look at it, and
 * begin none.
 */
export async function fileSession(): Promise<FileSession> {
  return useFileSession({ request: { headers: await headers() }, cookies: await cookies() });
}

/** A new token, so that nobody who has planted the old one is logged in as well. */
export async function logIn(user: string): Promise<FileSession> {
  const session = await fileSession();
  await session.regenerate();
  return session.update({ user });
}

/** A route handler that answers an error of the session's with the status it has. */
export function sessionRoute(answer: (request: Request) => Promise<Response>) {
  return async (request: Request): Promise<Response> => {
    try {
      return await answer(request);
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
      // 409 when it was logged out meanwhile, 503 when its disk is full.
      return Response.json({ error: error.code }, { status: error.status });
    }
  };
}
