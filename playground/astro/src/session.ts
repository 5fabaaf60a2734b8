import { configureFileSession, type FileSession } from "filesession";

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

/** A new token, so that nobody who has planted the old one is logged in as well. */
export async function logIn(session: FileSession, user: string): Promise<void> {
  await session.regenerate();
  await session.update({ user });
}
