// Where the benchmark writes: which file system that is, and, when asked, a journalled ext4 of its
// own in an image file. A file system without a journal distorts every write: creating a file there
// gets slower with each one that was removed.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

/** A new directory in `parent`, removed when the process exits, however that comes about. */
export function ownDirectory(parent = tmpdir()) {
  const dir = mkdtempSync(join(parent, "filesession-bench-"));
  process.on("exit", () => rmSync(dir, { recursive: true, force: true, maxRetries: 3 }));
  return dir;
}

/**
 * A directory on a new ext4 with a journal, in a sparse image of `gigabytes` in the temp directory;
 * unmounted and removed when the process exits.
 */
export function mountExt4(gigabytes) {
  const dir = mkdtempSync(join(tmpdir(), "filesession-bench-ext4-"));
  const image = join(dir, "image");
  const mountPoint = join(dir, "mounted");
  process.on("exit", () => {
    if (isMounted(mountPoint) && !succeeds("umount", mountPoint)) run("umount", "-l", mountPoint);
    rmSync(dir, { recursive: true, force: true });
  });
  mkdirSync(mountPoint);
  writeFileSync(image, "");
  truncateSync(image, gigabytes * 2 ** 30);
  // An inode for each 8 KiB; nothing left for the kernel to initialise while we measure.
  const now = "lazy_itable_init=0,lazy_journal_init=0";
  run("mkfs.ext4", "-q", "-F", "-i", "8192", "-O", "has_journal", "-E", now, image);
  run("mount", "-o", "loop", image, mountPoint);
  return mountPoint;
}

/** The type of the file system that `dir` is on and, of an ext4, whether it has a journal. */
export function fileSystemOf(dir) {
  const mount = mounts()
    .filter(({ at }) => dir === at || dir.startsWith(at.endsWith("/") ? at : `${at}/`))
    .sort((a, b) => a.at.length - b.at.length)
    .at(-1);
  if (mount === undefined) return { type: "unknown" };
  const { type, device, options } = mount;
  if (!/^ext[34]$/.test(type)) return { type, options };
  return { type, options, journal: hasJournal(device) };
}

/** What to say of it. */
export function fileSystemName({ type, journal }) {
  if (journal === undefined) return type;
  return `${type}, ${{ true: "with a journal", false: "WITHOUT a journal", unknown: "journal unknown" }[journal]}`;
}

function hasJournal(device) {
  if (existsSync("/proc/fs/jbd2"))
    return readdirSync("/proc/fs/jbd2").some((name) => name.startsWith(`${basename(device)}-`));
  const { status, stdout } = spawnSync("dumpe2fs", ["-h", device], { encoding: "utf8" });
  return status === 0 ? stdout.includes("has_journal") : "unknown";
}

function isMounted(dir) {
  return mounts().some(({ at }) => at === dir);
}

function mounts() {
  if (!existsSync("/proc/self/mounts")) return [];
  const lines = readFileSync("/proc/self/mounts", "utf8").trim().split("\n");
  return lines.map((line) => {
    const [device, at, type, options] = line
      .split(" ")
      .map((word) =>
        word.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number(`0o${octal}`))),
      );
    return { device, at, type, options };
  });
}

function succeeds(command, ...args) {
  return spawnSync(command, args).status === 0;
}

function run(command, ...args) {
  const { status, error, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status === 0) return;
  const why = error?.message ?? stderr.trim();
  throw new Error(`no ext4 of our own: ${command} failed (${why}). It wants root and e2fsprogs.`);
}
