// Sessions without a request: what an admin page, a job or a script does with them.

import type { CleanOptions, CleanResult } from "../core/handler.ts";
import { badOption } from "../core/error.ts";
import { type FileSessionConfig, readConfig } from "./config.ts";
import type { DefaultData } from "./file-session.ts";
import { longestIdle } from "./lifetime.ts";
import { destroySessionsOf, type SessionInfo, sessionsOf } from "./owners.ts";

/** The sessions of one place, by their ids and tags. All of it rejects as the handler does. */
export interface FileSessions<T extends object = DefaultData> {
  /**
   * The live sessions with this tag, the one that was used last first. It costs what those cost, however
   * many sessions there are of others.
   */
  list(tag: string): Promise<SessionInfo<T>[]>;
  /** Destroys a session by its id. Whether there was one. */
  destroy(id: string): Promise<boolean>;
  /** Destroys the sessions with this tag, except those with these ids. How many there were. */
  destroyTagged(tag: string, options?: { except?: string | readonly string[] }): Promise<number>;
  /** How many live sessions there are, of everybody. Looks at each of them. */
  count(): Promise<number>;
  /** Removes the sessions that have ended, now and not when the next cleaning is due. */
  clean(options?: CleanOptions): Promise<CleanResult>;
}

/**
 * The sessions that `useFileSession` keeps with this config, for use without a request. The config is
 * looked at with each call, so this may be made before `configureFileSession` is called. All of it
 * rejects with `ERR_SESSION_OPTION` for an option that makes no sense, and `ERR_SESSION_DIR`.
 *
 * ```ts
 * const sessions = fileSessions();
 * await sessions.destroyTagged("user 42"); // logs a user out everywhere
 * ```
 */
export function fileSessions<T extends object = DefaultData>(
  config: FileSessionConfig<T> = {},
): FileSessions<T> {
  return {
    list: async (tag) => sessionsOf<T>(tag, readConfig(config)),
    destroy: async (id) => readConfig(config).handler.remove(id),
    async destroyTagged(tag, { except = [] } = {}) {
      const ids = [except].flat();
      if (ids.some((id) => typeof id !== "string"))
        throw badOption("except", except, "the ids of sessions");
      return destroySessionsOf(tag, readConfig(config), ids);
    },
    async count() {
      let count = 0;
      for await (const _ of readConfig(config).handler.keys()) count++;
      return count;
    },
    async clean(options) {
      const settings = readConfig(config);
      return settings.handler.clean(longestIdle(settings), options);
    },
  };
}
