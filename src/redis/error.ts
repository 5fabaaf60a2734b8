// What a RedisHandler throws beside what every handler does.

import { SessionError } from "../core/error.ts";

/** Redis could not be asked, or has refused. */
export function redisFailed(action: string, cause: unknown, isUnknown: boolean): SessionError {
  if (cause instanceof SessionError) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  const fate = isUnknown ? ". Whether it was written is not known" : "";
  return new SessionError(
    "ERR_SESSION_DIR",
    `Cannot ${action} in Redis: ${why}${fate}${wayOutOf(why)}`,
    { cause: cause instanceof Error ? cause : new Error(why) },
  );
}

function wayOutOf(why: string): string {
  // In the midst of the message where a script of Redis 6 was refused something.
  const word = Object.keys(waysOut).find((word) => why.split(/[ -]/).includes(word));
  return word === undefined ? "" : `. ${waysOut[word]}`;
}

const waysOut: Record<string, string> = {
  OOM: "Its memory is full: raise `maxmemory`",
  READONLY:
    "It is a replica: give the client the address of the master, or have it ask the Sentinels",
  MISCONF: "It cannot save to its disk, and so takes no writes: see its log",
  NOREPLICAS: "Too few replicas are there for `min-replicas-to-write`",
  NOAUTH: "Give the client a password",
  WRONGPASS: "Give the client the right name and password",
  NOPERM:
    "Its user must be allowed the commands EVAL, EVALSHA, GET, GETRANGE, SCAN, STRLEN, ZRANGE and those of the scripts",
  CLUSTERDOWN: "Some of its slots have no master",
};

export function badId(id: unknown, why: string): SessionError {
  const shown = typeof id === "string" ? JSON.stringify(id.slice(0, 64)) : typeof id;
  return new SessionError("ERR_SESSION_ID", `Cannot name a key for session id ${shown}: ${why}`);
}

/** No answer in time. */
export function noAnswer(ms: number): Error {
  return new Error(`no answer within ${ms / 1000} s`);
}

/** No connection in time, and why, as far as the client has said. */
export function notConnected(ms: number, why: Error | undefined): Error {
  return new Error(`not connected within ${ms / 1000} s${why ? `: ${why.message}` : ""}`, {
    cause: why,
  });
}

export function lockTimeout(id: string, seconds: number): SessionError {
  return new SessionError(
    "ERR_SESSION_LOCK_TIMEOUT",
    `Cannot lock session ${id}: somebody still held it after ${seconds} s. ` +
      "Raise `lockTimeout` if sessions are held for long",
  );
}

export function lockLost(id: string): SessionError {
  return new SessionError(
    "ERR_SESSION_LOCK_LOST",
    `Cannot write session ${id}: its lock has run out, because this process gave no sign of life for too long. ` +
      "Nothing was written; try again",
  );
}

/** Neither client can be loaded. */
export function missingClient(cause: unknown): SessionError {
  return new SessionError(
    "ERR_SESSION_OPTION",
    "Cannot use option `url`: it takes a client, ioredis or redis, and neither can be loaded. Run: npm install ioredis",
    { cause },
  );
}

/** Some replicas do not have it yet. */
export function notReplicated(action: string, replicas: number, wanted: number): SessionError {
  return new SessionError(
    "ERR_SESSION_DIR",
    `Cannot ${action} in Redis as durably as asked for: ${replicas} of ${wanted} replicas have it, and it is written`,
    { cause: new Error("WAIT has timed out") },
  );
}
