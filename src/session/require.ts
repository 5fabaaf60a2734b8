import { required } from "../core/error.ts";
import { type FileSessionConfig, readConfig } from "./config.ts";
import type { DefaultData, FileSession } from "./file-session.ts";
import type { SessionEvent } from "./session-event.ts";
import { useFileSession } from "./use.ts";

/**
 * The session of the visitor who sent this request. Rejects with `ERR_SESSION_REQUIRED`, which is a
 * 401 in h3, when there is none; otherwise as `useFileSession` does.
 */
export async function requireFileSession<T extends object = DefaultData>(
  event: SessionEvent,
  config: FileSessionConfig<T> = {},
): Promise<FileSession<T>> {
  const session = await useFileSession<T>(event, config);
  if (session.id === undefined) throw required(readConfig(config).name);
  return session;
}
