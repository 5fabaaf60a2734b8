import { badOption } from "./error.ts";

export const defaultMaxBytes: number = 1024 * 1024;

// What a slot of a file can hold, less what else stands in it. The same in every place: sessions move.
const most = 99_000_000;

/** The option `maxBytes`. Throws `ERR_SESSION_OPTION` for one that makes no sense. */
export function maxBytesOf(maxBytes: number = defaultMaxBytes): number {
  if (!Number.isInteger(maxBytes) || maxBytes < 1 || maxBytes > most)
    throw badOption("maxBytes", maxBytes, `a whole number of bytes from 1 to ${most}`);
  return maxBytes;
}
