// What it costs to have us at all: how long a fresh process takes to import the package, how many
// packages come with it, and how large they are once installed.

import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { interleave, median, round } from "../measure.mjs";

export const title = "Start: import in a fresh process, and what is installed";

const bench = fileURLToPath(new URL("..", import.meta.url));
const root = fileURLToPath(new URL("../../..", import.meta.url));

const imports = {
  nothing: [],
  "node:fs + node:crypto": ["node:fs", "node:crypto"],
  filesession: ["filesession"],
  "unstorage + fs": ["unstorage-v1", "unstorage-v1/drivers/fs"],
  "express-session + session-file-store": ["express-session", "session-file-store"],
  "express-session + connect-redis + redis": ["express-session", "connect-redis", "redis"],
  ioredis: ["ioredis"],
  "better-sqlite3": ["better-sqlite3"],
  "Remix file sessions": ["@remix-run/node"],
  "proper-lockfile": ["proper-lockfile"],
  "h3 1": ["h3-v1"],
  "h3 2": ["h3-v2"],
};

export async function measure({ quick, rounds, log }) {
  const notes = [];
  const able = Object.keys(imports).filter((name) => {
    try {
      startOf(name);
      return true;
    } catch (error) {
      notes.push(`${name}: ${String(error.stderr).match(/^\w*Error.*$/m)?.[0] ?? error.message}`);
      return false;
    }
  });
  const results = await interleave(able, quick ? 3 : 3 * rounds, startOf);
  log("imports timed");

  const over = (name) =>
    median(results.get(name).map(({ ms }, n) => ms - results.get("nothing")[n].ms));
  const installed = new Map(able.map((name) => [name, installedWith(imports[name])]));
  const rows = able.map((name) => {
    const { packages, bytes } = installed.get(name);
    return {
      import: name,
      "ms over nothing": round(Math.max(0, over(name))),
      "process ms": round(median(results.get(name).map(({ processMs }) => processMs))),
      packages: packages.length,
      "installed kB": Math.round(bytes / 1000),
    };
  });
  const { packages, bytes } = installed.get("filesession");
  const native = packages.filter(({ dir }) => !isPureJavaScript(dir));
  return {
    rows,
    notes,
    figures: [
      {
        number: 12,
        what: "import of filesession, ms over an empty process",
        measured: round(over("filesession")),
        atMost: 10,
      },
      {
        number: 12,
        what: "packages installed, filesession among them",
        measured: packages.length,
        atMost: 3,
      },
      {
        number: 12,
        what: "kB installed",
        measured: Math.round(bytes / 1000),
        atMost: 300,
      },
      {
        number: 12,
        what: "packages that are not pure JavaScript",
        measured: native.length,
        atMost: 0,
      },
    ],
  };
}

/** Milliseconds that the import took, and the whole process. */
function startOf(name) {
  const program = [
    'await import("data:text/javascript,");', // the loader itself is not what we ask for
    "const begun = performance.now();",
    ...imports[name].map((specifier) => `await import(${JSON.stringify(specifier)});`),
    "console.log(performance.now() - begun);",
    "process.exit();",
  ].join("\n");
  const begun = performance.now();
  const ms = execFileSync(process.execPath, ["--input-type=module", "-e", program], {
    cwd: bench,
    encoding: "utf8",
    stdio: "pipe",
  });
  return { ms: Number(ms), processMs: performance.now() - begun };
}

/** The packages that come with these modules, and what their files hold in bytes. */
function installedWith(specifiers) {
  const found = new Map();
  const names = new Set(
    specifiers
      .filter((specifier) => !specifier.startsWith("node:"))
      .map((specifier) => /^(@[^/]+\/)?[^/]+/.exec(specifier)[0]),
  );
  for (const name of names) collect(name, bench, found);
  const packages = [...found.values()];
  return { packages, bytes: packages.reduce((sum, { bytes }) => sum + bytes, 0) };
}

function collect(name, from, found, isOptional = false) {
  const dir = name === "filesession" ? root : packageDir(name, from);
  if (dir === undefined) {
    if (isOptional) return;
    throw new Error(`${name} is not installed`);
  }
  if (found.has(dir)) return;
  found.set(dir, { dir, bytes: name === "filesession" ? packedBytes() : bytesIn(dir) });
  const manifest = JSON.parse(readFileSync(join(dir, "package.json"), "utf8"));
  for (const needed of Object.keys(manifest.dependencies ?? {}))
    collect(needed, dir, found, needed in (manifest.optionalDependencies ?? {}));
  for (const wanted of Object.keys(manifest.optionalDependencies ?? {}))
    collect(wanted, dir, found, true);
  for (const peer of Object.keys(manifest.peerDependencies ?? {}))
    if (!manifest.peerDependenciesMeta?.[peer]?.optional) collect(peer, dir, found, true);
}

/** As Node looks for it: in each `node_modules` from here upwards. */
function packageDir(name, from) {
  for (let dir = from; ; dir = dirname(dir)) {
    const candidate = join(dir, "node_modules", name);
    if (existsSync(join(candidate, "package.json"))) return realpathSync(candidate);
    if (dir === dirname(dir)) return undefined;
  }
}

function packedBytes() {
  const said = execFileSync("npm", ["pack", "--json", "--dry-run", "--ignore-scripts"], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  return JSON.parse(said)[0].unpackedSize;
}

function bytesIn(dir) {
  return filesIn(dir).reduce((sum, file) => sum + lstatSync(file).size, 0);
}

function isPureJavaScript(dir) {
  const files = dir === root ? filesIn(join(root, "dist")) : filesIn(dir);
  return !files.some((file) => /\.(node|wasm|gyp|so|dylib|dll)$/.test(file));
}

function filesIn(dir) {
  return readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.name !== "node_modules")
    .flatMap((entry) =>
      entry.isDirectory() ? filesIn(join(dir, entry.name)) : [join(dir, entry.name)],
    );
}
