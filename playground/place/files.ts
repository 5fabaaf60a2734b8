import { readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Kept, Place } from "./place.ts";

/** The files in this directory. They are read with `fs` alone: no driver, no handler. */
export function filesIn(dir: string): Place {
  return {
    kind: "files",
    where: resolve(dir),
    read: (id) => readSession(dir, `sess_${id}`),
  };
}

async function readSession(dir: string, name: string): Promise<Kept | undefined> {
  const path = join(dir, name);
  try {
    const [text, stats] = await Promise.all([readFile(path, "utf8"), stat(path)]);
    const mode = modeText(stats.mode);
    return { name, command: `cat ${path}`, text, mode, bytes: stats.size, changed: stats.mtime };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function modeText(mode: number): string {
  const letters = [..."rwxrwxrwx"].map((letter, i) => (mode & (0o400 >> i) ? letter : "-"));
  return `-${letters.join("")}`;
}
