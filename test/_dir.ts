import { mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

/** A new empty directory, gone when the test is over. The temporary one is a link on macOS. */
export function tempDir(parent: string = tmpdir()): string {
  const dir = mkdtempSync(join(realpathSync(parent), "filesession-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Where no directory can be made: below a file, this one. */
export const noPlace: string = join(fileURLToPath(import.meta.url), "x");

/** The names of the files in a directory. */
export function filesIn(dir: string): string[] {
  return readdirSync(dir).sort();
}
