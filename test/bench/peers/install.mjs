// Brings the peers' packages in, beside the benchmark and nowhere else: the project's own install
// does not have them.

import { spawnSync } from "node:child_process";
import { existsSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const bench = fileURLToPath(new URL("..", import.meta.url));
const modules = join(bench, "node_modules");

export function installPeers(log) {
  if (!existsSync(join(modules, ".package-lock.json"))) {
    log("installing the peers in test/bench; better-sqlite3 is compiled, which takes minutes");
    const { status } = spawnSync("npm", ["ci", "--prefix", bench, "--no-audit", "--no-fund"], {
      cwd: bench,
      stdio: ["ignore", 2, 2],
      env: { ...process.env, npm_config_build_from_source: "true" },
    });
    if (status !== 0) throw new Error("npm ci in test/bench failed, see above");
  }
  // The package of this very work tree, by its name, for all that is in test/bench.
  const self = join(modules, "filesession");
  if (!existsSync(self)) symlinkSync("../../..", self, "dir");
}
