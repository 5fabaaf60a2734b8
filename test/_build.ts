import { execSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/**
 * Builds the package once, before all tests: other processes and the playground run what is
 * published.
 */
export default function build(): void {
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  execSync("npm run build --silent", { cwd, stdio: "inherit" }); // by a shell: on Windows npm is a script
}
