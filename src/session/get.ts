import type { FileSessionConfig } from "./config.ts";
import type { DefaultData, FileSession } from "./file-session.ts";
import type { SessionEvent } from "./session-event.ts";
import { useFileSession } from "./use.ts";

/** A session that is only looked at. */
export type ReadonlyFileSession<T extends object = DefaultData> = Pick<
  FileSession<T>,
  "id" | "data" | "isReplaced" | "isRemembered" | "time" | "touched" | "expires" | "ip" | "toJSON"
>;

/**
 * The session of the visitor who sent this request, to look at; `undefined` when there is none.
 * Begins no session, sets no cookie, waits for no lock, unless it comes upon one of h3's that is to be
 * adopted. It counts as use of the session.
 *
 * Rejects as `useFileSession` does.
 */
export async function getFileSession<T extends object = DefaultData>(
  event: SessionEvent,
  config?: FileSessionConfig<T>,
): Promise<ReadonlyFileSession<T> | undefined> {
  const session = await useFileSession<T>(event, config);
  return session.id === undefined ? undefined : session;
}
