// Every error filesession throws, and every message it renders.
//
// A message says what was tried, the value, and the way out. It never holds a token or session
// data: an id is the hash of a token and may be shown.

import { isWindows } from "./platform.ts";

/** The stable name of each way things go wrong. */
export type SessionErrorCode =
  /** No place can be found for this id: empty, not a string, or too long. */
  | "ERR_SESSION_ID"
  /**
   * The place failed: `fileDir` cannot be used, the disk is full or broken. The `cause` has the
   * system's error.
   */
  | "ERR_SESSION_DIR"
  /** Somebody held the lock for longer than `lockTimeout`. */
  | "ERR_SESSION_LOCK_TIMEOUT"
  /**
   * The lock was taken over while we held it: this process was paused for more than a minute.
   * Nothing was acknowledged.
   */
  | "ERR_SESSION_LOCK_LOST"
  /** The session was destroyed, or moved to another id, while it was in use. */
  | "ERR_SESSION_GONE"
  /** The request has no session, and was to have one. */
  | "ERR_SESSION_REQUIRED"
  /** The data holds something that cannot be stored. The message names the path. */
  | "ERR_SESSION_DATA"
  /** The data is larger than `maxBytes`. */
  | "ERR_SESSION_TOO_LARGE"
  /** An option has a value that makes no sense. */
  | "ERR_SESSION_OPTION"
  /** A cookie is due, and the headers have already been sent, or are not to be set here. */
  | "ERR_SESSION_HEADERS_SENT";

// What a client may know of it: the status, and a reason phrase without a path or an id.
const responses: Record<SessionErrorCode, [status: number, statusText: string]> = {
  ERR_SESSION_ID: [400, "Bad Session Id"],
  ERR_SESSION_DIR: [503, "Session Storage Unavailable"],
  ERR_SESSION_LOCK_TIMEOUT: [503, "Session Busy"],
  ERR_SESSION_LOCK_LOST: [503, "Session Busy"],
  ERR_SESSION_GONE: [409, "Session Gone"],
  ERR_SESSION_REQUIRED: [401, "Unauthorized"],
  ERR_SESSION_DATA: [500, "Session Data Not Storable"],
  ERR_SESSION_TOO_LARGE: [413, "Session Too Large"],
  ERR_SESSION_OPTION: [500, "Session Misconfigured"],
  ERR_SESSION_HEADERS_SENT: [500, "Session Too Late"],
};

/**
 * The one error class. `code` says which of the ways it went wrong, `cause` keeps the error
 * underneath.
 *
 * Thrown out of an h3 handler it becomes a response with the right status in h3 1 (`statusCode`)
 * and h3 2 (`status`). It does not carry h3's own brand, so both hide the message, which may name a
 * path, from the client.
 */
export class SessionError extends Error {
  override readonly name = "SessionError";
  readonly code: SessionErrorCode;
  /** The HTTP status, as h3 2 calls it. */
  readonly status: number;
  /** The reason phrase, as h3 2 calls it. */
  readonly statusText: string;
  /** The HTTP status, as h3 1 calls it. */
  readonly statusCode: number;
  /** The reason phrase, as h3 1 calls it. */
  readonly statusMessage: string;

  constructor(code: SessionErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    [this.status, this.statusText] = responses[code];
    this.statusCode = this.status;
    this.statusMessage = this.statusText;
  }
}

/** Whether it is an error of ours, with one of these codes. */
export function isSessionError(error: unknown, ...codes: SessionErrorCode[]): boolean {
  return error instanceof SessionError && codes.includes(error.code);
}

/** The `code` of a system error such as `ENOENT`, or `undefined` when `error` is not one. */
export function errno(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

export function badId(id: unknown, why: string): SessionError {
  const shown = typeof id === "string" ? JSON.stringify(id.slice(0, 64)) : typeof id;
  return new SessionError("ERR_SESSION_ID", `Cannot name a file for session id ${shown}: ${why}`);
}

export function badOption(
  name: string,
  value: unknown,
  wanted: string,
  cause?: unknown,
): SessionError {
  const shown = typeof value === "string" ? JSON.stringify(value) : String(value);
  return new SessionError(
    "ERR_SESSION_OPTION",
    `Cannot use option \`${name}\`: it is ${shown}, and must be ${wanted}`,
    cause === undefined ? {} : { cause },
  );
}

/** Other than `badOption` it does not show the value. */
export function badSecret(length: number): SessionError {
  return new SessionError(
    "ERR_SESSION_OPTION",
    `Cannot use option \`secret\`: it must be a text of at least ${length} characters, or a list of such. ` +
      "Is the environment variable set that it comes from? To make one, run: openssl rand -base64 32",
  );
}

/** Nor does this. */
export function badPassword(length: number): SessionError {
  return new SessionError(
    "ERR_SESSION_OPTION",
    `Cannot use option \`adopt\`: \`password\` must be what h3 had, a text of at least ${length} characters, or such texts by their ids. ` +
      "Is the environment variable set that it comes from?",
  );
}

/** What opens the cookies of h3 is not there. */
export function missingIron(cause: unknown): SessionError {
  return new SessionError(
    "ERR_SESSION_OPTION",
    "Cannot use option `adopt`: it takes the package iron-webcrypto, which cannot be loaded. " +
      `Run: npm install iron-webcrypto. The cookie stays as it is. (${messageOf(cause)})`,
    { cause },
  );
}

export function badDir(fileDir: string, why: string, cause?: unknown): SessionError {
  return new SessionError("ERR_SESSION_DIR", `Cannot keep sessions in ${fileDir}: ${why}`, {
    cause,
  });
}

/** Something stands where a file of ours should be. */
export function notAFile(path: string, cause?: unknown): SessionError {
  return new SessionError(
    "ERR_SESSION_DIR",
    `Cannot use ${path}: it is not a regular file. Find out who made it, and remove it`,
    { cause },
  );
}

/** A file that somebody made who is not trusted for it. */
export function notOurs(path: string, uid: number): SessionError {
  return new SessionError(
    "ERR_SESSION_DIR",
    `Cannot use ${path}: it belongs to user ${uid}, not to this process, to root or to the directory's owner. ` +
      `Find out who made it, and remove it; or, if it is meant, run: chown ${process.geteuid?.()} ${path}`,
  );
}

/** The place failed in the middle of `action`. An error that is one of ours says so itself already. */
export function placeFailed(action: string, file: string, cause: unknown): SessionError {
  if (cause instanceof SessionError) return cause;
  const why = isQuota(cause) ? "EDQUOT: disk quota exceeded" : messageOf(cause);
  const message = `Cannot ${action} session file ${file}: ${why}${wayOutOf(cause)}`;
  const isBusy = isWindows && errno(cause) === "EBUSY"; // a sharing violation
  return new SessionError(isBusy ? "ERR_SESSION_LOCK_TIMEOUT" : "ERR_SESSION_DIR", message, {
    cause,
  });
}

function wayOutOf(cause: unknown): string {
  const code = errno(cause) ?? "";
  if (isNoFile.includes(code))
    return ". That is not a regular file. Find out who made it, and remove it";
  if (isWindows && code === "EBUSY") return `. ${isOpenElsewhere}. Try again`;
  if (isWindows && isDenied.includes(code))
    return `. ${isOpenElsewhere}. Or this process may not change it: then grant its user the right to`;
  if (isFull.includes(code)) return ". Too many files and sockets are open: raise `ulimit -n`";
  return "";
}

// A link, a directory, a socket, a pipe.
const isNoFile = ["ELOOP", "EISDIR", "ENXIO", "ESPIPE"];

const isFull = ["EMFILE", "ENFILE"];

const isDenied = ["EPERM", "EACCES"];

const isOpenElsewhere =
  "Another program has it open, a virus scanner, an indexer or a backup: have it leave the directory out";

/** Whether there is no room: the disk is full, or a quota used up. */
export function isNoRoom(error: unknown): boolean {
  return errno(error) === "ENOSPC" || isQuota(error);
}

// libuv has no word for it: "Unknown system error -122".
function isQuota(cause: unknown): boolean {
  if (!(cause instanceof Error) || !("errno" in cause)) return false;
  return cause.errno === -process.getBuiltinModule("node:os").constants.errno.EDQUOT;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function lockTimeout(lockFile: string, seconds: number): SessionError {
  return new SessionError(
    "ERR_SESSION_LOCK_TIMEOUT",
    `Cannot lock session: ${lockFile} was still held after ${seconds} s. ` +
      "It is freed by itself 60 s after its holder has died; raise `lockTimeout` if sessions are held for long",
  );
}

export function lockLost(lockFile: string): SessionError {
  return new SessionError(
    "ERR_SESSION_LOCK_LOST",
    `Cannot write session: ${lockFile} was taken over, because this process held it without a sign of life for more than 60 s. ` +
      "Nothing was acknowledged; try again",
  );
}

export function gone(id: string): SessionError {
  return new SessionError(
    "ERR_SESSION_GONE",
    `Cannot change session ${id}: it was destroyed or moved in the meantime`,
  );
}

export function required(name: string): SessionError {
  return new SessionError(
    "ERR_SESSION_REQUIRED",
    `Cannot go on without a session: the request has no cookie \`${name}\` that opens one`,
  );
}

export function badData(path: string, why: string, cause?: unknown): SessionError {
  return new SessionError("ERR_SESSION_DATA", `Cannot store ${path}: ${why}`, { cause });
}

/** Data that a schema refuses, when it is to be stored. */
export function badSchema(why: string): SessionError {
  return new SessionError(
    "ERR_SESSION_DATA",
    `Cannot store session: ${why}. The session is as it was before`,
  );
}

/** Data that is stored, and is not what the app takes. */
export function unfit(id: string, why: string, cause?: unknown): SessionError {
  return new SessionError("ERR_SESSION_DATA", `Cannot use the data of session ${id}: ${why}`, {
    cause,
  });
}

/** A change by a request that came with a token which has been replaced. */
export function replaced(id: string): SessionError {
  return new SessionError(
    "ERR_SESSION_GONE",
    `Cannot change session ${id}: the request came with the cookie from before its token was replaced, which may only read`,
  );
}

export function tooLarge(bytes: number | string, maxBytes: number): SessionError {
  return new SessionError(
    "ERR_SESSION_TOO_LARGE",
    `Cannot store session: it has ${bytes} bytes, and \`maxBytes\` is ${maxBytes}. The session is as it was before`,
  );
}

export function closed(): SessionError {
  return new SessionError(
    "ERR_SESSION_DIR",
    "Cannot use the session handler: it has been closed. Make a new one",
  );
}

/** Sessions are to be moved, and stay where they are. */
export function onePlace(): SessionError {
  return new SessionError(
    "ERR_SESSION_OPTION",
    "Cannot move sessions: `from` and `to` are one handler, and must be two, of different places",
  );
}

export function headersSent(): SessionError {
  return new SessionError(
    "ERR_SESSION_HEADERS_SENT",
    "Cannot set the session cookie: the response's headers have already been sent, or " +
      "cannot be set here. Store into the session before the response begins. Nothing was written",
  );
}
