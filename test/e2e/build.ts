import { execFile } from "node:child_process";
import { cp, mkdtemp } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const playground = fileURLToPath(new URL("../../playground", import.meta.url));

/**
 * Builds the playground for production, with the package as test/_build.ts has built it. Gives the
 * path of the server in a copy outside of the repository: what it needs and did not bring along, it
 * does not find there.
 */
export async function buildPlayground(): Promise<string> {
  const nitropack = dirname(createRequire(import.meta.url).resolve("nitropack/package.json"));
  const command = [join(nitropack, "dist/cli/index.mjs"), "build"];
  const env = { ...process.env, NODE_ENV: "production" };
  try {
    await promisify(execFile)(process.execPath, command, { cwd: playground, env });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`The playground cannot be built.\n${`${stdout}${stderr}`.slice(0, 2000)}`, {
      cause: error,
    });
  }
  const copy = await mkdtemp(join(tmpdir(), "filesession-playground-"));
  await cp(join(playground, ".output"), copy, { recursive: true });
  return join(copy, "server/index.mjs");
}
