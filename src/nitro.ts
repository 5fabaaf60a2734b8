// The Nitro module, for nitropack 2 and nitro 3.
//
//   export default defineNitroConfig({ modules: ["filesession/nitro"], fileSession: { maxAge: 3600 } });
//
// It has two halves. When the app is built, `filesession` is handed the Nitro and adds to its options: a
// plugin, perhaps a task, and the runtime config. When the server starts, that plugin calls
// `startFileSessions`, which reads the runtime config as the environment has left it.

import driver, { type SessionDriver } from "./driver.ts";
import {
  closeFileSessions,
  configureFileSession,
  type FileSessionConfig,
  SessionError,
} from "./index.ts";
import type { NitroLike, NitroModuleLike } from "./nitro/instance.ts";
import { type Options, optionsOf, problemOf, runtimeConfigOf } from "./nitro/options.ts";
import { badPlace } from "./nitro/places.ts";
import { cleanTask, schedule } from "./nitro/schedule.ts";
import type { RedisDriver, RedisDriverOptions, RedisHandlerOptions } from "./redis.ts";

/**
 * The options in a Nitro config: those of `useFileSession` that are plain JSON. The others,
 * `generateId`, `handler`, `schema` and `migrate`, are given to `configureFileSession` in a plugin.
 */
export interface FileSessionModuleOptions extends Omit<
  FileSessionConfig,
  | "generateId"
  | "handler"
  | "schema"
  | "migrate"
  | "password"
  | "sessionHeader"
  | "seal"
  | "legacySealFallback"
  | "crypto"
> {
  /**
   * Where `useStorage` sees the sessions: `useStorage("sessions")` by default. `false`: nowhere.
   */
  storage?: string | false | undefined;
  /**
   * Keeps the sessions in Redis, for more than one machine: the options of `RedisHandler`. With an empty
   * `url` they stay in files, unless the server is started with `NITRO_FILE_SESSION_REDIS_URL`.
   */
  redis?: RedisModuleOptions | undefined;
}

/** Those options of `RedisHandler` that are plain JSON. */
export interface RedisModuleOptions extends Omit<RedisHandlerOptions, "client" | "url"> {
  /** Where Redis is. One with a password does not belong into a config: say `""` there. */
  url: string | readonly string[];
}

/**
 * Makes a module with these options, over those in the Nitro config:
 * `modules: [filesession({ maxAge: 3600 })]`. Named in a config, `modules: ["filesession/nitro"]`, it is
 * called with the Nitro itself.
 *
 * Throws `ERR_SESSION_OPTION` for an option that cannot be written into the built server.
 */
export default function filesession(options?: FileSessionModuleOptions): NitroModuleLike;
export default function filesession(nitro: NitroLike): void;
export default function filesession(
  given: FileSessionModuleOptions | NitroLike = {},
): NitroModuleLike | void {
  if ("hooks" in given) return setUp(given, {});
  return { name: "filesession", setup: (nitro) => setUp(nitro, given) };
}

// Where there is no such package there is nothing to add to, and nothing to complain about.
/** @ts-ignore */
declare module "nitropack/types" {
  interface NitroConfig {
    fileSession?: FileSessionModuleOptions;
  }
}
/** @ts-ignore */
declare module "nitro/types" {
  interface NitroConfig {
    fileSession?: FileSessionModuleOptions;
  }
}

const plugin = "#filesession/plugin";
const task = "#filesession/clean";

function setUp(nitro: NitroLike, over: FileSessionModuleOptions): void {
  const { options } = nitro;
  const own = options.runtimeConfig["fileSession"];
  for (const given of [options.fileSession, over, own]) {
    const problem = problemOf(given);
    if (problem !== undefined)
      throw new SessionError("ERR_SESSION_OPTION", `Cannot use \`fileSession\`: ${problem}`);
  }
  const all: FileSessionModuleOptions = { ...Object(options.fileSession), ...over, ...Object(own) };
  const { storage = "sessions", ...config } = all;

  if (options.imports) (options.imports.presets ??= []).push({ from: "filesession", imports });
  // Pages that are rendered while the app is built are nobody's.
  if (options.preset === "nitro-prerender" || options.plugins.includes(plugin)) return;

  const isV3 = (nitro.meta?.majorVersion ?? 2) > 2;
  const say = (warning: string): void => nitro.logger.warn(`[filesession] ${warning}`);

  const configure = (): void => {
    const own: unknown = options.runtimeConfig["fileSession"];
    options.runtimeConfig["fileSession"] = runtimeConfigOf({ ...config, ...Object(own) });
  };
  configure();
  // A config that has changed while developing comes without it.
  nitro.hooks.hook("rollup:reload", configure);

  const base = mountable(nitro, storage, say);
  const isCleanedByTask = options.experimental?.tasks === true;
  const hasRedis = config.redis !== undefined;
  const start: StartOptions = {
    base,
    needs: { secret: "secret" in config, adopt: "adopt" in config },
    // The timer leaves Redis alone, which does the expiring itself. A task would not.
    hasTimer: !(isCleanedByTask && schedule(options, isV3 || hasRedis, config.cleanInterval)),
  };
  options.virtual[plugin] = pluginCode(isV3, hasRedis, start);
  options.plugins.unshift(plugin);
  if (isV3) options.traceDeps?.push("filesession");
  if (isCleanedByTask) {
    options.virtual[task] = taskCode;
    options.tasks[cleanTask] ??= {
      handler: task,
      description: "Removes the sessions that have ended",
    };
  }

  const place = badPlace(config.fileDir ?? ".data/sessions", options);
  if (place !== undefined) say(place);
  if (!options.dev) warnOfSecrets(config, say);
}

const imports = ["useFileSession", "getFileSession", "requireFileSession", "fileSessions"];

function mountable(
  { options }: NitroLike,
  storage: string | false,
  say: (warning: string) => void,
): string | undefined {
  if (storage === false) return undefined;
  const mounts = { ...options.storage, ...(options.dev && options.devStorage) };
  if (!(storage in mounts)) return storage;
  say(
    `There is a \`storage.${storage}\` already, which is left as it is. Take it out, ` +
      "or say `fileSession: { storage: false }`, or the name of another one.",
  );
  return undefined;
}

function warnOfSecrets(
  { secret, adopt, redis }: FileSessionModuleOptions,
  say: (warning: string) => void,
): void {
  const warn = (option: string, variable: string): void =>
    say(
      `\`${option}\` is written into the built server as it is, and is as safe as that. Say ` +
        `\`${option}: ""\` in the config, and give ${variable} to the server when it starts.`,
    );
  if (secret && secret.length > 0) warn("secret", "NITRO_FILE_SESSION_SECRET");
  if (adopt?.password) warn("adopt.password", "NITRO_FILE_SESSION_ADOPT_PASSWORD");
  if ([redis?.url ?? []].flat().some(hasPassword))
    warn("redis.url", "NITRO_FILE_SESSION_REDIS_URL");
}

function hasPassword(url: string): boolean {
  return URL.canParse(url) && new URL(url).password !== "";
}

function pluginCode(isV3: boolean, hasRedis: boolean, start: StartOptions): string {
  const options = `${JSON.stringify(start)}${hasRedis ? ", redis" : ""}`;
  const lines = isV3
    ? [
        'import { keepStatus, startFileSessions } from "filesession/nitro";',
        'import { useNitroHooks } from "nitro/app";',
        'import { useRuntimeConfig } from "nitro/runtime-config";',
        'import { useStorage } from "nitro/storage";',
        "export default (nitroApp) => {",
        `  startFileSessions(useRuntimeConfig(), useStorage(), useNitroHooks(), ${options});`,
        "  keepStatus(nitroApp.h3.config);",
        "};",
      ]
    : [
        'import { startFileSessions } from "filesession/nitro";',
        'import { useRuntimeConfig, useStorage } from "nitropack/runtime";',
        "export default (nitroApp) => {",
        `  startFileSessions(useRuntimeConfig(), useStorage(), nitroApp.hooks, ${options});`,
        "};",
      ];
  if (hasRedis) lines.unshift('import redis from "filesession/redis";');
  return lines.join("\n");
}

const taskCode = [
  'import { fileSessions } from "filesession";',
  "export default { run: async () => ({ result: await fileSessions().clean() }) };",
].join("\n");

/** What the built server knows beside its runtime config. */
export interface StartOptions {
  /** Where the storage is mounted; nowhere without. */
  base?: string | undefined;
  /** Whether the config speaks of a secret, so that there has to be one; the same for what is adopted. */
  needs: { secret: boolean; adopt: boolean };
  /** Whether ended sessions are cleaned away by the built-in timer. */
  hasTimer: boolean;
}

/**
 * What the plugin of the module does when a server starts: configures `useFileSession` for this process,
 * mounts the driver, and has both closed when Nitro closes. `redis` is the driver of `filesession/redis`,
 * where the config speaks of it. Throws what `configureFileSession` and `new RedisHandler` throw.
 */
export function startFileSessions(
  runtimeConfig: object,
  storage: StorageLike,
  hooks: { hook(name: "close", hook: () => Promise<void>): unknown },
  { base, needs, hasTimer }: StartOptions,
  redis?: (options: RedisDriverOptions) => RedisDriver,
): void {
  const { nitro, fileSession } = runtimeConfig as Record<
    string,
    { envPrefix?: string } | undefined
  >;
  const { env } = process;
  const prefix = nitro?.envPrefix ?? env["NITRO_ENV_PREFIX"] ?? "_";
  const options = optionsOf(fileSession, { env, prefixes: ["NITRO_", prefix] });
  // What is missing is refused, and says so.
  if (needs.secret) options.secret ??= undefined;
  if (needs.adopt) options.adopt = { password: undefined, ...options.adopt };
  if (!hasTimer) options.cleanInterval = false;

  const { redis: redisOptions, ...config } = options;
  const inRedis = inRedisOf(redisOptions, config, redis);
  // One handler, and one connection, for both doors.
  configureFileSession(inRedis ? { ...config, handler: inRedis.getInstance() } : config);

  const mounted = inRedis ?? (base === undefined ? undefined : fileDriver(config));
  if (base !== undefined && mounted) storage.mount(base, mounted);
  hooks.hook("close", async () => {
    await Promise.all([closeFileSessions(), mounted?.dispose()]);
  });
}

interface StorageLike {
  mount(base: string, driver: SessionDriver | RedisDriver): unknown;
}

/** The driver for Redis; `undefined` where sessions are kept in files. */
function inRedisOf(
  options: Options["redis"],
  { maxBytes, secret }: FileSessionConfig,
  redis: ((options: RedisDriverOptions) => RedisDriver) | undefined,
): RedisDriver | undefined {
  if (options === undefined) return undefined;
  const bad = (why: string): SessionError =>
    new SessionError("ERR_SESSION_OPTION", `Cannot use option \`redis\`: ${why}`);
  if (typeof options !== "object") throw bad("it must be an object of options, such as { url }");
  // As files, sessions would not be where the other machines look for them.
  if (options.url !== undefined && !redis)
    throw bad(
      'this server was built without it. Say `redis: { url: "" }` in its config, and build',
    );
  if (options.url === undefined || !redis) return undefined;
  return redis({
    ...(maxBytes !== undefined && { maxBytes }),
    ...options,
    ...(secret !== undefined && { secret }),
  });
}

function fileDriver({ fileDir, filePrefix, maxBytes, secret }: FileSessionConfig): SessionDriver {
  return driver({
    ...(fileDir !== undefined && { fileDir }),
    ...(filePrefix !== undefined && { filePrefix }),
    ...(maxBytes !== undefined && { maxBytes }),
    ...(secret !== undefined && { secret }),
  });
}

/** What h3 2 makes of an error that is none of its own. */
interface WrappedError {
  unhandled?: boolean | undefined;
  cause?: unknown;
  toJSON?: () => unknown;
}

/**
 * Has nitro 3 answer with the status that a `SessionError` has, 401 or 409 or 413, as h3 2 and nitropack 2
 * do: it makes a 500 of every error that is none of h3's. What the message says stays on the server.
 */
export function keepStatus(config: {
  onError?: (error: WrappedError, event: never) => unknown;
}): void {
  const { onError } = config;
  if (!onError) return;
  config.onError = (error, event) => {
    const { cause } = error;
    if (cause instanceof SessionError) {
      const { status, statusText } = cause;
      error.unhandled = false;
      error.toJSON = () => ({ status, statusText, message: statusText });
    }
    return onError(error, event);
  };
}
