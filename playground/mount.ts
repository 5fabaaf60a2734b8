import { isDeepStrictEqual } from "node:util";
import { useStorage } from "#framework";

/** What the mount knows about one file. */
export interface MountedItem {
  key: string;
  size: number | undefined;
  mtime: Date | undefined;
}

export interface Mount {
  /** All keys, the visitor's own first. */
  keys: string[];
  /** The first few of them, looked at. */
  items: MountedItem[];
  /** Whether `getItem(id)` gives what the session holds. */
  same: boolean;
}

/** The directory through the other door: unstorage, as `useStorage("sessions")` mounts it. */
export async function readMount(id: string | undefined, data: object): Promise<Mount> {
  const storage = useStorage("sessions");
  const own = (key: string) => id !== undefined && key.endsWith(id);
  const keys = (await storage.getKeys()).sort((a, b) => Number(own(b)) - Number(own(a)));
  const items = await Promise.all(
    keys.slice(0, 6).map(async (key): Promise<MountedItem> => {
      const { size, mtime } = await storage.getMeta(key);
      return { key, size: typeof size === "number" ? size : undefined, mtime };
    }),
  );
  const same = id !== undefined && isDeepStrictEqual(await storage.getItem(id), data);
  return { keys, items, same };
}
