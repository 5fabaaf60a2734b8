// The runtimes, and how a program is run on each. They come as packages of npm, without their install scripts.

import { spawnSync } from "node:child_process";
import { existsSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const modules = join(here, "node_modules");

/** Of Node 20 and 22 the oldest that the package promises. The rest as new as they were. */
export const runtimes = [
  ["Node 20", "node-20/bin/node"],
  ["Node 22", "node-22/bin/node"],
  ["Node 24", "node-24/bin/node"],
  ["Node 26", "node-26/bin/node"],
  ["Bun", "@oven/bun-linux-x64/bin/bun"],
  ["Deno", "@deno/linux-x64-glibc/deno", "run", "--allow-all", "--node-modules-dir=manual"],
].map(([name, path, ...args]) => ({ name, command: join(modules, path), args }));

/** Brings them in, beside these tests and nowhere else: the project's own install does not have them. */
export function installRuntimes() {
  if (!existsSync(join(modules, ".package-lock.json"))) {
    process.stderr.write("installing the runtimes in test/runtimes: close to 1 GB\n");
    const { status } = spawnSync(
      "npm",
      ["ci", "--prefix", here, "--ignore-scripts", "--no-audit", "--no-fund"],
      { cwd: here, stdio: ["ignore", 2, 2] },
    );
    if (status !== 0) throw new Error("npm ci in test/runtimes failed, see above");
  }
  const absent = runtimes.filter(({ command }) => !existsSync(command));
  if (absent.length > 0)
    throw new Error(
      `not there for ${process.platform} ${process.arch}: ${absent.map(({ name }) => name).join(", ")}. These tests are for Linux on x64`,
    );
  // The package of this very work tree, by its name, for all that is in test/runtimes.
  const self = join(modules, "filesession");
  if (!existsSync(self)) symlinkSync("../../..", self, "dir");
}

/** Whether a version of Node is one that this `engines` of a package wants: `>=22.19` and the like are understood. */
export function isWanted(version, engines) {
  const [, major = 0, minor = 0] = (/^>=(\d+)\.(\d+)/.exec(engines?.node ?? "") ?? []).map(Number);
  const [ours, oursMinor] = version.split(".").map(Number);
  return ours > major || (ours === major && oursMinor >= minor);
}
