import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The two that the playground is built with, and where each has its config. */
export const nitros = [
  { nitro: "Nitro 2", cli: "nitropack/dist/cli/index.mjs", dir: "playground" },
  { nitro: "Nitro 3", cli: "nitro/dist/cli/index.mjs", dir: "playground/nitro3" },
] as const;

/**
 * An empty project whose node_modules has the package as people get it, packed and unpacked, and beside
 * it what this repository has installed, but for these. Gives its path, for whoever asked to remove.
 */
export async function newProject(without: readonly string[] = []): Promise<string> {
  const project = await mkdtemp(join(tmpdir(), "filesession-project-"));
  const modules = join(project, "node_modules");
  await mkdir(modules);
  // What test/_build.ts has built. An npm that runs this sets a cwd of its own.
  const pack = ["pack", "--ignore-scripts", "--silent", "--pack-destination", project];
  const { stdout } = await run("npm", pack, root);
  await run("tar", ["-xzf", stdout.trim()], project);
  const ours = /^(?:filesession|\.)/;
  const theirs = (await readdir(join(root, "node_modules"))).filter(
    (name) => !ours.test(name) && !without.includes(name),
  );
  await Promise.all([
    cp(join(project, "package"), join(modules, "filesession"), { recursive: true }),
    ...theirs.map((name) => symlink(join(root, "node_modules", name), join(modules, name))),
  ]);
  return project;
}

/** Builds the app in `dir` of a project for production. Gives what was said of it. */
export async function buildApp(project: string, cli: string, dir: string): Promise<string> {
  const env = { ...process.env, NODE_ENV: "production" };
  const command = [join(project, "node_modules", cli), "build"];
  const { stdout, stderr } = await run(process.execPath, command, join(project, dir), env);
  return stdout + stderr;
}

/**
 * Builds the playground with each Nitro, or with this one. Gives the paths of the servers in copies outside of the project:
 * what they need and did not bring along, they do not find there.
 */
export async function buildPlaygrounds(only?: string): Promise<string[]> {
  const project = await newProject();
  try {
    await cp(join(root, "tsconfig.json"), join(project, "tsconfig.json"));
    await cp(join(root, "playground"), join(project, "playground"), {
      recursive: true,
      filter: (path) => !/\/(?:\.output|\.nitro|\.data|node_modules)$/.test(path),
    });
    const wanted = nitros.filter(({ nitro }) => only === undefined || nitro === only);
    return await Promise.all(
      wanted.map(async ({ cli, dir }) => {
        await buildApp(project, cli, dir);
        const copy = await mkdtemp(join(tmpdir(), "filesession-playground-"));
        await cp(join(project, dir, ".output"), copy, { recursive: true });
        return join(copy, "server/index.mjs");
      }),
    );
  } finally {
    await rm(project, { recursive: true, force: true });
  }
}

async function run(
  file: string,
  args: string[],
  cwd: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ stdout: string; stderr: string }> {
  try {
    return await promisify(execFile)(file, args, { cwd, env });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    const said = `${stdout}${stderr}`.slice(0, 2000);
    throw new Error(`It failed in ${cwd}: ${file} ${args.join(" ")}\n${said}`, { cause: error });
  }
}
