// Who wants to hear of the sessions that come, change and go, whichever process does it.

import { existsSync, watch } from "node:fs";
import { badDir } from "../core/error.ts";
import { warn } from "../core/warning.ts";
import type { Names } from "./names.ts";

/** Watches the sessions in `fileDir`. Gives what ends it. */
export function watchSessions(
  fileDir: string,
  names: Names,
  callback: (event: "update" | "remove", id: string) => unknown,
): () => void {
  const changed = new Set<string>();
  const watcher = openWatcher(fileDir);
  let isWatching = true;

  // One write is several system calls, and each of them an event. What counts is what is there once
  // they are over.
  const report = (): void => {
    const ids = [...changed];
    changed.clear();
    for (const id of ids)
      if (isWatching) callback(existsSync(names.file(id)) ? "update" : "remove", id);
  };
  watcher.on("change", (_, fileName) => {
    // Locks, and all else that stands beside the sessions, are the names of no id.
    const id = typeof fileName === "string" ? names.idOf(fileName) : undefined;
    if (id === undefined) return;
    if (changed.size === 0) setImmediate(report);
    changed.add(id);
  });
  watcher.on("error", (error) => {
    warn(`Sessions in ${fileDir} are no longer watched: ${error.message}`, "FILESESSION_WATCH");
  });

  return () => {
    isWatching = false;
    watcher.close();
  };
}

function openWatcher(fileDir: string): ReturnType<typeof watch> {
  try {
    return watch(fileDir);
  } catch (error) {
    throw badDir(fileDir, "it cannot be watched", error);
  }
}
