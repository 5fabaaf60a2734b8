// tarball.mjs [--all]: the package as people get it, packed and installed. What is in it; that each
// subpath can be imported where there is nothing else; that the types compile, with TypeScript 5.4,
// 5.9, 6 and 7, or --all in between too; what a bundle of it weighs; and that it works beside each
// major of h3 and unstorage.

import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  allVersions,
  allWays,
  compile,
  fewVersions,
  installCompilers,
  resolutions,
} from "./compilers.mjs";
import { reachedBy } from "./contents.mjs";
import { checkSizes } from "./size.mjs";

// Subpaths that cannot be imported without another package: which, and why.
const peersOf = {
  // "filesession/x": { packages: ["y@1"], why: "it extends a class of y" },
};

const { values: options } = parseArgs({ options: { all: { type: "boolean", default: false } } });
const root = fileURLToPath(new URL("../..", import.meta.url));
const dir = realpathSync(mkdtempSync(join(tmpdir(), "filesession-package-")));
process.on("exit", () => rmSync(dir, { recursive: true }));
const run = (cwd, command, ...args) =>
  execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

const [{ filename, files, unpackedSize }] = JSON.parse(
  run(root, "npm", "pack", "--json", "--ignore-scripts", "--pack-destination", dir),
);
console.log(`${filename}: ${files.length} files, ${unpackedSize} bytes`);

// --- what is in it

const bare = newProject("bare");
const installed = join(bare, "node_modules/filesession");
const manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
const subpaths = Object.entries(manifest.exports)
  .filter(([subpath]) => subpath !== "./package.json")
  .map(([subpath, target]) => {
    const specifier = `filesession${subpath.slice(1)}`;
    return { specifier, reached: reachedBy(target, installed) };
  });

// What Nuxt builds into an app. There is no Nuxt here, so of these it is only seen whether they are all.
const inApps = [
  "app/plugin.js",
  "app/plugin.d.ts",
  "app/use-user-session.js",
  "app/use-user-session.d.ts",
  "server/plugin.js",
  "server/endpoint.js",
  "server/devtools.js",
].map((name) => reachedBy(`dist/nuxt/${name}`, installed));

const wanted = new Set();
for (const { files } of subpaths.map(({ reached }) => reached).concat(inApps))
  for (const file of files) wanted.add(file);
const packed = files.map(({ path }) => path);
const strangers = packed.filter(
  (path) => !wanted.has(path) && !/^(?:package\.json|README\.md|LICENSE)$/.test(path),
);
if (strangers.length > 0)
  throw new Error(`packed, and no subpath reaches it: ${strangers.join(", ")}`);

const ours = { ...manifest.dependencies, ...manifest.peerDependencies };
for (const { specifier, reached } of subpaths) {
  const { needed, optional } = reached;
  for (const name of [...needed, ...optional])
    if (!(name in ours)) throw new Error(`${specifier} imports ${name}, which is no dependency`);
  const peers = [...needed].filter((name) => !(name in (manifest.dependencies ?? {})));
  const said = peersOf[specifier]?.packages.map((name) => name.replace(/(.)@.*/, "$1")) ?? [];
  if (peers.toSorted().join() !== said.toSorted().join())
    throw new Error(`${specifier} imports ${peers.join(", ") || "no peer"}: say so in peersOf`);
}
const others = readdirSync(join(bare, "node_modules")).filter(
  (name) =>
    !name.startsWith(".") && name !== "filesession" && !(name in (manifest.dependencies ?? {})),
);
if (others.length > 0) throw new Error(`installed along with it: ${others.join(", ")}`);

// --- each subpath, in a project with nothing else, or nothing but what it says

const compilers = installCompilers(
  join(dir, "compilers"),
  options.all ? allVersions : fewVersions,
  root,
);
const versions = `TypeScript ${compilers.map(({ version }) => version).join(", ")}`;

const projects = new Map();
for (const { specifier } of subpaths) {
  const peers = peersOf[specifier]?.packages;
  const project = peers ? newProject(specifier.replaceAll("/", "-"), peers) : bare;
  projects.set(project, [...(projects.get(project) ?? []), specifier]);
  console.log(`${specifier}: gives ${importIn(project, specifier)}`);
}
for (const [project, specifiers] of projects) {
  const lines = specifiers.map((specifier, n) => `export * as _${n} from "${specifier}";\n`);
  writeFileSync(join(project, "subpaths.mts"), lines.join(""));
  await compile(compilers, allWays, project, "subpaths.mts");
  console.log(`${specifiers.join(", ")}: compile with ${versions}`);
}

// --- bundled

await checkSizes(bare, projects.get(bare));

// --- beside each major of h3 and unstorage

const generations = { old: ["h3@1", "unstorage@1"], new: ["h3@2", "unstorage@2.0.0-beta.0"] };
for (const [name, peers] of Object.entries(generations)) {
  const project = newProject(name, peers);
  for (const program of ["program.mjs", "program.mts"])
    copyFileSync(new URL(program, import.meta.url), join(project, program));
  console.log(`${peers.join(", ")}: ${run(project, process.execPath, "program.mjs").trim()}`);
  await compile(compilers, resolutions, project, "program.mts");
  console.log(`${peers.join(", ")}: compiles with ${versions}`);
}

function newProject(name, packages = []) {
  const project = join(dir, name);
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "private": true, "type": "module" }\n');
  run(project, "npm", "install", "--no-audit", "--no-fund", join(dir, filename), ...packages);
  return project;
}

/** The names that it exports. It changes nothing that others see, and keeps no process alive. */
function importIn(project, specifier) {
  const name = JSON.stringify(specifier);
  const program = `
    const seen = () => [...Reflect.ownKeys(globalThis), ...process.eventNames()].map(String).join();
    const before = seen();
    const names = Object.keys(await import(${name}));
    if (seen() !== before) throw new Error("it changes what is global: " + seen());
    console.log(names.join(", "));`;
  const names = run(project, process.execPath, "--input-type=module", "-e", program).trim();
  if (names === "") throw new Error(`${specifier} gives nothing`);
  run(project, process.execPath, "--input-type=commonjs", "-e", `require(${name})`);
  return names;
}
