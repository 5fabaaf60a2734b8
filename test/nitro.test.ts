// The Nitro module: what it makes of a config, on a Nitro that is described by its members; and real apps
// of both majors, built from the package as it is published.

import { readdirSync, readFileSync, utimesSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import {
  closeFileSessions,
  configureFileSession,
  FileHandler,
  type Handler,
  isRecord,
  SealedHandler,
  useFileSession,
} from "../src/index.ts";
import filesession, { type FileSessionModuleOptions, startFileSessions } from "../src/nitro.ts";
import redisDriver, { type RedisDriverOptions, RedisHandler } from "../src/redis.ts";
import type { NitroLike } from "../src/nitro/instance.ts";
import { optionsOf, runtimeConfigOf } from "../src/nitro/options.ts";
import { MemoryHandler } from "../src/testing.ts";
import { tempDir } from "./_dir.ts";
import { has } from "./_needs.ts";
import { buildApp, newProject, nitros } from "./e2e/build.ts";
import { type Server, startServer } from "./e2e/server.ts";
import { type RedisServer, startRedis } from "./redis/_server.ts";

/** A Nitro of this major, in /app, and what it was warned of. */
function newNitro(
  fileSession?: unknown,
  options: Partial<NitroLike["options"]> = {},
  majorVersion = 2,
): NitroLike & { warnings: string[]; reload(): void } {
  const warnings: string[] = [];
  const hooks: (() => void)[] = [];
  return {
    warnings,
    reload: () => hooks.forEach((hook) => hook()),
    meta: { majorVersion },
    logger: { warn: (message) => void warnings.push(message) },
    hooks: { hook: (_, hook) => hooks.push(hook) },
    options: {
      preset: "node-server",
      entry: "/nitro/presets/node/runtime/node-server",
      scanDirs: ["/app/server"],
      buildDir: "/app/.nitro",
      output: { dir: "/app/.output" },
      publicAssets: [{ dir: "/app/public" }],
      plugins: ["/app/server/plugins/mine.ts"],
      virtual: {},
      runtimeConfig: { app: {} },
      tasks: {},
      ...(fileSession !== undefined && { fileSession }),
      ...options,
    },
  };
}

const secret = "0123456789abcdef0123456789abcdef";

describe("the module, in a config", () => {
  it("puts its plugin first, and every option into the runtime config", () => {
    const nitro = newNitro({ fileDir: "/data", cookie: { sameSite: "strict" } });

    filesession(nitro);

    expect(nitro.options.plugins).toEqual(["#filesession/plugin", "/app/server/plugins/mine.ts"]);
    const { fileSession } = nitro.options.runtimeConfig as { fileSession: Record<string, unknown> };
    expect(fileSession).toMatchObject({
      fileDir: "/data",
      maxAge: "",
      secret: "",
      cookie: { sameSite: "strict", domain: "" },
      adopt: { password: "" },
    });
    expect(nitro.warnings).toEqual([]);
  });

  it("is also made with options, which go before those of the config; what the runtime config says goes before both", () => {
    const nitro = newNitro({ maxAge: 1, idleTimeout: 1, name: "a" });
    nitro.options.runtimeConfig["fileSession"] = { name: "b" };
    const { setup } = filesession({ maxAge: 2, name: "c" });
    setup(nitro);
    expect(nitro.options.runtimeConfig["fileSession"]).toMatchObject({
      maxAge: 2,
      idleTimeout: 1,
      name: "b",
    });
  });

  it("is installed once, however often it is named", () => {
    const nitro = newNitro();
    for (const module of [filesession(), filesession()]) module.setup(nitro);
    expect(nitro.options.plugins).toHaveLength(2);
  });

  it("is still there when the config is read again while developing", () => {
    const nitro = newNitro({ maxAge: 5 });
    filesession(nitro);
    nitro.options.runtimeConfig = { app: {} };
    nitro.reload();
    expect(nitro.options.runtimeConfig["fileSession"]).toMatchObject({ maxAge: 5 });
  });

  it("leaves a prerenderer alone, but for the auto-imports", () => {
    const presets: unknown[] = [];
    const nitro = newNitro({}, { preset: "nitro-prerender", imports: { presets } });
    filesession(nitro);
    expect(presets).toEqual([expect.objectContaining({ from: "filesession" })]);
    expect(nitro.options.plugins).toHaveLength(1);
    expect(nitro.options.runtimeConfig).toEqual({ app: {} });
  });

  it("adds no auto-imports where there are none", () => {
    const nitro = newNitro({}, { imports: false });
    filesession(nitro);
    expect(nitro.options.imports).toBe(false);
  });

  it.each<[unknown, RegExp]>([
    [{ generateId: () => "" }, /`generateId` cannot .* `configureFileSession` in a Nitro plugin/],
    [{ schema: {} }, /`schema` cannot be written/],
    [{ handler: {} }, /`handler` cannot be written/],
    [{ migrate: () => ({}) }, /`migrate` cannot be written/],
    [{ maxage: 1 }, /there is no option `maxage`\. There are: name, maxAge,/],
    [{ cookie: { expires: new Date() } }, /`cookie` must be plain JSON/],
    [{ redis: "redis://10.0.0.5" }, /`redis` must be an object with a `url`/],
    [{ redis: { prefix: "a:" } }, /`redis` must be an object with a `url`/],
    [{ redis: { url: "", client: {} } }, /no option `redis\.client` .* There are: url, prefix,/],
    [[], /must be an object/],
    ["yes", /must be an object/],
  ])("refuses what cannot be written into a server: %o", (options, message) => {
    expect(() => filesession(newNitro(options))).toThrow(message);
    expect(() => filesession(newNitro(options))).toThrow(
      expect.objectContaining({ code: "ERR_SESSION_OPTION" }),
    );
  });

  it.each<[string, RegExp | undefined]>([
    [".data/sessions", undefined],
    ["/app/.data/sessions", undefined],
    ["/app/server/.data/sessions", undefined],
    ["/app/sessions", undefined],
    ["/app/.output-of-mine", undefined],
    ["/app/server/routes/sessions", /\/app\/server\/routes: the dev server watches/],
    ["/app/server/plugins", /\/app\/server\/plugins: the dev server watches/],
    ["/app/lib/sessions", /\/app\/lib: the dev server watches/],
    ["/app/.output/sessions", /\/app\/\.output: every build empties that/],
    ["/app/.nitro/sessions", /\/app\/\.nitro: every build empties that/],
    ["/app/public/sessions", /\/app\/public: everybody can download/],
  ])("warns of a directory that is none for sessions: %s", (fileDir, message) => {
    const nitro = newNitro({ fileDir }, { devServer: { watch: ["/app/lib", "**/*.md"] } });
    filesession(nitro);
    const expected = message ? [expect.stringMatching(message)] : [];
    expect(nitro.warnings).toEqual(expected);
    if (message) expect(nitro.warnings[0]).toContain("Choose another `fileDir`");
  });

  it("knows nothing of Redis in a server whose config does not speak of it", () => {
    const plugins = [undefined, "", "redis://10.0.0.5"].map((url) => {
      const nitro = newNitro(url === undefined ? {} : { redis: { url } });
      filesession(nitro);
      const { fileSession } = nitro.options.runtimeConfig as { fileSession: { redis: object } };
      expect(fileSession.redis).toMatchObject({ url: url ?? "", prefix: "", lockTimeout: "" });
      return String(nitro.options.virtual["#filesession/plugin"]);
    });
    const isIn = plugins.map((code) => code.includes('import redis from "filesession/redis"'));
    expect(isIn).toEqual([false, true, true]);
  });

  it.each<[string | string[], number]>([
    ["redis://:hunter2@10.0.0.5", 1],
    [["redis://10.0.0.5", "redis://app:hunter2@10.0.0.6"], 1],
    ["redis://10.0.0.5", 0],
    ["", 0],
  ])("warns of a password in a url that a build writes down: %s", (url, count) => {
    const nitro = newNitro({ redis: { url } });
    filesession(nitro);
    expect(nitro.warnings).toHaveLength(count);
    if (count > 0) expect(nitro.warnings[0]).toContain("NITRO_FILE_SESSION_REDIS_URL");
    expect(nitro.warnings.join()).not.toContain("hunter2");
  });

  it("warns of a secret that a build writes down, and shows it to nobody", () => {
    const nitro = newNitro({ secret, adopt: { password: secret } });
    filesession(nitro);
    expect(nitro.warnings).toEqual([
      expect.stringContaining("NITRO_FILE_SESSION_SECRET"),
      expect.stringContaining("NITRO_FILE_SESSION_ADOPT_PASSWORD"),
    ]);
    expect(nitro.warnings.join()).not.toContain(secret);
    for (const [options, isDev] of [
      [{ secret }, true],
      [{ secret: "" }, false],
    ] as const) {
      const quiet = newNitro(options, { dev: isDev });
      filesession(quiet);
      expect(quiet.warnings).toEqual([]);
    }
  });

  it("leaves a storage that has its name to the app, and says so", () => {
    const nitro = newNitro({}, { storage: { sessions: { driver: "redis" } } });
    filesession(nitro);
    expect(nitro.warnings).toEqual([expect.stringContaining("`storage.sessions` already")]);
    expect(startOf(nitro)).not.toHaveProperty("base");
  });

  it.each<[FileSessionModuleOptions, string | undefined]>([
    [{}, "sessions"],
    [{ storage: "web:sessions" }, "web:sessions"],
    [{ storage: false }, undefined],
  ])("mounts the storage where it is told to: %o", (options, base) => {
    const nitro = newNitro(options);
    filesession(nitro);
    expect(startOf(nitro).base).toBe(base);
  });
});

/** What the generated plugin calls `startFileSessions` with. */
function startOf({ options }: NitroLike): { base?: string; hasTimer: boolean } {
  const [, json = ""] = /(\{"(?:base|needs)".*\})(?:, redis)?\)/.exec(
    String(options.virtual["#filesession/plugin"]),
  )!;
  return JSON.parse(json) as { base?: string; hasTimer: boolean };
}

describe("the task", () => {
  const tasks = { experimental: { tasks: true } };

  it.each<[FileSessionModuleOptions, string[]]>([
    [{}, ["*/10 * * * *"]],
    [{ cleanInterval: 60 }, ["* * * * *"]],
    [{ cleanInterval: 1800 }, ["*/30 * * * *"]],
    [{ cleanInterval: 7200 }, ["0 */2 * * *"]],
    [{ cleanInterval: 172_800 }, ["0 0 * * *"]],
    [{ cleanInterval: false }, []],
  ])(
    "is scheduled by nitropack 2, as often as sessions are to be cleaned: %o",
    (options, crons) => {
      const nitro = newNitro(options, tasks);
      filesession(nitro);
      expect(nitro.options.tasks).toHaveProperty(["filesession:clean", "handler"]);
      expect(Object.keys(nitro.options.scheduledTasks ?? {})).toEqual(crons);
      if (crons.length > 0) expect(startOf(nitro).hasTimer).toBe(false);
    },
  );

  it("goes beside other tasks of that moment", () => {
    const nitro = newNitro({}, { ...tasks, scheduledTasks: { "*/10 * * * *": "mine" } });
    filesession(nitro);
    expect(nitro.options.scheduledTasks).toEqual({ "*/10 * * * *": ["mine", "filesession:clean"] });
  });

  it.each([2, 3])("is run when the app says, if it does: Nitro %i", (major) => {
    const scheduledTasks = { "0 3 * * *": ["filesession:clean"] };
    const nitro = newNitro({}, { ...tasks, scheduledTasks }, major);
    filesession(nitro);
    expect(nitro.options.scheduledTasks).toEqual(scheduledTasks);
    expect(startOf(nitro).hasTimer).toBe(false);
  });

  // Nothing stops the clock of Nitro 3's tasks, and the process would not end by itself.
  it("is not scheduled by nitro 3, where the timer stays", () => {
    const nitro = newNitro({}, tasks, 3);
    filesession(nitro);
    expect(nitro.options.tasks).toHaveProperty("filesession:clean");
    expect(nitro.options.scheduledTasks).toEqual({});
    expect(startOf(nitro).hasTimer).toBe(true);
  });

  // It would look at every session there. The timer does nothing for Redis, and is there for files.
  it("is not scheduled where sessions may be in Redis, unless the app does", () => {
    const nitro = newNitro({ redis: { url: "" } }, tasks);
    filesession(nitro);
    expect(nitro.options.tasks).toHaveProperty("filesession:clean");
    expect(nitro.options.scheduledTasks).toEqual({});
    expect(startOf(nitro).hasTimer).toBe(true);
  });

  it("leaves the timer where nobody looks at the clock", () => {
    const nitro = newNitro({}, { ...tasks, entry: "/nitro/presets/aws-lambda/runtime/aws-lambda" });
    filesession(nitro);
    expect(startOf(nitro).hasTimer).toBe(true);
  });

  it("is not there where there are no tasks", () => {
    const nitro = newNitro();
    filesession(nitro);
    expect(nitro.options.tasks).toEqual({});
    expect(startOf(nitro).hasTimer).toBe(true);
  });
});

describe("the options, when the server starts", () => {
  const prefixes = ["NITRO_", "_"];

  it("are those of the config", () => {
    const options: FileSessionModuleOptions = {
      name: "sid",
      maxAge: 60,
      cookie: { sameSite: "strict", secure: false },
      checkIp: true,
      secret: [secret, secret],
    };
    expect(optionsOf(runtimeConfigOf(options), { env: {}, prefixes })).toEqual(options);
    const bare = runtimeConfigOf({ cookie: false, cleanInterval: false });
    expect(optionsOf(bare, { env: {}, prefixes })).toEqual({ cookie: false, cleanInterval: false });
    expect(optionsOf(runtimeConfigOf({}), { env: {}, prefixes })).toEqual({});
  });

  // What stands in the runtime config is what Nitro 3, and nitropack 2 with destr, put there.
  it.each<[name: string, text: string, destr: unknown, option: string, value: unknown]>([
    ["MAX_AGE", "60", 60, "maxAge", 60],
    ["CHECK_IP", "true", true, "checkIp", true],
    ["TRUST_PROXY", "2", 2, "trustProxy", 2],
    ["TRUST_PROXY", "true", true, "trustProxy", true],
    ["CLEAN_INTERVAL", "false", false, "cleanInterval", false],
    ["NAME", "123", 123, "name", "123"],
    ["NAME", "true", true, "name", "true"],
    ["FILE_DIR", "0755", 755, "fileDir", "0755"],
    ["SECRET", "1".repeat(40), Number("1".repeat(40)), "secret", "1".repeat(40)],
    ["SECRET", `["${secret}","b"]`, [secret, "b"], "secret", [secret, "b"]],
    ["SECRET", `[${secret}`, `[${secret}`, "secret", `[${secret}`],
    ["MAX_AGE", "1h", "1h", "maxAge", "1h"], // refused when it is used
  ])(
    "are those of the environment, of the right type: %s=%s",
    (name, text, destr, option, value) => {
      const env = { [`NITRO_FILE_SESSION_${name}`]: text };
      for (const given of [text, destr])
        expect(optionsOf({ [option]: given }, { env, prefixes })).toEqual({ [option]: value });
    },
  );

  it.each<[name: string, text: string, destr: unknown, redis: object]>([
    ["URL", "redis://10.0.0.5", "redis://10.0.0.5", { url: "redis://10.0.0.5" }],
    [
      "URL",
      '["redis://a","redis://b"]',
      ["redis://a", "redis://b"],
      { url: ["redis://a", "redis://b"] },
    ],
    ["PREFIX", "007", 7, { prefix: "007" }],
    ["LOCK_TIMEOUT", "5", 5, { lockTimeout: 5 }],
  ])("are those of Redis as well: REDIS_%s=%s", (name, text, destr, redis) => {
    const env = { [`NITRO_FILE_SESSION_REDIS_${name}`]: text };
    const [option = ""] = Object.keys(redis);
    for (const given of [text, destr])
      expect(optionsOf({ redis: { url: "", [option]: given } }, { env, prefixes })).toEqual({
        redis,
      });
  });

  it("may be those of a framework's environment, and of a cookie's attributes", () => {
    const env = { NUXT_FILE_SESSION_COOKIE_DOMAIN: "1.5" };
    expect(
      optionsOf(
        { cookie: { domain: 1.5, sameSite: "lax", secure: "false", maxAge: "" } },
        { env, prefixes: ["NITRO_", "NUXT_"] },
      ),
    ).toEqual({ cookie: { domain: "1.5", sameSite: "lax", secure: false } });
  });
});

describe("startFileSessions", () => {
  afterEach(async () => {
    configureFileSession({ handler: new MemoryHandler() });
    await closeFileSessions();
  });

  const start = { needs: { secret: false, adopt: false }, hasTimer: true };
  const storage = { mount: () => {} };
  const hooks = { hook: () => {} };

  it.each([true, false])("has sessions cleaned by a timer, or by none: %s", async (hasTimer) => {
    const timers = vi.spyOn(globalThis, "setInterval");
    onTestFinished(() => timers.mockRestore());

    const fileSession = { fileDir: tempDir() };
    startFileSessions({ fileSession }, storage, hooks, { ...start, hasTimer });
    await useFileSession(new Request("http://localhost/"));

    expect(timers.mock.calls).toHaveLength(hasTimer ? 1 : 0);
  });

  it("refuses to start without the secret that the config speaks of", () => {
    const fileSession = runtimeConfigOf({
      fileDir: tempDir(),
      secret: "",
      adopt: { password: "" },
    });
    for (const option of ["secret", "adopt"] as const) {
      const needs = { ...start.needs, [option]: true };
      const starting = (): void =>
        startFileSessions({ fileSession }, storage, hooks, { ...start, needs });
      expect(starting).toThrow(`option \`${option}\``);
    }
  });

  describe("with a url of Redis", () => {
    const url = "redis://127.0.0.1:1"; // nobody asks for anything there

    it("has one handler for both doors, and closes it", async () => {
      let mounted: { getInstance(): unknown } | undefined;
      let close: (() => Promise<void>) | undefined;
      const given: RedisDriverOptions[] = [];
      const fileSession = { maxBytes: 5000, secret, redis: { url, prefix: "a:", timeout: "0.1" } };

      startFileSessions(
        { fileSession },
        { mount: (_, driver) => void (mounted = driver) },
        { hook: (_, hook) => void (close = hook) },
        { ...start, base: "sessions" },
        (options) => {
          given.push(options);
          return redisDriver(options);
        },
      );

      expect(given).toEqual([{ url, prefix: "a:", timeout: 0.1, maxBytes: 5000, secret }]);
      const handler = mounted!.getInstance() as RedisHandler;
      expect(handler).toBeInstanceOf(RedisHandler);
      const asked = vi.spyOn(handler, "retrieve").mockResolvedValue({});
      const cookie = `session=${"A".repeat(43)}`;
      await useFileSession(new Request("http://localhost/", { headers: { cookie } }));
      expect(asked).toHaveBeenCalledOnce();
      asked.mockRestore();
      await close!();
      await expect(handler.retrieve("id")).rejects.toThrow("closed");
    });

    it.each<[string, object, RegExp]>([
      ["no url", { redis: { url: "10.0.0.5:6379" } }, /Cannot use option `url`/],
      ["no number", { redis: { url, timeout: "2s" } }, /Cannot use option `timeout`/],
      ["no list", { redis: { url: [] } }, /Cannot use option `url`/],
      [
        "no object",
        { redis: "redis://:hunter2@10.0.0.5" },
        /Cannot use option `redis`: it must be/,
      ],
    ])("refuses to start with what makes no sense: %s", (_, fileSession, message) => {
      const starting = (): void =>
        startFileSessions({ fileSession }, storage, hooks, start, redisDriver);
      expect(starting).toThrow(message);
      expect(starting).toThrow(expect.objectContaining({ code: "ERR_SESSION_OPTION" }));
      expect(starting).not.toThrow("hunter2");
    });

    it("refuses to start where it was built without", () => {
      const fileSession = { fileDir: tempDir(), redis: { url } };
      expect(() => startFileSessions({ fileSession }, storage, hooks, start)).toThrow(
        'built without it. Say `redis: { url: "" }`',
      );
    });
  });
});

const apps: Record<string, Record<string, string>> = {
  "Nitro 2": {
    "nitro.config.ts": `export default defineNitroConfig({
      compatibilityDate: "2025-11-01",
      modules: ["filesession/nitro"],
      fileSession: { secret: "", maxAge: 3600 },
      experimental: { tasks: true },
      prerender: { routes: ["/about"] },
    });`,
    // Nothing is imported.
    "routes/add.ts": `export default defineEventHandler(async (event) => {
      const { key, before, within } = getQuery(event);
      const session = await useFileSession(event);
      await new Promise((done) => setTimeout(done, Number(before ?? 0)));
      await session.update(async () => {
        if (within) await new Promise((done) => setTimeout(done, Number(within)));
        return { [String(key)]: true };
      });
      return { id: session.id };
    });`,
    "routes/seen.ts": `export default defineEventHandler(async (event) => {
      const { id } = await requireFileSession(event);
      return { item: await useStorage("sessions").getItem(id) };
    });`,
    "routes/clean.ts": `export default defineEventHandler(() => runTask("filesession:clean"));`,
    "routes/about.ts": `export default defineEventHandler(() => "about");`,
  },
  "Nitro 3": {
    "nitro.config.ts": `import { defineConfig } from "nitro";
    export default defineConfig({
      compatibilityDate: "2025-11-01",
      serverDir: ".",
      modules: ["filesession/nitro"],
      fileSession: { secret: "", maxAge: 3600 },
      experimental: { tasks: true },
      prerender: { routes: ["/about"] },
    });`,
    "routes/add.ts": `import { useFileSession } from "filesession";
    import { defineHandler } from "nitro";
    import { getQuery } from "nitro/h3";
    export default defineHandler(async (event) => {
      const { key, before, within } = getQuery(event);
      const session = await useFileSession(event);
      await new Promise((done) => setTimeout(done, Number(before ?? 0)));
      await session.update(async () => {
        if (within) await new Promise((done) => setTimeout(done, Number(within)));
        return { [String(key)]: true };
      });
      return { id: session.id };
    });`,
    "routes/seen.ts": `import { requireFileSession } from "filesession";
    import { defineHandler } from "nitro";
    import { useStorage } from "nitro/storage";
    export default defineHandler(async (event) => {
      const { id } = await requireFileSession(event);
      return { item: await useStorage("sessions").getItem(id) };
    });`,
    "routes/clean.ts": `import { defineHandler } from "nitro";
    import { runTask } from "nitro/task";
    export default defineHandler(() => runTask("filesession:clean"));`,
    "routes/about.ts": `import { defineHandler } from "nitro";
    export default defineHandler(() => "about");`,
  },
};

/** Builds both in a project, each in a directory of its name. Gives what was said of it. */
async function buildApps(
  project: string,
  edited: (config: string) => string = (config) => config,
): Promise<string[]> {
  return Promise.all(
    nitros.map(async ({ nitro, cli }) => {
      for (const [file, text] of Object.entries(apps[nitro]!)) {
        await mkdir(dirname(join(project, nitro, file)), { recursive: true });
        const isConfig = file === "nitro.config.ts";
        await writeFile(join(project, nitro, file), isConfig ? edited(text) : text);
      }
      return buildApp(project, cli, nitro);
    }),
  );
}

describe("an app", () => {
  let project: string;
  beforeAll(async () => {
    project = await newProject();
    await buildApps(project);
  }, 60_000);
  afterAll(() => project && rm(project, { recursive: true, force: true }));

  describe.each(nitros)("of $nitro", ({ nitro }) => {
    const env = { NITRO_FILE_SESSION_SECRET: secret };
    const filesIn = (dir: string): string[] =>
      readdirSync(dir).filter((name) => name.startsWith("sess_"));

    async function started(cwd: string, more: NodeJS.ProcessEnv = env): Promise<Server> {
      const server = await startServer(join(project, nitro, ".output/server/index.mjs"), cwd, more);
      onTestFinished(() => server.kill());
      return server;
    }

    it("has no sessions while it is built, also for pages that are rendered then", () => {
      expect(readdirSync(join(project, nitro, ".output/public"))).toContain("about");
      expect(readdirSync(join(project, nitro))).not.toContain(".data");
    });

    it("does not start without the secret that its config speaks of", async () => {
      await expect(started(tempDir(), {})).rejects.toThrow("Cannot use option `secret`");
    });

    it("has nothing of Redis in it, and does not start with a url of one", async () => {
      const modules = join(project, nitro, ".output/server/node_modules");
      expect(readdirSync(modules)).not.toContain("ioredis");
      expect(readdirSync(join(modules, "filesession/dist"))).not.toContain("redis.js");
      const more = { ...env, NITRO_FILE_SESSION_REDIS_URL: "redis://127.0.0.1" };
      await expect(started(tempDir(), more)).rejects.toThrow("this server was built without it");
    });

    it("has one set of options for both doors, which its environment can change", async () => {
      const cwd = tempDir();
      const server = await started(cwd, {
        NITRO_FILE_SESSION_SECRET: "1".repeat(32), // a number, to destr
        NITRO_FILE_SESSION_FILE_DIR: "./elsewhere",
        NITRO_FILE_SESSION_FILE_PREFIX: "sess_007",
        NITRO_FILE_SESSION_NAME: "sid",
        NITRO_FILE_SESSION_MAX_AGE: "120",
        NITRO_FILE_SESSION_COOKIE_SAME_SITE: "strict",
      });

      const { cookie, line } = await get(server, "/add?key=tea");

      expect(line).toMatch(/^sid=[\w-]{43}; Max-Age=120; .*SameSite=Strict/);
      expect(await get(server, "/seen", cookie)).toMatchObject({
        status: 200,
        body: { item: { tea: true } },
      });
      expect(readdirSync(cwd)).toEqual(["elsewhere"]);
      const [file = ""] = filesIn(join(cwd, "elsewhere"));
      expect(file).toMatch(/^sess_007[0-9a-f]{64}$/);
      expect(readFileSync(join(cwd, "elsewhere", file), "utf8")).not.toContain("tea");
    });

    it("answers with the status of a SessionError, and not with its message", async () => {
      const { status, body } = await get(await started(tempDir()), "/seen");
      expect(status).toBe(401);
      expect(JSON.stringify(body)).not.toContain("cookie");
    });

    it("cleans by a task, and tells how many", async () => {
      const cwd = tempDir();
      const fileDir = join(cwd, ".data/sessions");
      const server = await started(cwd);
      await get(server, "/add?key=tea");
      const [ended = ""] = filesIn(fileDir);
      await get(server, "/add?key=tea");
      const longAgo = Date.now() / 1000 - 3601; // the config's `maxAge`
      utimesSync(join(fileDir, ended), longAgo, longAgo);

      const { body } = await get(server, "/clean");

      expect(body).toEqual({ result: { removed: 1, kept: 1, skipped: 0 } });
      expect(filesIn(fileDir)).not.toContain(ended);
    });

    it.each(["one session", "200 sessions"])(
      "loses no acknowledged write of 200 when it is told to end: %s",
      async (which) => {
        const cwd = tempDir();
        const fileDir = join(cwd, ".data/sessions");
        const server = await started(cwd);
        const acknowledged = await writtenWhileEnding(server, which === "one session");
        expect(readdirSync(fileDir).filter((name) => name.includes("."))).toEqual([]);
        await expectStored(new FileHandler({ fileDir }), acknowledged);
      },
    );

    it("brings a write to its end, whose client has left", async () => {
      const cwd = tempDir();
      const fileDir = join(cwd, ".data/sessions");
      const server = await started(cwd);
      const { cookie, body } = await get(server, "/add?key=first");
      const { id } = body as { id: string };
      const leaving = new AbortController();
      const left = get(server, "/add?key=last&within=700", cookie, leaving.signal).catch(
        () => refused,
      );
      await expect.poll(() => readdirSync(fileDir)).toContain(`sess_${id}.lock`);

      leaving.abort();
      expect(await left).toBe(refused);
      expect(await server.terminate()).toBe(0);

      expect(filesIn(fileDir)).toEqual([`sess_${id}`]);
      await expectStored(new FileHandler({ fileDir }), new Map([["last", id]]));
    });
  });
});

// Of the two clients it has installed the one.
describe.runIf(has("redis-server"))("an app whose config speaks of Redis", () => {
  /** Away from the project: what they need and did not bring along, they do not find. */
  let outputs: string;
  let redis: RedisServer;
  let said: string[];
  beforeAll(async () => {
    redis = await startRedis();
    const project = await newProject(["redis"]);
    const speaking = 'fileSession: { redis: { url: "", prefix: "app:" }, ';
    said = await buildApps(project, (text) => text.replace("fileSession: {", speaking));
    outputs = await mkdtemp(join(tmpdir(), "filesession-outputs-"));
    for (const { nitro } of nitros)
      await cp(join(project, nitro, ".output"), join(outputs, nitro), { recursive: true });
    await rm(project, { recursive: true });
  }, 60_000);
  afterAll(async () => {
    await redis?.close();
    await rm(outputs, { recursive: true });
  });

  it("is built without a word about the client that is not there", () => {
    expect(said.join("\n")).not.toMatch(/redis/i);
  });

  describe.each(nitros)("of $nitro", ({ nitro }) => {
    async function started(cwd: string, more: NodeJS.ProcessEnv): Promise<Server> {
      const script = join(outputs, nitro, "server/index.mjs");
      const env = { NITRO_FILE_SESSION_SECRET: secret, ...more };
      const server = await startServer(script, cwd, env);
      onTestFinished(() => server.kill());
      return server;
    }
    const inRedis = (): NodeJS.ProcessEnv => ({ NITRO_FILE_SESSION_REDIS_URL: redis.url });

    it("keeps files as before, without a url", async () => {
      const cwd = tempDir();
      await get(await started(cwd, {}), "/add?key=tea");
      const names = readdirSync(join(cwd, ".data/sessions"));
      expect(names).toEqual([expect.stringMatching(/^sess_[0-9a-f]{64}$/)]);
    });

    it("keeps all in Redis with one, sealed, for both doors, over one connection", async () => {
      await redis.call("FLUSHALL");
      const cwd = tempDir();
      const server = await started(cwd, inRedis());

      const { cookie, body } = await get(server, "/add?key=tea");

      const { id } = body as { id: string };
      expect(await get(server, "/seen", cookie)).toMatchObject({
        status: 200,
        body: { item: { tea: true } },
      });
      expect(await redis.call("KEYS", "*")).toEqual([`app:{${id}}`]);
      expect(await redis.call("GET", `app:{${id}}`)).not.toContain("tea");
      // This one that asks is the other.
      expect(
        String(await redis.call("CLIENT", "LIST"))
          .trim()
          .split("\n"),
      ).toHaveLength(2);
      expect(readdirSync(cwd)).toEqual([]);
    });

    it("does not start with a url that makes no sense, and does not show it", async () => {
      const starting = started(tempDir(), { NITRO_FILE_SESSION_REDIS_URL: "hunter2@10.0.0.5" });
      await expect(starting).rejects.toThrow("Cannot use option `url`");
      await expect(starting).rejects.not.toThrow("hunter2");
    });

    it("says 503 while Redis is not there, and ends all the same", async () => {
      const more = {
        NITRO_FILE_SESSION_REDIS_URL: "redis://127.0.0.1:1",
        NITRO_FILE_SESSION_REDIS_TIMEOUT: "0.2",
      };
      const server = await started(tempDir(), more);
      expect(await get(server, "/add?key=tea")).toMatchObject({ status: 503, line: "" });
      expect(await get(server, "/seen")).toMatchObject({ status: 401 });
      expect(await ending(server)).toBe(0);
    });

    it.each(["one session", "200 sessions"])(
      "loses no acknowledged write of 200 when it is told to end: %s",
      async (which) => {
        const server = await started(tempDir(), inRedis());
        const acknowledged = await writtenWhileEnding(server, which === "one session");
        for (const key of (await redis.call("KEYS", "app:{*")) as string[])
          expect(await isHeld(key)).toBe(false);
        await expectStored(new RedisHandler({ url: redis.url, prefix: "app:" }), acknowledged);
      },
    );

    const isHeld = async (key: string): Promise<boolean> =>
      String(await redis.call("GET", key)).startsWith("lock ");

    it("brings a write to its end, whose client has left", async () => {
      const server = await started(tempDir(), inRedis());
      const { cookie, body } = await get(server, "/add?key=first");
      const { id } = body as { id: string };
      const leaving = new AbortController();
      const path = "/add?key=last&within=700";
      const left = get(server, path, cookie, leaving.signal).catch(() => refused);
      await expect.poll(() => isHeld(`app:{${id}}`)).toBe(true);

      leaving.abort();
      expect(await left).toBe(refused);
      expect(await ending(server)).toBe(0);

      expect(await isHeld(`app:{${id}}`)).toBe(false);
      await expectStored(
        new RedisHandler({ url: redis.url, prefix: "app:" }),
        new Map([["last", id]]),
      );
    });
  });
});

/** How a server ends that is told to. */
function ending(server: Server): Promise<number | NodeJS.Signals | string> {
  return Promise.race([server.terminate(), setTimeout(8000, "still there", { ref: false })]);
}

/** Expects each key in its session. Closes the handler. */
/**
 * Has 200 requests store a key each, in one session or one each, and the server end in their midst. Gives
 * the keys that were acknowledged, each with its session.
 */
async function writtenWhileEnding(server: Server, isShared: boolean): Promise<Map<string, string>> {
  const { cookie } = await get(server, "/add?key=first");
  const shared = isShared ? cookie : undefined;
  const acknowledged = new Map<string, string>();
  let ended: Promise<unknown> | undefined;

  await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      const path = `/add?key=k${i}&before=${i % 100}`;
      const { status, body } = await get(server, path, shared).catch(() => refused);
      if (status === 200) acknowledged.set(`k${i}`, (body as { id: string }).id);
      if (acknowledged.size === 40) ended ??= ending(server);
    }),
  );

  expect(acknowledged.size).toBeGreaterThanOrEqual(40);
  expect(await ended).toBe(0);
  return acknowledged;
}

async function expectStored(handler: Handler, keys: Map<string, string>): Promise<void> {
  const sealed = new SealedHandler(handler, secret);
  const lost: string[] = [];
  for (const [key, id] of keys) {
    const record = await sealed.retrieve<Record<string, true>>(id);
    if (!isRecord(record) || !record.data[key]) lost.push(key);
  }
  await sealed.close();
  expect(lost).toEqual([]);
}

interface Answer {
  status: number;
  body: unknown;
  /** Its `Set-Cookie`, and the cookie in it, for the next request. */
  line: string;
  cookie: string;
}

const refused: Answer = { status: 0, body: undefined, line: "", cookie: "" };

/** On a connection of its own, that ends with the answer. */
function get(
  { url }: Server,
  path: string,
  cookie?: string,
  signal?: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = cookie === undefined ? {} : { cookie };
    request(url + path, { agent: false, headers, ...(signal && { signal }) }, (response) => {
      const { statusCode: status = 0, headers } = response;
      const [line = ""] = headers["set-cookie"] ?? [];
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("error", reject);
      response.on("end", () => {
        try {
          resolve({ status, body: JSON.parse(text) as unknown, line, cookie: line.split(";")[0]! });
        } catch (error) {
          reject(error);
        }
      });
    })
      .on("error", reject)
      .end();
  });
}
