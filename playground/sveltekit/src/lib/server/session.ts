import { error, type RequestEvent, type RequestHandler } from "@sveltejs/kit";
import { SessionError, useFileSession } from "filesession";

declare module "filesession" {
  interface SessionData {
    user?: string;
    visits?: number;
    late?: boolean;
    /** What `POST /api/add` has added. */
    [key: `k${number}`]: true;
  }
}

/** A new token, so that nobody who has planted the old one is logged in as well. */
export async function logIn(event: RequestEvent, user: string): Promise<string | undefined> {
  const session = await useFileSession(event);
  await session.regenerate();
  await session.update({ user });
  return session.id;
}

/** An endpoint that answers an error of the session's with the status it has. */
export function endpoint(answer: RequestHandler): RequestHandler {
  return async (event) => {
    try {
      return await answer(event);
    } catch (cause) {
      // 409 when it was logged out meanwhile, 503 when its disk is full.
      if (cause instanceof SessionError) error(cause.status, cause.code);
      throw cause;
    }
  };
}
