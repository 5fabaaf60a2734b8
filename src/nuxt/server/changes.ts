// What has happened to the sessions of late, for the DevTools. While the app is developed only.

import { tracingChannel } from "node:diagnostics_channel";
import type { SessionTraces } from "../../index.ts";

export interface Change {
  at: Date;
  id: string;
  /** What was done, or seen on the disk. */
  what: string;
  /** Milliseconds that it took, where it was done by this server. */
  duration?: number | undefined;
  /** The code of the error, where it has failed. */
  error?: string | undefined;
}

const most = 50;
const changes: Change[] = [];

/** The last 50, newest first. */
export function recentChanges(): readonly Change[] {
  return changes;
}

function add(change: Change): void {
  changes.unshift(change);
  changes.length = Math.min(changes.length, most);
}

// Held on to: Node forgets a channel that nobody holds.
const channels = (["store", "update", "regenerate"] as const).map((name) => {
  const channel = tracingChannel<unknown, SessionTraces[typeof name]>(`filesession:${name}`);
  channel.subscribe({
    start() {},
    end() {},
    asyncStart() {},
    asyncEnd(message) {
      const { id, duration, error } = message;
      if (!error && "outcome" in message && message.outcome === "miss") return;
      const what = "to" in message ? `regenerate, to ${message.to.slice(0, 8)}…` : name;
      add({ at: new Date(), id, what, duration, error: error ? codeOf(error) : undefined });
    },
    error() {},
  });
  return channel;
});

function codeOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown };
  return String(code ?? name ?? "an error");
}

/** What the storage of the sessions says: of other processes too, and of sessions that go. */
export function noteChange(event: "update" | "remove", id: string): void {
  const justNow = Date.now() - 2000;
  const isKnown = (change: Change): boolean => change.id === id && change.at.getTime() > justNow;
  if (event === "remove") add({ at: new Date(), id, what: "gone" });
  else if (channels.length > 0 && !changes.some(isKnown))
    add({ at: new Date(), id, what: "stored or touched" });
}
