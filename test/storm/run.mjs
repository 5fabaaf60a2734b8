// run.mjs [--long] [what vitest takes]: all storms, in 6 minutes, or `--long` for a night.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const args = process.argv.slice(2);
const others = args.filter((arg) => arg !== "--long");
const vitest = fileURLToPath(new URL("vitest.mjs", import.meta.resolve("vitest/package.json")));
const { status } = spawnSync(
  process.execPath,
  [vitest, "run", "--config", "vitest.storm.config.ts", ...others],
  {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    stdio: "inherit",
    env: { ...process.env, ...(args.includes("--long") && { STORM: "long" }) },
  },
);
process.exitCode = status ?? 1;
