// What can be seen from outside, by node:diagnostics_channel. What takes time is a tracing channel,
// which tells of its beginning, its end and its error; what merely happens is an event on a plain one.
//
// Messages hold ids, names, counts and durations; never a token, data or an address. Where nobody
// listens none is made, and an operation pays for five looks at whether somebody does. A subscriber
// is called at once, in the midst of things; what it throws is an uncaught exception by Node's own
// doing, and never the operation's.

import type { Channel, TracingChannel } from "node:diagnostics_channel";
import {
  type CleanResult,
  type EmptyRecord,
  isRecord,
  type SessionRecord,
  type WriteOptions,
} from "./handler.ts";

/** What each message of a tracing channel gets as its operation ends. */
export interface SessionTrace {
  /** Milliseconds that it took. Seen on `asyncEnd` and `error`. */
  duration?: number;
  /** What it rejects with, where it does: one of ours, or what the caller's own change has thrown. */
  error?: unknown;
}

/** What a handler's operation on one session says of itself. */
interface SessionOperation extends SessionTrace {
  /** Whose it is: `file` is a `FileHandler`. */
  handler: string;
  /** The session's. Of one of `useFileSession` the hash of its token, which opens nothing. */
  id: string;
}

interface Found {
  /** Whether there was a session: found, or left by a change. Seen where there is no `error`. */
  outcome?: "value" | "miss";
}

interface Move {
  /** The id that the session has had, where it moves. */
  oldId?: string;
}

/**
 * The messages of the tracing channels, each `filesession:` and its key here. One operation has one
 * message, on all five channels of its tracing channel.
 */
export interface SessionTraces {
  retrieve: SessionOperation & Found;
  store: SessionOperation & Move;
  update: SessionOperation & Move & Found;
  /**
   * Waiting for a session that others have, within an operation; one that is free is not waited for.
   * Has an `error` where it was not had in time. Not seen of what is done in another thread.
   */
  "lock.wait": SessionOperation & {
    /** In the queue of this process, or at a lock that somebody else holds. */
    at: "queue" | "lock";
  };
  /** With the counts, where there is no `error`. `timeout` is in seconds. */
  clean: SessionTrace & { handler: string; timeout: number } & Partial<CleanResult>;
  /** `session.regenerate()`, from its id to the new one. */
  regenerate: SessionTrace & { id: string; to: string };
}

/** The messages of the events, each on the channel `filesession:` and its key here. */
export interface SessionEvents {
  /** Somebody came with the id that a session had before it was moved to the id `to`. */
  reuse: { id: string; to: string };
  /**
   * A damaged session was set aside. Of a file: where it is kept. Of a `SealedHandler`: none of the
   * secrets opens it, and it stays where it is.
   */
  corrupt: { handler: string; id: string; file?: string };
  /** A lock was taken over whose holder has given it up. Of a file: the lock's. */
  "stale-lock": { handler: string; id: string; file?: string };
  /** A session was a miss by `checkIp`. Says neither address. */
  "ip-changed": { id: string };
}

// Held on to: Node forgets a channel that nobody holds.
const traces: { [Name in keyof SessionTraces]?: TracingChannel } = {};
const events: { [Name in keyof SessionEvents]?: Channel } = {};

/**
 * Does the work, and has it seen on this tracing channel if somebody listens. `outcome` is what its
 * message says in the end.
 */
export function traced<Name extends keyof SessionTraces, T>(
  name: Name,
  message: () => SessionTraces[Name],
  work: () => Promise<T>,
  outcome?: (value: T) => Partial<SessionTraces[Name]>,
): Promise<T> {
  const channel = (traces[name] ??= diagnostics().tracingChannel(`filesession:${name}`));
  return isHeard(channel) ? seen(channel, message(), work, outcome) : work();
}

/** Bun (1.4) does not say it of a tracing channel as a whole. */
function isHeard(channel: TracingChannel): boolean {
  const { hasSubscribers } = channel as Partial<TracingChannel>;
  if (hasSubscribers !== undefined) return hasSubscribers;
  const { start, end, asyncStart, asyncEnd, error } = channel;
  return [start, end, asyncStart, asyncEnd, error].some((one) => one.hasSubscribers);
}

async function seen<T>(
  channel: TracingChannel,
  message: SessionTrace,
  work: () => Promise<T>,
  outcome: ((value: T) => object) | undefined,
): Promise<T> {
  let value!: T;
  const begun = performance.now();
  await channel.tracePromise(async () => {
    try {
      value = await work();
      if (outcome) Object.assign(message, outcome(value));
    } finally {
      message.duration = performance.now() - begun;
    }
    // Nothing is returned: Node would put it into the message, and it is data.
  }, message);
  return value;
}

/** Says that this has happened, if somebody listens. */
export function emit<Name extends keyof SessionEvents>(
  name: Name,
  message: () => SessionEvents[Name],
): void {
  const channel = eventChannel(name);
  if (channel.hasSubscribers) channel.publish(message());
}

/** Calls `listener` with each message of this event that this thread says, from now on. */
export function hear<Name extends keyof SessionEvents>(
  name: Name,
  listener: (message: SessionEvents[Name]) => void,
): void {
  // Not by the `subscribe` of the module: Bun (1.4) forgets a channel that nobody holds, subscribers
  // and all (oven-sh/bun#43086).
  eventChannel(name).subscribe((message) => listener(message as SessionEvents[Name]));
}

function eventChannel(name: keyof SessionEvents): Channel {
  return (events[name] ??= diagnostics().channel(`filesession:${name}`));
}

/** What an operation of `handler` on a session says of itself. */
export function operationOf(
  handler: string,
  id: string,
  { oldId }: WriteOptions = {},
): SessionTraces["store"] {
  return { handler, id, ...(oldId !== undefined && { oldId }) };
}

/** What `retrieve` and `update` say in the end. */
export function outcomeOf(record: SessionRecord | EmptyRecord): Found {
  return { outcome: isRecord(record) ? "value" : "miss" };
}

/** Loaded when it is first asked for, as few modules as can be being loaded by an import of the package. */
function diagnostics() {
  return process.getBuiltinModule("node:diagnostics_channel");
}
