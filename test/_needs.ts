// What a test may need of the machine it runs on.

import { spawnSync } from "node:child_process";

/** How to get each of them. */
const ways = {
  mount: "run as root, where mounting is allowed",
  root: "run as root",
  "mkfs.ext4": "apt-get install e2fsprogs",
  "mkfs.btrfs": "apt-get install btrfs-progs",
  prlimit: "apt-get install util-linux",
  python3: "apt-get install python3",
};

export type Need = keyof typeof ways;

/**
 * Whether this machine has all of them, for `describe.runIf`. What is missing is said in one line;
 * with `CI=true` nothing is skipped: it throws.
 */
export function has(...needs: Need[]): boolean {
  const missing = needs.filter((need) => !isThere(need));
  if (missing.length === 0) return true;
  const line = `needs ${missing.map((need) => `${need} (${ways[need]})`).join(", ")}`;
  if (process.env.CI === "true") throw new Error(line);
  process.stdout.write(`skipped: ${line}\n`);
  return false;
}

function isThere(need: Need): boolean {
  if (need === "root") return process.getuid?.() === 0;
  // In a mount namespace of its own, so that the try leaves nothing behind.
  const [command, ...args] =
    need === "mount" ? ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"] : [need, "-V"];
  return spawnSync(String(command), args).status === 0;
}
