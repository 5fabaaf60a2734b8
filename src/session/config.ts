// What can be asked of `useFileSession`, and what is meant when it is not.

import { resolve } from "node:path";
import { badOption } from "../core/error.ts";
import type { Handler } from "../core/handler.ts";
import { settleAll } from "../core/promise.ts";
import { milliseconds } from "../core/seconds.ts";
import { FileHandler } from "../file/handler.ts";
import { type Adoption, type AdoptOptions, readAdoption } from "./adopt.ts";
import { stopCleaning } from "./cleaner.ts";
import { checkCookie, type CookieOptions } from "./cookie.ts";
import type { Migrate, Shape, StandardSchema } from "./schema.ts";
import { SealedHandler } from "./sealed.ts";
import { readSecrets, type Secrets } from "./secret.ts";

/**
 * The options of `useFileSession`. Those that h3's `useSession` has too are called as they are
 * there.
 */
// Without an argument it is a config for sessions of any data.
// oxlint-disable-next-line typescript/no-explicit-any
export interface FileSessionConfig<T extends object = any> {
  /** The name of the cookie. Default `session`. */
  name?: string | undefined;
  /**
   * Seconds a session lives, counted from its creation, however much it is used. Default 604800,
   * seven days.
   */
  maxAge?: number | undefined;
  /** Seconds a session may sit unused before it ends. Default 86400, one day. */
  idleTimeout?: number | undefined;
  /**
   * The attributes of the cookie. With `false` the response never gets one, as in h3: a session
   * that is there can be read, changed and destroyed; one that begins in this request is stored,
   * and nobody can come back to it.
   */
  cookie?: false | CookieOptions | undefined;
  /**
   * Makes the token: 16 to 128 letters, digits, `-` or `_`, which nobody can guess. Other than in
   * h3 it is the secret itself, and the session's id is its hash. Default: 256 random bits.
   */
  generateId?: (() => string) | undefined;
  /**
   * Where sessions are kept. Default: a `FileHandler` for `fileDir` and `filePrefix`, one per
   * process.
   */
  handler?: Handler | undefined;
  /** The directory of the session files, unless `handler` is given. Default `.data/sessions`. */
  fileDir?: string | undefined;
  /** What the names of the session files begin with, unless `handler` is given. Default `sess_`. */
  filePrefix?: string | undefined;
  /**
   * Bytes that one session's data may have, as stored, unless `handler` is given. What would make it
   * larger is refused with `ERR_SESSION_TOO_LARGE`, and the session stays as it was. Default 1048576.
   */
  maxBytes?: number | undefined;
  /**
   * What the data is to be: a schema of any library that follows Standard Schema. It types the data,
   * and is asked whenever that is read or stored. It must take what it gives: defaults do,
   * transformations to another type do not. Default: none.
   */
  schema?: StandardSchema<T> | undefined;
  /**
   * The version of the data that this app stores, a whole number from 1. Data of an earlier one, 0 where
   * it was stored without, is given to `migrate`.
   */
  version?: number | undefined;
  /** Brings data of an earlier version up to date, when it is read; it is stored so at its next write. */
  migrate?: Migrate<T> | undefined;
  /**
   * What becomes of stored data that does not fit `schema`, or cannot be brought to `version`. `empty`,
   * the default: it counts as empty, and a warning says so. `throw`: the request fails with
   * `ERR_SESSION_DATA` and takes the cookie back, so the visitor's next one begins anew.
   */
  onInvalid?: "empty" | "throw" | undefined;
  /**
   * How many sessions may have one tag: with one more, the one that was given it longest ago is
   * destroyed. Default: any number.
   */
  maxSessions?: number | undefined;
  /**
   * Encrypts the data where it is kept. A text of at least 32 random characters; or a list of them, of
   * which the first writes and all read. Without it data is stored as it is. Turned on, or changed
   * without the old one behind the new, all sessions begin anew. Given as `undefined`, which an
   * environment variable that is not set is, it is refused: nothing is stored as it is by mistake.
   */
  secret?: Secrets | undefined;
  /**
   * Takes over the sessions that h3's `useSession` has left in cookies: a visitor who comes with one of
   * them has its data, and its creation time, in a session here. Takes the package `iron-webcrypto`.
   * Without effect with `cookie: false`.
   */
  adopt?: AdoptOptions | undefined;
  /**
   * Whether a session is a miss for a client whose address is not the one it was stored with.
   * Default `false`. An unknown address matches none. The session is not destroyed, so its owner
   * keeps it.
   */
  checkIp?: boolean | undefined;
  /**
   * How many proxies of yours stand in front, each of which adds to `X-Forwarded-For`; `true` is
   * one. Default `false`: the client's address is that of the connection.
   */
  trustProxy?: boolean | number | undefined;
  /**
   * Seconds between two cleanings of the directory, in which ended sessions are removed. Default
   * 600; `false` or 0: never. A session counts as ended after its `idleTimeout`, or its `maxAge` if
   * that is shorter: the longest that this process has used its handler with. So give sessions of
   * very different lifetimes a `filePrefix` each.
   */
  cleanInterval?: number | false | undefined;

  /**
   * Ignored, so that h3's config can be passed as it is: the data never leaves the server. What
   * encrypts it there is `secret`, and what opens the cookies from before is `adopt`.
   */
  password?: unknown;
  /** Ignored: the token is read from the cookie only. */
  sessionHeader?: unknown;
  /** Ignored. */
  seal?: unknown;
  /** Ignored. */
  legacySealFallback?: unknown;
  /** Ignored: Node's is used. */
  crypto?: unknown;
}

/** A `FileSessionConfig`, complete and checked. Durations in milliseconds. */
export interface Settings {
  name: string;
  maxAgeMs: number;
  idleMs: number;
  cookie: false | CookieOptions;
  generateId: (() => string) | undefined;
  handler: Handler;
  checkIp: boolean;
  proxies: number;
  cleanMs: number;
  shape: Shape;
  maxSessions: number;
  adoption: Adoption | undefined;
}

// What is asked for when a config does not say it. `Symbol.for`: a bundler that makes an app in parts,
// as Next.js does, puts a copy of this package into each, and one of them configures for all.
const place = Symbol.for("filesession.defaults");
const shared = globalThis as { [place]?: FileSessionConfig };

/**
 * Says for all of this process what a config leaves out: `useFileSession(event)` then needs none. What
 * starts the server calls it, once; called again, it replaces what was said before. An option that a
 * config does name is that config's; one that names a `fileDir`, `filePrefix` or `maxBytes` does not
 * mean a `handler` said here.
 *
 * Throws `ERR_SESSION_OPTION` for an option that makes no sense, and `ERR_SESSION_DIR` when the
 * directory cannot be used: at the start, and not at the first request.
 */
export function configureFileSession(config: FileSessionConfig): void {
  settingsOf(config);
  shared[place] = copyOf(config);
}

// An app asks for the same with every request.
let last:
  | { config: FileSessionConfig; defaults: FileSessionConfig | undefined; settings: Settings }
  | undefined;

/** Throws `ERR_SESSION_OPTION`; `ERR_SESSION_DIR` when the directory cannot be used. */
export function readConfig(config: FileSessionConfig): Settings {
  const defaults = shared[place];
  if (last && last.defaults === defaults && isSame(last.config, config)) return last.settings;
  const settings = settingsOf(withDefaults(config));
  // What is no plain value can be changed by whoever holds it. Handler and schema are taken as they
  // are, and of the secrets and what is to be adopted each.
  const isPlain = Object.entries(config).every(
    ([option, value]) => typeof value !== "object" || takenAsTheyAre.has(option),
  );
  last = isPlain ? { config: copyOf(config), defaults, settings } : undefined;
  return settings;
}

function withDefaults(config: FileSessionConfig): FileSessionConfig {
  const all: FileSessionConfig = { ...shared[place] };
  if (namesPlace(config)) delete all.handler;
  // What is `undefined` is not said. But a secret that is, is missing.
  for (const option of Object.keys(config) as (keyof FileSessionConfig)[])
    if (config[option] !== undefined || option === "secret")
      Object.assign(all, { [option]: config[option] });
  return all;
}

function namesPlace({ fileDir, filePrefix, maxBytes }: FileSessionConfig): boolean {
  return fileDir !== undefined || filePrefix !== undefined || maxBytes !== undefined;
}

const takenAsTheyAre = new Set(["handler", "schema", "secret", "adopt"]);

const copied = new Set(["secret", "adopt"]);

function copyOf(config: FileSessionConfig): FileSessionConfig {
  const { cookie, secret, adopt } = config;
  return {
    ...config,
    ...(typeof cookie === "object" && { cookie: { ...cookie } }),
    ...(typeof secret === "object" && { secret: [...secret] }),
    ...(typeof adopt === "object" && { adopt: { ...adopt } }),
  };
}

function isSame(a: FileSessionConfig, b: FileSessionConfig): boolean {
  const keys = Object.keys(a) as (keyof FileSessionConfig)[];
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => {
      const [one, other]: unknown[] = [a[key], b[key]];
      return one === other || (copied.has(key) && isSameInside(one, other));
    })
  );
}

function isSameInside(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || !a || !b) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  const isSame = (key: string): boolean => Reflect.get(a, key) === Reflect.get(b, key);
  return keys.length === Object.keys(b).length && keys.every(isSame);
}

function settingsOf(config: FileSessionConfig): Settings {
  const {
    name = "session",
    maxAge = 604_800,
    idleTimeout = 86_400,
    cookie = {},
    generateId,
    checkIp = false,
    trustProxy = false,
    cleanInterval = 600,
    maxSessions = Infinity,
    adopt,
  } = config;
  if (cookie === null || (cookie !== false && typeof cookie !== "object"))
    throw badOption("cookie", cookie, "`false` or the cookie's attributes");
  checkCookie(name, cookie || {});
  if (generateId !== undefined && typeof generateId !== "function")
    throw badOption("generateId", generateId, "a function that makes a token");
  if (typeof checkIp !== "boolean") throw badOption("checkIp", checkIp, "`true` or `false`");
  const proxies = typeof trustProxy === "boolean" ? Number(trustProxy) : trustProxy;
  if (!Number.isSafeInteger(proxies) || proxies < 0)
    throw badOption("trustProxy", trustProxy, "`true`, `false` or a number of proxies");
  if (maxSessions !== Infinity && !(Number.isSafeInteger(maxSessions) && maxSessions > 0))
    throw badOption("maxSessions", maxSessions, "a whole number, 1 or more");
  const adoption = adopt === undefined ? undefined : readAdoption(adopt, name);
  return {
    name,
    maxAgeMs: milliseconds("maxAge", maxAge),
    idleMs: milliseconds("idleTimeout", idleTimeout),
    cookie,
    generateId,
    checkIp,
    proxies,
    cleanMs: cleanInterval ? milliseconds("cleanInterval", cleanInterval) : 0,
    shape: shapeOf(config),
    maxSessions,
    // Nobody could be told the token.
    adoption: cookie === false ? undefined : adoption,
    // Last: who is refused for another option leaves no directory behind.
    handler: handlerOf(config),
  };
}

function handlerOf(config: FileSessionConfig): Handler {
  const secrets = "secret" in config ? readSecrets(config.secret) : undefined;
  const handler = config.handler ?? sharedHandler(config);
  return secrets ? sealedHandler(handler, secrets) : handler;
}

function shapeOf({ schema, version, migrate, onInvalid = "empty" }: FileSessionConfig): Shape {
  if (schema !== undefined && typeof schema?.["~standard"]?.validate !== "function")
    throw badOption("schema", typeof schema, "a schema that follows Standard Schema");
  if (version !== undefined && !(Number.isSafeInteger(version) && version > 0))
    throw badOption("version", version, "a whole number, 1 or more");
  if (migrate !== undefined && (typeof migrate !== "function" || version === undefined))
    throw badOption("migrate", typeof migrate, "a function, beside a `version`");
  if (onInvalid !== "empty" && onInvalid !== "throw")
    throw badOption("onInvalid", onInvalid, "'empty' or 'throw'");
  return { schema, version, migrate, onInvalid };
}

// One handler for each place, whatever config object asks for it: they are made per request, and
// handlers must not be.
const handlers = new Map<string, Handler>();

function sharedHandler(config: FileSessionConfig): Handler {
  const { fileDir = ".data/sessions", filePrefix = "sess_", maxBytes } = config;
  const place = `${resolve(String(fileDir))}\0${filePrefix}\0${maxBytes}`;
  let handler = handlers.get(place);
  if (handler) return handler;
  handler = new FileHandler({ fileDir, filePrefix, ...(maxBytes !== undefined && { maxBytes }) });
  handlers.set(place, handler);
  return handler;
}

/**
 * Closes what `useFileSession` and its siblings have opened, as a server does before it ends: waits for
 * what is being written, gives back locks, and stops cleaning. Not a `handler` that was given. Whoever
 * asks for a session after that opens its place again.
 */
export async function closeFileSessions(): Promise<void> {
  const opened = [...handlers.values()];
  handlers.clear();
  last = undefined;
  for (const handler of opened) stopCleaning(handler);
  await settleAll(opened.map((handler) => handler.close()));
}

// And one for the same secrets over each of them.
const sealedHandlers = new WeakMap<Handler, Map<string, SealedHandler>>();

function sealedHandler(handler: Handler, secrets: readonly string[]): SealedHandler {
  let known = sealedHandlers.get(handler);
  if (!known) sealedHandlers.set(handler, (known = new Map()));
  const list = JSON.stringify(secrets);
  let sealed = known.get(list);
  if (!sealed) known.set(list, (sealed = new SealedHandler(handler, secrets)));
  return sealed;
}
