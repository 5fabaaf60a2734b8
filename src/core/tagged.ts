// Finding the sessions of a tag by a list, while they move from id to id.
//
// Every handler lists an id before the session is there, and only while it is still under the id before.
// So of a session that is there all the time, some id is always on the list; but the one that was on it
// may have gone when it is looked at, and the next one may have been looked at too early, or not be on
// it yet. Then the list is read again.
//
// An id that was twice looked at in vain is done with. Was it too early both times, then from the first
// list to the second look the session was under the id before, and was found there. (An id that a session
// comes back to may be taken for one that is done with. Ids are random, so nobody does.)

import type { MaybePromise } from "./promise.ts";

/**
 * The ids of all sessions with a tag. `listed` gives those that may have it, `live` which of some have
 * it now. Each of them is asked once where nothing has gone.
 */
export async function findTagged(
  listed: () => MaybePromise<string[]>,
  live: (ids: string[]) => MaybePromise<string[]>,
): Promise<string[]> {
  const found = new Set<string>();
  const misses = new Map<string, number>();
  for (;;) {
    const open = (await listed()).filter((id) => !found.has(id) && (misses.get(id) ?? 0) < 2);
    for (const id of await live(open)) found.add(id);
    const missed = open.filter((id) => !found.has(id));
    if (missed.length === 0) return [...found];
    for (const id of missed) misses.set(id, (misses.get(id) ?? 0) + 1);
  }
}
