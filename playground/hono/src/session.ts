// The sessions of this app: where they are, what is in them, and how a route gets its own.

import { configureFileSession, type FileSession, useFileSession } from "filesession";
import { createMiddleware } from "hono/factory";

declare module "filesession" {
  interface SessionData {
    user?: string;
    visits?: number;
    late?: boolean;
    /** What `POST /api/add` has added. */
    [key: `k${number}`]: true;
  }
}

configureFileSession({ fileDir: ".data/sessions", maxAge: 30 * 24 * 60 * 60 });

/** Puts the request's session into `c.var`. Its cookie goes where all headers of Hono's answers come from. */
export const fileSession = createMiddleware<{ Variables: { session: FileSession } }>(
  async (c, next) => {
    c.set("session", await useFileSession({ request: c.req.raw, responseHeaders: c.res.headers }));
    await next();
  },
);

/** Whether it is a key that `POST /api/add` may add. */
export function isAddable(key: string | null | undefined): key is `k${number}` {
  return /^k\d+$/.test(key ?? "");
}
