// A Redis that is a cache forgets sessions when its memory is full.

import { warnOnce } from "../core/warning.ts";
import type { Link } from "./client.ts";

/** Says so, once, if that is how the first server is set. */
export async function warnOfEviction({ masters }: Link): Promise<void> {
  let info: string;
  try {
    const [send] = await masters();
    info = String(await send?.(["INFO", "memory"]));
  } catch {
    // Its user may not be allowed to ask. It is for a warning only; what is the matter, if something is,
    // the next command says.
    return;
  }
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  if (policy === undefined || policy === "noeviction" || /^maxmemory:0\s/m.test(info)) return;
  warnOnce(
    `Sessions are kept in a Redis that removes some of them when its memory is full: \`maxmemory-policy\` is ${policy}. ` +
      "Their visitors are logged out. Set it to `noeviction`, and give it the memory it needs",
    "FILESESSION_EVICTION",
  );
}
