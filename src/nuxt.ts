// The Nuxt module.
//
//   export default defineNuxtConfig({ modules: ["filesession/nuxt"], fileSession: { maxAge: 3600 } });
//
// The server's half is the Nitro module. On top of it the app gets `useUserSession`, which is rendered on
// the server and asks an endpoint afterwards, and Nuxt's DevTools get a tab.
//
// Nothing of Nuxt is imported: a module is a function, and from here `@nuxt/kit` may not be found. What
// it would do for us is written out, and is little.

import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SessionError } from "./index.ts";
import nitroModule, { type FileSessionModuleOptions } from "./nitro.ts";
import type { NitroConfigLike, NuxtLike } from "./nuxt/nuxt.ts";
import { watchedPlace } from "./nuxt/places.ts";
import { typesOf } from "./nuxt/public-session.ts";

export type { PublicSession, PublicSessionKeys } from "./nuxt/public-session.ts";

/** The options in `nuxt.config.ts`, under `fileSession`: those of the Nitro module, and two more. */
export interface ModuleOptions extends FileSessionModuleOptions {
  /**
   * What of the session's data the browser may see, and `useUserSession` gives: its keys. All else stays
   * on the server. Default `["user"]`.
   */
  public?: string[] | undefined;
  /** Where the browser asks for that. Default `/api/_session`. */
  endpoint?: string | undefined;
}

/** What Nuxt takes for a module, and has the type of `fileSession` in `nuxt.config.ts` from. */
export interface FileSessionModule {
  (this: void, options: ModuleOptions, nuxt: unknown): void;
  getMeta: () => Promise<{ name: string; configKey: string }>;
}

const configKey = "fileSession";

/** Throws `ERR_SESSION_OPTION` for an option that makes no sense. */
const filesession: FileSessionModule = Object.assign(
  (options: ModuleOptions, nuxt: unknown): void => setUp(options, nuxt as NuxtLike),
  { getMeta: async () => ({ name: "filesession", configKey }) },
);

export default filesession;

const tab = "/__filesession__";

function setUp(inline: ModuleOptions, nuxt: NuxtLike): void {
  const { options } = nuxt;
  const all = { ...Object(options.fileSession), ...inline } as ModuleOptions;
  const { public: keys = ["user"], endpoint = "/api/_session", ...ofNitro } = all;
  check(keys, endpoint);
  const devalue = JSON.stringify(devalueOf(options.appDir));

  // Before the app's own plugins, which may want to know who is there.
  options.plugins.unshift({ src: file("app/plugin"), mode: "all", order: -20 });
  nuxt.hook("imports:extend", (imports) => {
    imports.push({ name: "useUserSession", from: file("app/use-user-session") });
  });
  options.build.templates.push({
    filename: "filesession.mjs",
    getContents: () =>
      `export const endpoint = ${JSON.stringify(endpoint)};\nexport { parse } from ${devalue};\n`,
  });

  const types = "types/filesession.d.ts";
  options.build.templates.push({ filename: types, write: true, getContents: () => typesOf(keys) });
  nuxt.hook("prepare:types", ({ references, sharedReferences }) => {
    const path = join(options.buildDir, types);
    references.push({ path });
    sharedReferences?.push({ path });
  });

  nuxt.hook("nitro:config", (nitro) => {
    (nitro.modules ??= []).push(nitroModule(ofNitro));
    (nitro.plugins ??= []).push(file("server/plugin"));
    const handlers = (nitro.handlers ??= []);
    handlers.push({ route: endpoint, handler: file("server/endpoint") });
    (nitro.virtual ??= {})["#filesession/nuxt"] =
      `export const publicKeys = ${JSON.stringify(keys)};\nexport { stringify } from ${devalue};\n`;
    // Whatever is kept of other routes, it is about one visitor.
    const rules = (nitro.routeRules ??= {});
    rules[endpoint] = { ...rules[endpoint], cache: false, isr: false, prerender: false };
    if (options.dev) handlers.push({ route: tab, handler: file("server/devtools") });
    bundleOnlyOurs(nitro);
  });

  if (!options.dev) return;
  nuxt.hook("devtools:customTabs", (tabs) => {
    tabs.push({
      name: "filesession",
      title: "Session",
      icon: "carbon:document-attachment",
      category: "server",
      view: { type: "iframe", src: options.app.baseURL.replace(/\/$/, "") + tab },
    });
  });
  nuxt.hook("nitro:init", ({ logger }) => {
    const problem = watchedPlace(ofNitro.fileDir, nuxt);
    if (problem !== undefined) logger.warn(`[filesession] ${problem}`);
  });
}

function check(keys: unknown, endpoint: unknown): void {
  const bad = (option: string, what: string): SessionError =>
    new SessionError(
      "ERR_SESSION_OPTION",
      `Cannot use \`fileSession.${option}\`: it must be ${what}`,
    );
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === "string"))
    throw bad("public", "a list of the data's keys");
  if (typeof endpoint !== "string" || !/^\/[\w./-]+$/.test(endpoint))
    throw bad("endpoint", "a path, such as /api/_session");
}

/** One of the files that are built into the app. */
function file(name: string): string {
  return fileURLToPath(new URL(`./nuxt/${name}.js`, import.meta.url));
}

/** Nuxt's own, which the page's payload is written with: what the endpoint sends is read by the same. */
function devalueOf(appDir: string): string {
  try {
    return createRequire(join(appDir, "index.js")).resolve("devalue");
  } catch {
    return "devalue";
  }
}

/**
 * Nuxt would bundle a module's package into the server. Of this one only what is in `nuxt/` has to be,
 * which imports what exists in bundles only. The rest is copied as it is: it starts threads from a file
 * beside it, and is there once, whoever imports it.
 */
function bundleOnlyOurs(nitro: NitroConfigLike): void {
  const externals = (nitro.externals ??= {});
  const root = fileURLToPath(new URL("..", import.meta.url)).replaceAll("\\", "/");
  const isUs = (entry: unknown): boolean =>
    typeof entry === "string" &&
    ["filesession", root.replace(/\/$/, "")].includes(entry.replace(/(.)\/$/, "$1"));
  externals.inline = (externals.inline ?? []).filter((entry) => !isUs(entry));
  externals.inline.push(fileURLToPath(new URL("./nuxt/", import.meta.url)).replaceAll("\\", "/"));
}
