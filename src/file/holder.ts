// Who holds a lock, as it stands in the lock, and whether that process is gone.
//
//   <token> <pid> <start> <boot> <pid namespace>
//
// A process that died without giving its lock back is recognised by any other on the same boot of
// the same machine, in the same pid namespace: containers that share a directory have pids of their
// own. A pid is given to another process sooner or later, so the moment it was started at counts
// too. Whatever cannot be told so is left to the 60 s. To be wrong here costs the holder an
// ERR_SESSION_LOCK_LOST and nobody a session, like every other takeover.
//
// On macOS and Windows, where there is no /proc, the start and the namespace are 0, and in the
// place of the boot stands the machine, by its name and its network cards: there a process is gone
// when no process has its pid. One whose pid another has got since is left to the 60 s.

import { readFileSync, readlinkSync } from "node:fs";
import { errno } from "../core/error.ts";
import { isMac, isWindows } from "../core/platform.ts";

const storyPattern = /^([0-9a-f]{32})(?: (\d{1,10}) (\d{1,20}) ([0-9a-f-]{36}) (\d{1,20})\n)?/;

let self: string | undefined;

/** What a lock of ours says. */
export function storyOf(token: string): string {
  self ??= describeSelf();
  return `${token}${self}\n`;
}

/** How many bytes of a lock are worth reading. */
export const storyBytes = 160;

/** The token in a lock; `undefined` for a neighbour's, which may hold anything. */
export function tokenIn(story: string): string | undefined {
  return storyPattern.exec(story)?.[1];
}

/** Whether the process that this lock speaks of is certainly gone. */
export function isGone(story: string): boolean {
  const [, , pid, start, boot, namespace] = storyPattern.exec(story) ?? [];
  if (pid === undefined || start === undefined) return false;
  self ??= describeSelf();
  if (!self.endsWith(` ${boot} ${namespace}`)) return false;
  return isMac || isWindows ? !isRunning(Number(pid)) : startOf(pid) !== start;
}

function describeSelf(): string {
  try {
    if (isMac || isWindows) return ` ${process.pid} 0 ${machine()} 0`;
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    const [namespace] = /\d+/.exec(readlinkSync("/proc/self/ns/pid")) ?? [];
    const start = startOf("self");
    return start && namespace ? ` ${process.pid} ${start} ${boot} ${namespace}` : "";
  } catch {
    return "";
  }
}

/** Which machine this is, in the form of a boot's id. Cards come and go, and then it is another one. */
function machine(): string {
  const { hostname, networkInterfaces } = process.getBuiltinModule("node:os");
  const cards = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const macs = new Set(cards.map(({ mac }) => mac));
  const { createHash } = process.getBuiltinModule("node:crypto");
  const hash = createHash("sha256").update([hostname(), ...[...macs].sort()].join());
  return hash.digest("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*/, "$1-$2-$3-$4-$5");
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errno(error) !== "ESRCH"; // EPERM: somebody else's
  }
}

/**
 * When the process was started, in clock ticks since the boot; `undefined` when it is no more, or
 * only waits for its parent to notice. proc_pid_stat(5), fields 3 and 22.
 */
function startOf(pid: string): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch (error) {
    // ESRCH: it went while we were reading.
    if (errno(error) === "ENOENT" || errno(error) === "ESRCH") return undefined;
    throw error;
  }
  // The name of the program stands in parentheses and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}
