// What is used of a Nuxt, as a module is given it. Nothing of it is imported.

/** The instance while the app is built, or developed. */
export interface NuxtLike {
  options: {
    dev: boolean;
    rootDir: string;
    buildDir: string;
    /** Where the code of Nuxt itself is. */
    appDir: string;
    app: { baseURL: string };
    plugins: unknown[];
    build: { templates: NuxtTemplate[] };
    _layers: { config: { srcDir?: string } }[];
    /** Ours, as it stands in the config. */
    fileSession?: unknown;
  };
  hook<Name extends keyof NuxtHooks>(name: Name, hook: NuxtHooks[Name]): unknown;
  /** What the watchers leave out, made of `ignore` and `.nuxtignore` when it is first asked for. */
  _ignore?: { ignores(path: string): boolean };
}

interface NuxtTemplate {
  filename: string;
  /** Whether it is written to disk; otherwise it is there for the bundler only. */
  write?: boolean;
  getContents(): string;
}

interface NuxtHooks {
  "imports:extend": (imports: { name: string; from: string }[]) => void;
  "prepare:types": (types: {
    references: { path: string }[];
    /** Of Nuxt 4, for `shared/`. */
    sharedReferences?: { path: string }[];
  }) => void;
  "nitro:config": (config: NitroConfigLike) => void;
  "nitro:init": (nitro: { logger: { warn(message: string): void } }) => void;
  "devtools:customTabs": (tabs: object[]) => void;
}

/** Nitro's config, as Nuxt has made it. */
export interface NitroConfigLike {
  modules?: unknown[];
  plugins?: string[];
  handlers?: { route: string; handler: string }[];
  virtual?: Record<string, string>;
  routeRules?: Record<string, object>;
  externals?: { inline?: unknown[] };
}
