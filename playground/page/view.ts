import type { FileSession } from "filesession";
import { type Device, readDevices } from "../devices.ts";
import { type Mount, readMount } from "../mount.ts";
import { naiveCounter } from "../race.ts";
import { type Kept, place } from "../place/place.ts";
import type { Attempt } from "../retired.ts";
import type { Visitor } from "../session.ts";

/** All that the page shows. */
export interface View {
  notice: string;
  session: FileSession<Visitor>;
  /** What is kept of it, where it is kept. */
  kept: Kept | undefined;
  mount: Mount;
  /** What the user is logged in with; none for who is not. */
  devices: Device[];
  /** Where the two counters stand; absent before the first race. */
  race: { ours: number; naive: number } | undefined;
  /** Whether there is a cookie from before to try, and what it opened if it was tried. */
  retired: { held: boolean; attempt: Attempt | undefined };
  process: { pid: number; started: number };
}

const started = Date.now() - process.uptime() * 1000;

/** Reads back from where it is kept what the session at hand says is there. */
export async function readView(
  session: FileSession<Visitor>,
  rest: Pick<View, "notice" | "retired">,
): Promise<View> {
  const { id } = session;
  const { race } = session.data;
  const [kept, naive, mount, devices] = await Promise.all([
    id === undefined ? undefined : place.read(id),
    race && naiveCounter.get(race.naive),
    readMount(id, session.data),
    readDevices(session),
  ]);
  return {
    ...rest,
    session,
    kept,
    mount,
    devices,
    race: race && { ours: race.count, naive: naive ?? 0 },
    process: { pid: process.pid, started },
  };
}
