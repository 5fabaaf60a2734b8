// The options on their way from the Nitro config into the server: as runtime config, where variables
// of the environment may replace them when the server starts.
//
// Nitro replaces only what is there, so every option is there, an empty text where it is not set. What
// comes back may be a text where a number is meant (nitro 3), or a number where a text is (nitropack 2
// makes one of `NITRO_FILE_SESSION_SECRET=1234…`, and loses digits).

import type { FileSessionConfig } from "../session/config.ts";
import type { RedisHandlerOptions } from "../redis/options.ts";

type Kind = "text" | "texts" | "value";
type Kinds = { readonly [option: string]: Kind | Kinds };

const kinds = {
  name: "text",
  maxAge: "value",
  idleTimeout: "value",
  cookie: {
    httpOnly: "value",
    sameSite: "value",
    secure: "value",
    path: "text",
    domain: "text",
    partitioned: "value",
    priority: "text",
    maxAge: "value",
  },
  fileDir: "text",
  filePrefix: "text",
  maxBytes: "value",
  version: "value",
  onInvalid: "text",
  maxSessions: "value",
  secret: "texts",
  adopt: { password: "text", name: "text" },
  checkIp: "value",
  trustProxy: "value",
  cleanInterval: "value",
  redis: {
    url: "texts",
    prefix: "text",
    timeout: "value",
    lockTimeout: "value",
    maxBytes: "value",
    replicas: "value",
  },
} as const satisfies Kinds;

// Where the storage is mounted is settled when the app is built.
const known = new Set([...Object.keys(kinds), "storage"]);

const inPlugins = new Set(["handler", "schema", "migrate", "generateId"]);

/** What is wrong with options in a Nitro config, which are written into the server; if anything is. */
export function problemOf(options: unknown): string | undefined {
  if (options === undefined) return undefined;
  if (!isObject(options)) return "it must be an object of options";
  for (const [option, value] of Object.entries(options)) {
    if (inPlugins.has(option) || typeof value === "function")
      return (
        `\`${option}\` cannot be written into the built server. ` +
        "Give it to `configureFileSession` in a Nitro plugin, together with the other options"
      );
    if (!known.has(option))
      return `there is no option \`${option}\`. There are: ${[...known].join(", ")}`;
    if (!isPlain(value))
      return `\`${option}\` must be plain JSON: it is written into the built server`;
    if (option === "redis" && value !== undefined) return problemOfRedis(value);
  }
  return undefined;
}

function problemOfRedis(redis: unknown): string | undefined {
  // There would be no saying what it means without: the one at home, or none.
  if (!isObject(redis) || !("url" in redis) || redis.url === undefined)
    return '`redis` must be an object with a `url`; `url: ""` leaves it to the environment';
  const others = Object.keys(redis).filter((option) => !(option in kinds.redis));
  if (others.length === 0) return undefined;
  const all = Object.keys(kinds.redis).join(", ");
  return `there is no option \`redis.${others[0]}\` in a config. There are: ${all}`;
}

/** The runtime config of these options, with all others in it, not set. */
export function runtimeConfigOf(options: object): Record<string, unknown> {
  return withAll(kinds, options);
}

function withAll(kinds: Kinds, given: object): Record<string, unknown> {
  const entries = Object.entries(kinds).map(([option, kind]): [string, unknown] => {
    const value: unknown = Reflect.get(given, option);
    if (typeof kind === "string") return [option, value ?? ""];
    if (value !== undefined && !isObject(value)) return [option, value]; // `cookie: false`
    return [option, { ...withAll(kind, value ?? {}), ...value }];
  });
  return Object.fromEntries(entries);
}

/** The environment, and what the names of variables begin with. */
export interface Variables {
  env: Readonly<Record<string, string | undefined>>;
  prefixes: readonly string[];
}

export interface Options extends FileSessionConfig {
  redis?: RedisHandlerOptions;
}

/** The options that a server has been started with, without those that are not set. */
export function optionsOf(runtimeConfig: unknown, variables: Variables): Options {
  const given = isObject(runtimeConfig) ? runtimeConfig : {};
  return withoutUnset(kinds, given, "FILE_SESSION", variables);
}

function withoutUnset(
  kinds: Kinds,
  given: object,
  variable: string,
  variables: Variables,
): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [option, value] of Object.entries(given)) {
    const kind = kinds[option];
    const own = `${variable}_${option.replace(/[A-Z]/g, "_$&").toUpperCase()}`;
    const set =
      isObject(value) && typeof kind === "object"
        ? someOf(withoutUnset(kind, value, own, variables))
        : read(kind, value, own, variables);
    if (set !== undefined) options[option] = set;
  }
  return options;
}

function someOf(options: object): object | undefined {
  return Object.keys(options).length > 0 ? options : undefined;
}

function read(
  kind: Kind | Kinds | undefined,
  value: unknown,
  variable: string,
  { env, prefixes }: Variables,
): unknown {
  if (value === "" || value === undefined || value === null) return undefined;
  if (kind === "text" || kind === "texts") {
    // What is no text any more was one in the environment.
    const raw = prefixes.map((prefix) => env[prefix + variable]).find((text) => text !== undefined);
    const text = typeof value === "string" ? value : (raw ?? value);
    return (kind === "texts" && listOf(text)) || text;
  }
  return typeof value === "string" ? valueOf(value) : value;
}

/** The list that a text is, in JSON. */
function listOf(text: unknown): string[] | undefined {
  if (typeof text !== "string" || !text.startsWith("[")) return undefined;
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) ? list : undefined;
  } catch {
    return undefined; // a secret may begin so
  }
}

/** What is no number and no boolean stays a text, and is refused where it makes no sense. */
function valueOf(text: string): string | number | boolean {
  if (text === "true" || text === "false") return text === "true";
  const number = Number(text);
  return text.trim() !== "" && Number.isFinite(number) ? number : text;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isPlain(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isPlain);
  if (!isObject(value)) return value === undefined || value === null || isScalar(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  const isRecord = prototype === null || Object.getPrototypeOf(prototype) === null;
  return isRecord && Object.values(value).every(isPlain);
}

function isScalar(value: unknown): boolean {
  return typeof value === "string" || typeof value === "boolean" || Number.isFinite(value);
}
