import { endpoint, parse } from "#build/filesession.mjs";
import type { ComputedRef } from "vue";
import { computed, shallowRef, useRequestEvent, useState } from "#imports";
import { type Known, serverSessionOf } from "../server-session.ts";
import type { PublicSession } from "../public-session.ts";

type UserOf<Session> = Session extends { user?: infer User } ? NonNullable<User> : never;

/** The type of `user` in the session's data, as far as that is public. */
type User = "user" extends keyof PublicSession ? UserOf<PublicSession> : never;

/** The visitor's session in the app, as `useUserSession` gives it. */
export interface UserSession {
  /**
   * Whether it is known who is there. It is, unless the page is from a cache or was rendered when the app
   * was built; then from the moment on that the browser has asked.
   */
  readonly ready: ComputedRef<boolean>;
  /** Whether the session has a `user`. */
  readonly loggedIn: ComputedRef<boolean>;
  /** The `user` in the session; `null` without one. */
  readonly user: ComputedRef<User | null>;
  /** The public part of the session's data; `null` without a session. Changing it stores nothing. */
  readonly session: ComputedRef<PublicSession | null>;
  /**
   * Asks the server anew: after a log-in, or when another tab may have logged out. Rejects when it does
   * not answer, and then everything is as it was.
   */
  readonly refresh: () => Promise<void>;
  /** Logs out: the session is destroyed, its cookie goes. Rejects as `refresh` does. */
  readonly clear: () => Promise<void>;
}

declare const $fetch: (
  path: string,
  options: { method: Method; responseType: "text"; retry: 0 },
) => Promise<string>;

type Method = "GET" | "DELETE";

/**
 * The session of the visitor, as far as it is public: in components, plugins and route middleware. One
 * for the whole app.
 */
export function useUserSession(): UserSession {
  // Written into the page's payload on the server.
  const known = useState<Known>("filesession", () => shallowRef({ ready: false, session: null }));
  const event = import.meta.server ? useRequestEvent() : undefined;

  const ask = async (method: Method): Promise<void> => {
    if (!import.meta.server) {
      const turn = ++turns;
      const session = await fetchSession(method);
      // An answer that a later question has overtaken may be from before a log-out; so may that to one
      // which was asked while this log-out was on its way.
      if (method === "DELETE") turns++;
      else if (turn !== turns) return;
      known.value = { ready: true, session };
      return;
    }
    const server = event && serverSessionOf(event);
    if (!server) return;
    known.value = await (method === "GET" ? server.read(event) : server.clear(event));
  };

  return {
    ready: computed(() => known.value.ready),
    loggedIn: computed(() => Boolean(known.value.session?.["user"])),
    user: computed(() => known.value.session?.["user"] ?? null),
    session: computed(() => known.value.session),
    refresh: () => ask("GET"),
    clear: () => ask("DELETE"),
  };
}

// How often the browser has asked.
let turns = 0;

async function fetchSession(method: Method): Promise<PublicSession | null> {
  const text = await $fetch(endpoint, { method, responseType: "text", retry: 0 });
  return parse(text) as PublicSession | null;
}
