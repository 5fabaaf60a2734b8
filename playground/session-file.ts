import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileDir } from "./session.ts";

/** A session's file, as any program on this machine finds it. */
export interface SessionFile {
  path: string;
  text: string;
  /** As `ls -l` writes it: `-rw-------`. */
  mode: string;
  bytes: number;
  changed: Date;
}

/**
 * The file of session `id`, or `undefined` when there is none. Reads it with `fs` alone: no driver,
 * no handler.
 */
export async function readSessionFile(id: string): Promise<SessionFile | undefined> {
  const path = join(fileDir, `sess_${id}`);
  try {
    const [text, stats] = await Promise.all([readFile(path, "utf8"), stat(path)]);
    return { path, text, mode: modeText(stats.mode), bytes: stats.size, changed: stats.mtime };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function modeText(mode: number): string {
  const letters = [..."rwxrwxrwx"].map((letter, i) => (mode & (0o400 >> i) ? letter : "-"));
  return `-${letters.join("")}`;
}
