// Disks that are somewhere else. What everything here rests on, one machine's O_EXCL, rename and
// mtime, they promise in part or not at all, and nobody notices until something is lost. So we say
// it once.

import { realpathSync, statfsSync } from "node:fs";
import { isWindows } from "../core/platform.ts";
import { warnOnce } from "../core/warning.ts";

// `f_type` as statfs(2) lists it, and linux/magic.h and coreutils' stat.c, which knows more of
// them. Other systems number theirs from 0 and have none of these: on macOS no disk is known to be
// elsewhere.
const networkDisks = new Map<bigint, string>([
  [0x6969n, "NFS"],
  [0x517bn, "SMB"],
  [0xff534d42n, "SMB (CIFS)"],
  [0xfe534d42n, "SMB 2 or 3"],
  [0x65735546n, "FUSE (sshfs, s3fs, gcsfuse, a folder shared with a virtual machine)"],
  [0x01021997n, "9P (a folder shared with a virtual machine, a Windows drive under WSL)"],
  [0x00c36400n, "Ceph"],
  [0x5346414fn, "AFS"],
  [0x6b414653n, "AFS"],
  [0x73757245n, "Coda"],
  [0x0bd00bd0n, "Lustre"],
  [0x19830326n, "BeeGFS"],
  [0x47504653n, "GPFS"],
  [0x01161970n, "GFS2"],
  [0x7461636fn, "OCFS2"],
  [0xbacbacbcn, "VMware's shared folders"],
  [0x786f4256n, "VirtualBox's shared folders"],
]);

/** Whether `fileDir` is on such a disk. The first time that is so, it is a warning. */
export function warnOfNetworkDisk(fileDir: string): boolean {
  const disk = networkDiskAt(fileDir);
  if (disk === undefined) return false;
  warnOnce(
    `Sessions are kept in ${fileDir}, which is on ${disk}. Only a local disk is supported: elsewhere sessions can be lost, and locks can take minutes. ` +
      "If that disk is in fact a local one, and no other machine writes it, this is of no concern",
    "FILESESSION_NETWORK_DISK",
  );
  return true;
}

/** What kind of network disk a directory is on; `undefined` for a local one. */
export function networkDiskAt(fileDir: string): string | undefined {
  try {
    // Windows says where a drive with a letter is: `\\server\share`.
    if (isWindows)
      return realpathSync.native(fileDir).startsWith("\\\\") ? "a share (SMB)" : undefined;
    // On 32 bits the number comes with its sign.
    const { type } = statfsSync(fileDir, { bigint: true });
    return networkDisks.get(BigInt.asUintN(32, type));
  } catch {
    // A sandbox may forbid the call. It is for a warning only, and the directory has just been used
    // without an error.
    return undefined;
  }
}
