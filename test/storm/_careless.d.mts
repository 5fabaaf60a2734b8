import type { FileHandler } from "../../src/index.ts";

export type Carelessness = "naive" | "verify-only" | "git-publish";

/** As much of a handler as an update needs. */
export type Updater = Pick<FileHandler, "store" | "update" | "retrieve" | "_lockFile">;

export const CarelessHandler: new (
  fault: Carelessness,
  options: { fileDir: string; staleAfter: number },
) => Updater;
