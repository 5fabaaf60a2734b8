// Memory that is used again and again. A Buffer of a record's size costs as much to make as the
// system call that fills it, and the garbage collector once more.

/** More than this is not kept: few sessions are as large. */
const maxKeptBytes = 256 * 1024;

/** One piece of memory, for what is over and done with before anybody asks for it again. */
export class Scratch {
  #kept = Buffer.alloc(0);

  /** So many bytes, with anything in them. They are good until the next call. */
  take(size: number): Buffer {
    if (size > maxKeptBytes) return Buffer.allocUnsafe(size);
    if (size > this.#kept.length)
      this.#kept = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(size)));
    return this.#kept.subarray(0, size);
  }
}
