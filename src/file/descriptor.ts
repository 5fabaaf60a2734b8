// Reading, writing and closing what was opened, whatever happens in between.

import { closeSync, readSync, writeSync } from "node:fs";

/**
 * What `use` gives; then the descriptor is closed. When both fail, the error of `use` is the one to
 * tell of: it came first. close(2) gives the descriptor back whatever it says, so it is never tried
 * again: the number may be another file's by then.
 */
export function closeAfter<T>(fd: number, use: () => T): T {
  let result: T;
  try {
    result = use();
  } catch (error) {
    closeUnheard(fd);
    throw error;
  }
  closeSync(fd);
  return result;
}

/**
 * Writes all bytes, or throws: write(2) may write fewer than it was asked to, on a full disk for
 * one.
 */
export function writeAll(fd: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length;) {
    const count = writeSync(fd, bytes, done, bytes.length - done, position + done);
    if (count === 0) throw new Error(`only ${done} of ${bytes.length} bytes could be written`);
    done += count;
  }
}

/**
 * So many bytes from `position` on, or as many as there are; in `bytes`, which has room for them.
 */
export function readAll(
  fd: number,
  size: number,
  bytes: Buffer = Buffer.allocUnsafe(size),
  position = 0,
): Buffer {
  let done = 0;
  while (done < size) {
    const count = readSync(fd, bytes, done, size - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return done === bytes.length ? bytes : bytes.subarray(0, done);
}

/** Closes a descriptor while an error is on its way to the caller. */
export function closeUnheard(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // The caller is about to hear of what failed first.
  }
}
