// The sessions of this app: where they are, and what is in them.

import { configureFileSession } from "filesession";

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

/** Whether it is a key that `POST /api/add` may add. */
export function isAddable(key: string | null | undefined): key is `k${number}` {
  return /^k\d+$/.test(key ?? "");
}
