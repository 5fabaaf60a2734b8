// Who wants to hear of the sessions that come, change and go, whichever process does it.

import { existsSync, watch } from "node:fs";
import { badDir } from "../core/error.ts";
import { warn } from "../core/warning.ts";
import { isTrace } from "./move.ts";
import type { Names } from "./names.ts";
import { readSession } from "./snapshot.ts";

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
      if (isWatching) callback(isThere(names.file(id), id) ? "update" : "remove", id);
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

/** Whether there is something under the id, other than what a session has left that has moved. */
function isThere(file: string, id: string): boolean {
  if (!existsSync(file)) return false;
  try {
    const found = readSession(file, id);
    return typeof found !== "object" || !isTrace(found);
  } catch {
    return true; // whoever wants the session hears of it
  }
}

function openWatcher(fileDir: string): ReturnType<typeof watch> {
  try {
    return watch(fileDir);
  } catch (error) {
    throw badDir(fileDir, "it cannot be watched", error);
  }
}
