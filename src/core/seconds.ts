import { badOption } from "./error.ts";

/** A duration that somebody has given. Throws `ERR_SESSION_OPTION` for what is none. */
export function seconds(name: string, value: unknown): number {
  if (typeof value === "number" && value >= 0 && Number.isFinite(value)) return value;
  throw badOption(name, value, "a number of seconds, 0 or more");
}
