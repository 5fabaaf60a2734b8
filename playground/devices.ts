import type { FileSession } from "filesession";
import type { Visitor } from "./session.ts";

/** A session of the user, as something to recognize. */
export interface Device {
  /** The session's id. It opens nothing, so it can be on the page. */
  id: string;
  name: string;
  /** When the session began, and when it was last used, in milliseconds since the epoch. */
  time: number;
  touched: number;
  /** Whether it is the one that asks. */
  isThis: boolean;
}

/** The devices that the user of this session is logged in with, this one first; none without a user. */
export async function readDevices(session: FileSession<Visitor>): Promise<Device[]> {
  const { id, time, touched, data } = session;
  if (id === undefined || time === undefined || touched === undefined || !data.user) return [];
  const others = await session.others();
  return [
    { id, time, touched, name: data.user.device, isThis: true },
    ...others.map(({ id, time, touched, data }) => {
      return { id, time, touched, name: data.user?.device ?? unknown, isThis: false };
    }),
  ];
}

// In this order: what comes first also says that it is what comes later.
const browsers: [string, RegExp][] = [
  ["Edge", /\bEdg/],
  ["Opera", /\bOPR\//],
  ["Firefox", /\b(Firefox|FxiOS)\//],
  ["Chrome", /(Chrome|\bCriOS)\//],
  ["Safari", /\bSafari\//],
];
const systems: [string, RegExp][] = [
  ["iPhone", /\biPhone\b/],
  ["iPad", /\biPad\b/],
  ["Android", /\bAndroid\b/],
  ["Windows", /\bWindows\b/],
  ["macOS", /\bMac OS X\b/],
  ["ChromeOS", /\bCrOS\b/],
  ["Linux", /\bLinux\b/],
];

const unknown = "Unknown device";

/** What a browser says it is, in short: `Firefox on Windows`. It may say anything. */
export function deviceName(userAgent = ""): string {
  const found = [browsers, systems].map((names) => {
    return names.find(([, pattern]) => pattern.test(userAgent))?.[0];
  });
  return found.filter(Boolean).join(" on ") || unknown;
}
