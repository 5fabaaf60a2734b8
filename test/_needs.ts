// What a test may need of the machine it runs on.

import { spawnSync } from "node:child_process";
import { executablePath } from "./e2e/chromium.ts";

const isLinux = process.platform === "linux";
const isPosix = process.platform !== "win32";

export type Need =
  | "linux"
  | "posix"
  | "mount"
  | "root"
  | "mkfs.ext4"
  | "mkfs.btrfs"
  | "prlimit"
  | "python3"
  | "redis-server"
  | "chromium";

/** How to get each of them, and whether that can be done on this system. */
const ways: Record<Need, { way: string; isPossible: boolean }> = {
  linux: { way: "run on Linux", isPossible: isLinux },
  posix: {
    way: "run where there are modes, users, links, signals and a shell",
    isPossible: isPosix,
  },
  mount: { way: "run as root, where mounting is allowed", isPossible: isLinux },
  root: { way: "run as root", isPossible: isLinux },
  "mkfs.ext4": { way: "apt-get install e2fsprogs", isPossible: isLinux },
  "mkfs.btrfs": { way: "apt-get install btrfs-progs", isPossible: isLinux },
  prlimit: { way: "apt-get install util-linux", isPossible: isLinux },
  python3: { way: "apt-get install python3", isPossible: isPosix },
  "redis-server": { way: "apt-get install redis-server", isPossible: isLinux },
  chromium: { way: "apt-get install chromium", isPossible: isLinux },
};

/** What shows that it is there, of those that do not say their version with `-V`. */
const tries: Partial<Record<Need, string[]>> = {
  // In a mount namespace of its own, so that the try leaves nothing behind.
  mount: ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
  "redis-server": ["redis-server", "--version"],
};

/**
 * Whether this machine has all of them, for `describe.runIf`. What is missing is said in one line;
 * with `CI=true` nothing is skipped that can be had on this system: it throws.
 */
export function has(...needs: Need[]): boolean {
  const missing = needs.filter((need) => !isThere(need));
  if (missing.length === 0) return true;
  const line = `needs ${missing.map((need) => `${need} (${ways[need].way})`).join(", ")}`;
  const isPossible = missing.every((need) => ways[need].isPossible);
  if (process.env.CI === "true" && isPossible) throw new Error(line);
  process.stdout.write(`skipped: ${line}\n`);
  return false;
}

function isThere(need: Need): boolean {
  if (!ways[need].isPossible) return false;
  if (need === "linux" || need === "posix") return true;
  if (need === "chromium") return executablePath !== undefined;
  if (need === "root") return process.getuid?.() === 0;
  const [command = need, ...args] = tries[need] ?? [need, "-V"];
  return spawnSync(command, args).status === 0;
}
