// What the event loop's thread, and those that read and write files for it, say to each other.

import type { SessionEvents } from "../core/diagnostics.ts";
import { SessionError, type SessionErrorCode } from "../core/error.ts";
import type { CleanResult, WriteOptions } from "../core/handler.ts";
import type { Pickled } from "../core/pickle.ts";
import type { Meta } from "./record.ts";
import { Found } from "./found.ts";

/** What a thread is told to do: methods of `Files`, with what structured cloning can take along. */
export type Order =
  | { method: "store"; args: [id: string, pickled: Pickled, options: WriteOptions] }
  | { method: "update"; args: [id: string, options: WriteOptions] }
  | { method: "retrieve" | "acquireLock"; args: [id: string, blocking: boolean] }
  | { method: "touch" | "remove" | "releaseLock"; args: [id: string] }
  | { method: "tagged"; args: [tag: string] }
  | { method: "clean"; args: [timeout: number, blocking: boolean] }
  /** The next ids of one walk through all, none at its end. */
  | { method: "keys" | "endKeys"; args: [walk: number] };

/** From the event loop. Each call has a number, and goes by a clock that a test may have moved. */
export type Request =
  | (Order & { call: number; shiftMs: number })
  | { call: number; answer: Answer }
  | { call: number; abort: true };

/** What a change makes of what was found; `undefined` when it has failed. */
export type Answer = { value: Pickled | undefined } | undefined;

/** From a thread. */
export type Reply =
  | { call: number; done: { value: unknown } | { error: PlainError } }
  | { call: number; found: PlainSession | undefined }
  | { call: number; progress: CleanResult }
  | { warning: { name: string; message: string; code: string } }
  | { event: EventHere; message: SessionEvents[EventHere] };

/** What can happen in a thread, and is told where the application listens. */
export type EventHere = "corrupt" | "stale-lock";

/** A session, as structured cloning can take it along. */
export interface PlainSession extends Pickled {
  meta: Meta;
  touched: number;
}

export function plainSession({ current, touched }: Found): PlainSession {
  const { meta, encoding, text } = current;
  return { meta, encoding, text, touched };
}

export function sessionOf({ meta, encoding, text, touched }: PlainSession): Found {
  return new Found({ seq: 0, meta, encoding, text }, touched); // its number is of no interest here
}

/** An error, as structured cloning can take it along, which keeps neither class nor code. */
export interface PlainError {
  message: string;
  stack: string | undefined;
  /** Of a `SessionError`. */
  session?: SessionErrorCode;
  /** What a system error says beside its message. */
  system: object;
  cause?: PlainError;
}

const systemWords = ["code", "errno", "syscall", "path", "dest"];

export function plainError(error: unknown): PlainError {
  if (!(error instanceof Error)) return { message: String(error), stack: undefined, system: {} };
  const words = Object.entries(error).filter(([key]) => systemWords.includes(key));
  return {
    message: error.message,
    stack: error.stack,
    ...(error instanceof SessionError && { session: error.code }),
    system: Object.fromEntries(words),
    ...(error.cause !== undefined && { cause: plainError(error.cause) }),
  };
}

/** The error again, with the stack it has in its own thread. */
export function errorOf({ message, stack, session, system, cause }: PlainError): Error {
  const options = cause && { cause: errorOf(cause) };
  const error = session
    ? new SessionError(session, message, options)
    : Object.assign(new Error(message, options), system);
  if (stack !== undefined) error.stack = stack;
  return error;
}
