// Where file names ignore case, as on NTFS and APFS, two prefixes that differ only in case would be
// one, and two apps would have each other's sessions. (Ids are encoded, see names.ts.)

import { lstatSync } from "node:fs";
import { join } from "node:path";
import { badOption, isNoRoom, placeFailed } from "../core/error.ts";
import { closeUnheard } from "./descriptor.ts";
import { createFile, newToken, unlinkUnheard } from "./lock.ts";

/**
 * Throws `ERR_SESSION_OPTION` for a prefix with capitals where case says nothing. A prefix without
 * them, as the default one, costs nothing to check.
 */
export function assertPrefix(fileDir: string, filePrefix: string): void {
  if (filePrefix !== filePrefix.toLowerCase() && ignoresCase(fileDir, filePrefix))
    throw badOption(
      "filePrefix",
      filePrefix,
      `in lower case: in ${fileDir} file names ignore case, and it could be another app's`,
    );
}

function ignoresCase(fileDir: string, filePrefix: string): boolean {
  const name = `${filePrefix}.${newToken()}.case`;
  const path = join(fileDir, name);
  try {
    const { fd } = createFile(path);
    closeUnheard(fd);
    return lstatSync(join(fileDir, name.toLowerCase()), { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if (isNoRoom(error)) return false; // what is there can be read all the same
    throw placeFailed("try the names of", path, error);
  } finally {
    unlinkUnheard(path);
  }
}
