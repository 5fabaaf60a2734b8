// What is used of a Nitro, of nitropack 2 and of nitro 3. Nothing of them is imported.
//
//                      nitropack 2                       nitro 3
//   the runtime        nitropack/runtime                 nitro/app, nitro/runtime-config, nitro/storage
//   where files are    srcDir, in scanDirs               serverDir, in scanDirs; none of them by default
//   auto-imports       imports, on by default            none
//   variables          destr makes numbers, booleans     texts, as they are
//                      and lists of texts
//   at a SIGTERM       waits for the connections, calls  the same; leaves the process to end when there is
//                      `close`, ends the process         nothing left to do
//   scheduled tasks    in both by croner, whose timers keep a process alive

/** The instance that a module is given. */
export interface NitroLike {
  meta?: { majorVersion?: number };
  logger: { warn(message: string): void };
  hooks: { hook(name: string, hook: () => void): unknown };
  options: NitroOptionsLike;
}

export interface NitroOptionsLike {
  preset?: string;
  dev?: boolean;
  entry?: string | undefined;
  scanDirs: string[];
  apiDir?: string;
  routesDir?: string;
  buildDir: string;
  output: { dir: string };
  publicAssets?: { dir: string }[];
  devServer?: { watch?: string[] };
  /** Of nitro 3: what is not bundled. */
  traceDeps?: (string | RegExp)[];
  plugins: string[];
  virtual: Record<string, string | (() => string | Promise<string>)>;
  runtimeConfig: Record<string, unknown>;
  storage?: Record<string, unknown>;
  devStorage?: Record<string, unknown>;
  experimental?: { tasks?: boolean };
  tasks: Record<string, { handler?: string; description?: string }>;
  scheduledTasks?: Record<string, string | string[]>;
  /** Of nitropack 2; the presets are given to unimport. */
  imports?: false | { presets?: unknown[] } | undefined;
  /** Ours, as it stands in the config. */
  fileSession?: unknown;
}

/** What is called by either major: `{ setup }`. */
export interface NitroModuleLike {
  name: string;
  setup(nitro: NitroLike): void;
}
