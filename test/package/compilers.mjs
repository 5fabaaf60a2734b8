// The types, as TypeScript 5.4 to 7 see them. Errors in the declarations of other packages are left
// out; those in ours count, since not everybody has `skipLibCheck`.

import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

export const allVersions = ["5.4", "5.5", "5.6", "5.7", "5.8", "5.9", "6", "7"];

// Where something has changed: the oldest that is supported, and the last of each kind.
export const fewVersions = ["5.4", "5.9", "6", "7"];

const nodenext = { module: "nodenext", moduleResolution: "nodenext" };
const bundler = { module: "esnext", moduleResolution: "bundler" };
const exact = { exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true };
const browser = { types: [] }; // the `lib` that the target has by default, and no @types/node
const server = { types: ["node"], lib: ["es2022"] };

/** Every pair of what may differ. */
export const allWays = [
  { ...nodenext, ...exact, ...browser },
  { ...nodenext, ...server },
  { ...bundler, ...exact, ...server },
  { ...bundler, ...browser },
];

/** What compiles a program that also imports peers, whose types want one or the other. */
export const resolutions = [
  { ...nodenext, ...exact, ...browser },
  { ...bundler, ...browser },
];

/** The compilers, in a directory of their own: a project that they compile has none of it. */
export function installCompilers(dir, versions, root) {
  mkdirSync(dir);
  writeFileSync(join(dir, "package.json"), '{ "private": true }\n');
  const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  execFileSync(
    "npm",
    [
      "install",
      "--no-audit",
      "--no-fund",
      `@types/node@${devDependencies["@types/node"]}`,
      ...versions.map((version) => `ts-${version}@npm:typescript@${version}`),
    ],
    { cwd: dir, stdio: "pipe" },
  );
  return versions.map((version) => ({ version, dir }));
}

/**
 * Compiles the program in the project with each of the compilers in each of the ways. Throws with
 * everything they say.
 */
export async function compile(compilers, ways, project, program) {
  const tasks = compilers.flatMap((compiler) => ways.map((way) => ({ compiler, way })));
  const errors = [];
  const work = async () => {
    for (let task = tasks.pop(); task; task = tasks.pop())
      for (const line of await errorsOf(task, project, program))
        errors.push(`TypeScript ${task.compiler.version}, ${task.way.moduleResolution}: ${line}`);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  if (errors.length > 0) throw new Error(`the types do not compile:\n${errors.join("\n")}`);
}

async function errorsOf({ compiler: { version, dir }, way }, project, program) {
  const name = `tsconfig.${version}.${way.moduleResolution}.${way.types.length}.json`;
  const compilerOptions = {
    ...way,
    target: "es2022",
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    typeRoots: [join(dir, "node_modules/@types")],
  };
  writeFileSync(join(project, name), JSON.stringify({ compilerOptions, files: [program] }));
  const tsc = join(dir, `node_modules/ts-${version}/bin/tsc`);
  const said = await promisify(execFile)(process.execPath, [tsc, "--pretty", "false", "-p", name], {
    cwd: project,
  }).catch((error) => error);
  // 1 and 2 are for errors in what it has compiled.
  if (said instanceof Error && said.code !== 1 && said.code !== 2) throw said;
  return said.stdout
    .split("\n")
    .filter((line) => /\berror TS\d+:/.test(line) && !isOfOthers.test(line));
}

const isOfOthers = /^(?:\.\.\/)*node_modules\/(?!filesession\/)|^\.\.\/compilers\//;
