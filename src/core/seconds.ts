import { badOption } from "./error.ts";

/** A duration that somebody has given. Throws `ERR_SESSION_OPTION` for what is none. */
export function seconds(name: string, value: unknown): number {
  if (typeof value === "number" && value >= 0 && Number.isFinite(value)) return value;
  throw badOption(name, value, "a number of seconds, 0 or more");
}

/** A duration that somebody has given in seconds, and that is not to be 0, in milliseconds. */
export function milliseconds(name: string, value: unknown): number {
  if (typeof value === "number" && value > 0 && Number.isFinite(value)) return 1000 * value;
  throw badOption(name, value, "a number of seconds, more than 0");
}
