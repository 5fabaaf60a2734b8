// The package as people get it: packed, installed into an empty project beside each major of h3 and
// unstorage, compiled against and run there.

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const tsc = join(
  dirname(createRequire(import.meta.url).resolve("typescript/package.json")),
  "bin/tsc",
);
const dir = mkdtempSync(join(tmpdir(), "filesession-package-"));
const run = (cwd, command, ...args) => execFileSync(command, args, { cwd, encoding: "utf8" });

const [{ filename, files, unpackedSize }] = JSON.parse(
  run(root, "npm", "pack", "--json", "--ignore-scripts", "--pack-destination", dir),
);
console.log(`${filename}: ${files.length} files, ${unpackedSize} bytes`);
const strangers = files.filter(({ path }) => !/^(dist\/|package\.json|README|LICENSE)/.test(path));
if (strangers.length > 0)
  throw new Error(`packed, and should not be: ${JSON.stringify(strangers)}`);

const generations = { old: ["h3@1", "unstorage@1"], new: ["h3@2", "unstorage@2.0.0-beta.0"] };
for (const [name, peers] of Object.entries(generations)) {
  const project = join(dir, name);
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "private": true, "type": "module" }\n');
  run(project, "npm", "install", "--no-audit", "--no-fund", join(dir, filename), ...peers);
  for (const program of ["program.mjs", "program.mts"])
    copyFileSync(new URL(program, import.meta.url), join(project, program));
  console.log(`${peers.join(", ")}: ${run(project, process.execPath, "program.mjs").trim()}`);
  for (const resolution of [
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ])
    run(
      project,
      process.execPath,
      tsc,
      "--ignoreConfig",
      "--noEmit",
      "--strict",
      "--skipLibCheck",
      "--types",
      "",
      "--target",
      "es2022",
      "--module",
      resolution[0],
      "--moduleResolution",
      resolution[1],
      "program.mts",
    );
  console.log(`${peers.join(", ")}: compiles under nodenext and bundler`);
}
rmSync(dir, { recursive: true });
