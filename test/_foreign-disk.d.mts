/** What such a disk does that ours does not. */
export interface Traits {
  /**
   * As on Windows: nothing is renamed over what is open, modes and users say nothing, no directory
   * is flushed, inode numbers need 64 bits, `con` is a device.
   */
  windows?: boolean;
  /** A name is free as soon as its file is removed, as on NTFS from libuv 1.49 on. */
  posixDeletes?: boolean;
  ignoresCase?: boolean;
  /** What link(2) fails with. */
  linkless?: string;
  /** Milliseconds that times are rounded down to. */
  tickMs?: number;
  /** The ctime is the mtime, and time begins in 1980. */
  fat?: boolean;
}

export interface ForeignDisk {
  /**
   * Another program opens the file, without FILE_SHARE_DELETE, and closes it when this many calls
   * have failed for it. `only` says that others cannot even read it meanwhile.
   */
  hold: (path: string, calls?: number, only?: boolean) => void;
  letGo: (path: string) => void;
  /** Every call, by its name and that of its file. */
  readonly calls: string[];
  restore: () => void;
}

export function foreignDisk(dir: string, traits: Traits): ForeignDisk;

/** Makes this process one of that system, as far as filesession asks. Gives what ends it. */
export function beOn(platform: "win32" | "darwin" | "linux"): () => void;
