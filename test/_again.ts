import { vi } from "vitest";
import type * as filesession from "../src/index.ts";

/**
 * The package once more, as another process would load it: it shares nothing with the first but the
 * files. So a test can let it act between any two calls of the first.
 */
export async function loadAgain(): Promise<typeof filesession> {
  vi.resetModules();
  return import("../src/index.ts");
}
