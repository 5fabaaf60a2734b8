import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A new empty directory, gone when the test is over. */
export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "filesession-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** The names of the files in a directory. */
export function filesIn(dir: string): string[] {
  return readdirSync(dir).sort();
}
