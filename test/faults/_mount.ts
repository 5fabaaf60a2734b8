// File systems of our own: mounted in a private directory for one test, and unmounted when it is
// over, however it ends.

import { execFileSync } from "node:child_process";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

export const run = (command: string, ...args: string[]): string =>
  execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** A mounted file system. */
export class Disk {
  readonly path: string;
  /** Whether writing over what is there takes room. */
  readonly isCopying: boolean = false;
  readonly #source: string[];
  readonly #ballast: string;
  readonly #hoard: string;
  /** Bytes of ballast that leave no room, once that has been found out. */
  #all = 0;

  constructor(path: string, source: string[]) {
    this.path = path;
    this.#source = source;
    this.#ballast = join(path, "ballast");
    this.#hoard = join(path, "hoard");
    this.mount();
  }

  mount(): void {
    run("mount", ...this.#source, this.path);
  }

  /** Refused by the system while somebody has a file open. */
  unmount(): void {
    run("umount", this.path);
  }

  remount(options: string): void {
    run("mount", "-o", `remount,${options}`, this.path);
  }

  /** Leaves room for that many bytes. What is stored later takes its part of it. */
  leave(bytes: number): void {
    if (this.#all === 0) this.#fill();
    truncateSync(this.#ballast, this.#all - bytes);
  }

  /** Leaves that many files that can still be made. */
  leaveInodes(count: number): void {
    mkdirSync(this.#hoard, { recursive: true });
    for (let n = 0; this.#isOneLeft(n); n++);
    for (const name of readdirSync(this.#hoard).slice(0, count)) rmSync(join(this.#hoard, name));
  }

  makeRoom(): void {
    rmSync(this.#ballast, { force: true });
    rmSync(this.#hoard, { recursive: true, force: true });
    this.#all = 0;
  }

  #isOneLeft(n: number): boolean {
    try {
      writeFileSync(join(this.#hoard, String(n)), "", { flag: "a" });
      return true;
    } catch (error) {
      if (!isFull(error)) throw error;
      return false;
    }
  }

  // Until nothing more fits after what is there was allotted on the disk, and not only promised.
  #fill(): void {
    for (let before = -1; this.#all > before;) {
      before = this.#all;
      const fd = openSync(this.#ballast, "a");
      for (const bytes of [65_536, 4096, 512]) this.#all += writeAllThatFits(fd, bytes);
      fsyncSync(fd);
      closeSync(fd);
    }
  }
}

/** A disk of which only the directory `quota` is short of room. */
class QuotaDisk extends Disk {
  override readonly isCopying = true;

  override mount(): void {
    super.mount();
    run("btrfs", "quota", "enable", this.path);
    run("btrfs", "subvolume", "create", join(this.path, "quota"));
  }

  override leave(bytes: number): void {
    run("sync", "-f", this.path); // or the sum would be that of a while ago
    const group = run("btrfs", "qgroup", "show", "-F", "--raw", join(this.path, "quota"));
    const [, used] = /^0\/\d+ +(\d+)/m.exec(group) ?? [];
    this.#limit(String(Number(used) + bytes));
  }

  override makeRoom(): void {
    this.#limit("none");
  }

  #limit(bytes: string): void {
    run("btrfs", "qgroup", "limit", bytes, "0/256", this.path); // the first subvolume made
  }
}

function writeAllThatFits(fd: number, chunkBytes: number): number {
  const chunk = Buffer.alloc(chunkBytes, "ballast ");
  let written = 0;
  try {
    for (;;) written += writeSync(fd, chunk);
  } catch (error) {
    if (!isFull(error)) throw error;
    return written;
  }
}

/** Whether the system says that there is no room. EDQUOT has no name in libuv, only its number. */
export function isFull(error: unknown): boolean {
  const { ENOSPC, EDQUOT } = constants.errno;
  const { errno } = (error ?? {}) as NodeJS.ErrnoException;
  return errno === -ENOSPC || errno === -EDQUOT;
}

/** In memory. `inodes` is how many files it may have; what it is mounted on is one of them. */
export function tmpfs(options: { bytes: number; inodes?: number }): Disk {
  const limits = `size=${options.bytes},nr_inodes=${options.inodes ?? 0},mode=700`;
  return mounted(({ path }) => new Disk(path, ["-t", "tmpfs", "-o", limits, "tmpfs"]));
}

/** An image with a journal, as `mkfs.ext4` makes it but for these options. */
export function ext4(...options: string[]): Disk {
  return mounted(({ path, image }) => {
    run("truncate", "-s", "8M", image);
    run("mkfs.ext4", "-q", "-m", "0", ...options, image);
    return new Disk(path, ["-o", "loop", image]);
  });
}

/** An image whose directory `quota` has one. Copies on write. */
export function btrfs(): Disk {
  return mounted(({ path, image }) => {
    run("truncate", "-s", "128M", image);
    run("mkfs.btrfs", "-q", image);
    return new QuotaDisk(path, ["-o", "loop", image]);
  });
}

function mounted(mount: (place: { path: string; image: string }) => Disk): Disk {
  const dir = mkdtempSync(join(tmpdir(), "filesession-disk-"));
  const path = join(dir, "disk");
  mkdirSync(path);
  const isMounted = (): boolean => statSync(path).dev !== statSync(dir).dev;
  onTestFinished(() => {
    try {
      if (isMounted()) run("umount", path);
    } finally {
      // Somebody still has a file open: the test has failed, and leaves nothing behind.
      if (isMounted()) run("umount", "--lazy", path);
      rmSync(dir, { recursive: true });
    }
  });
  return mount({ path, image: join(dir, "image") });
}
