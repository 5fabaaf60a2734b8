// The options of a FileHandler: what they are, what they are by default, what they may be.

import { badOption } from "../core/error.ts";
import { maxBytesOf } from "../core/max-bytes.ts";
import { seconds } from "../core/seconds.ts";
import { isDeviceName } from "./platform.ts";

/**
 * What an acknowledged write survives.
 * - `process`: the death of every process, not a power cut. Damage by one is found, never used.
 * - `file`: after a power cut a session is its old or its new version, never less.
 * - `full`: acknowledged is durable, removal included.
 */
export type Durability = "process" | "file" | "full";

export interface FileHandlerOptions {
  /**
   * The directory for the session files, on a local disk. Default `.data/sessions`, from the
   * working directory. Made if it is missing. A link is resolved once, now.
   */
  fileDir?: string;
  /**
   * What the name of each session's file begins with: letters, digits, `_` and `-`, no capitals
   * where file names ignore case. Default `sess_`.
   */
  filePrefix?: string;
  /**
   * Seconds to wait for a lock before `ERR_SESSION_LOCK_TIMEOUT`. Default 75: longer than the 60 s
   * after which the lock of a process that has died is taken over, so that such a lock delays a
   * request and fails none.
   */
  lockTimeout?: number;
  /** What an acknowledged write survives. Default `process`. */
  durability?: Durability;
  /** Bytes that one session's data may have, as stored. Default 1048576. */
  maxBytes?: number;
  /**
   * Bytes of memory for sessions that have been read: as long as such a file stays as it is, one
   * look at its times is all that reading it costs, and of more than 16 KiB of text the reading, without
   * a check. Default 67108864; 0 for none. On a network disk there is none.
   */
  cacheBytes?: number;
  /**
   * Threads that read and write the session files, 0 to 64. With 0 the caller's own thread does, at once: on a
   * local disk that is fastest, and on a slow one every other request waits meanwhile. Default: 4 for
   * a `fileDir` on a network disk; on a local one 4 for cleaning and for sessions of more than 256
   * KiB, and 0 for all else. They are started when there is something to do, and end when there was nothing for a
   * minute.
   */
  threads?: number;
  /**
   * Seconds without a sign of life after which a lock counts as abandoned. Default 60, which is
   * what every other program that follows the protocol goes by: only for tests.
   */
  staleAfter?: number;
}

/** What messages on diagnostics channels call a `FileHandler`. */
export const handlerName = "file";

/** As many as Node itself has for its asynchronous calls. */
export const defaultThreads: number = 4;

/** All options, of which only `threads` is not the same for everybody by default. */
export type Settings = Required<Omit<FileHandlerOptions, "threads">> &
  Pick<FileHandlerOptions, "threads">;

/** The options with their defaults. Throws `ERR_SESSION_OPTION` for one that makes no sense. */
export function readOptions(options: FileHandlerOptions): Settings {
  const {
    fileDir = ".data/sessions",
    filePrefix = "sess_",
    lockTimeout = 75,
    durability = "process",
    maxBytes,
    cacheBytes = 64 * 1024 * 1024,
    threads,
    staleAfter = 60,
  } = options;
  if (typeof fileDir !== "string" || fileDir === "")
    throw badOption("fileDir", fileDir, "the name of a directory");
  if (typeof filePrefix !== "string" || !/^[A-Za-z0-9_-]{0,64}$/.test(filePrefix))
    throw badOption("filePrefix", filePrefix, "up to 64 letters, digits, `_` or `-`");
  if (isDeviceName(filePrefix))
    throw badOption("filePrefix", filePrefix, "other than the name of a device of Windows");
  if (!["process", "file", "full"].includes(durability))
    throw badOption("durability", durability, "'process', 'file' or 'full'");
  if (!Number.isInteger(cacheBytes) || cacheBytes < 0)
    throw badOption("cacheBytes", cacheBytes, "a whole number of bytes, 0 or more");
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 0 && threads <= 64))
    throw badOption("threads", threads, "a whole number from 0 to 64");
  return {
    fileDir,
    filePrefix,
    lockTimeout: seconds("lockTimeout", lockTimeout),
    durability,
    maxBytes: maxBytesOf(maxBytes),
    cacheBytes,
    ...(threads !== undefined && { threads }),
    staleAfter: seconds("staleAfter", staleAfter),
  };
}
