import { mkdtempSync, realpathSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import { FileHandler, type FileHandlerOptions } from "../src/index.ts";
import type { HandlerHarness } from "../src/testing.ts";

/** A directory of its own for a test of `testHandler`, and the clock of this thread. */
export function fileHarness(
  options: FileHandlerOptions,
  Handler: typeof FileHandler = FileHandler,
): HandlerHarness & Required<Pick<HandlerHarness, "advance">> & { fileDir: string } {
  const base = mkdtempSync(join(realpathSync(tmpdir()), "filesession-"));
  const fileDir = join(base, "sessions");
  return {
    fileDir,
    open: () => new Handler({ fileDir, ...options }),
    advance(seconds) {
      if (!vi.isFakeTimers()) vi.useFakeTimers({ toFake: ["Date"] });
      vi.setSystemTime(Date.now() + seconds * 1000);
    },
    async breakPlace() {
      await rename(fileDir, join(base, "moved away"));
      await writeFile(fileDir, "a file where the directory was");
    },
    async close() {
      vi.useRealTimers();
      await rm(base, { recursive: true });
    },
  };
}
