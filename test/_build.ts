import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Builds the package once, before all tests: other processes and the playground run what is
 * published.
 */
export default function build(): void {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const typescript = dirname(createRequire(import.meta.url).resolve("typescript/package.json"));
  rmSync(join(root, "dist"), { recursive: true, force: true });
  execFileSync(process.execPath, [join(typescript, "bin/tsc"), "-p", "tsconfig.build.json"], {
    cwd: root,
    stdio: "inherit",
  });
}
