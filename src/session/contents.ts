// What a session's record holds: the app's data, and beside it, under keys that no app may use, what
// is for the next request only, and of which version the data is.

import { badData } from "../core/error.ts";
import { type EmptyRecord, isRecord, type SessionRecord } from "../core/handler.ts";
import { andThen, type MaybePromise } from "../core/promise.ts";
import { asksNothing, fitted, type Shape, validated } from "./schema.ts";

/** What a request sees of a record, and changes. */
export interface Contents {
  data: object;
  /** What is for the next request. */
  flash?: Flash | undefined;
}

export type Flash = Readonly<Record<string, unknown>>;

const flashKey = "~flash";
const versionKey = "~version";

/**
 * What the record holds, in the shape it is to have. Of a miss, and of what is no object with keys,
 * which only other programs store, nothing.
 */
export function contentsOf(
  record: SessionRecord | EmptyRecord,
  shape: Shape,
): MaybePromise<Contents> {
  const { data, flash, version } = parts(record);
  if (!isRecord(record) || asksNothing(shape)) return { data, flash };
  return andThen(fitted(data, version, record.id, shape), (data) => ({ data, flash }));
}

/** The data that is stored for this. Throws `ERR_SESSION_DATA` for what does not have the shape. */
export function recordData({ data, flash }: Contents, shape: Shape): MaybePromise<object> {
  return andThen(validated(plain(data), shape), (data) => {
    const version = shape.version;
    if (flash === undefined && version === undefined) return data;
    return {
      ...data,
      ...(flash !== undefined && { [flashKey]: flash }),
      ...(version !== undefined && { [versionKey]: version }),
    };
  });
}

/** The app's data, as it is stored and whatever its shape: it is made only when somebody asks. */
export function dataOf(record: SessionRecord | EmptyRecord): object {
  return parts(record).data;
}

/** What is for this request. */
export function flashOf(record: SessionRecord | EmptyRecord): Flash | undefined {
  return parts(record).flash;
}

interface Parts extends Contents {
  version: number;
}

function parts(record: SessionRecord | EmptyRecord): Parts {
  const stored = isPlain(record.data) ? record.data : {};
  if (!(flashKey in stored) && !(versionKey in stored)) return { data: stored, version: 0 };
  const {
    [flashKey]: flash,
    [versionKey]: version,
    ...data
  } = stored as { [flashKey]?: unknown; [versionKey]?: unknown };
  return {
    data,
    flash: isPlain(flash) ? (flash as Flash) : undefined,
    version: typeof version === "number" ? version : 0,
  };
}

/** The data itself. Throws `ERR_SESSION_DATA` unless it is an object with keys, and none of ours. */
export function plain<T extends object>(data: T): T {
  if (!isPlain(data)) throw badData("data", "a session holds an object with keys");
  for (const key of [flashKey, versionKey])
    if (key in data)
      throw badData(`data["${key}"]`, "filesession keeps something of its own there");
  return data;
}

// One prototype above it at most, which has none: that of `{}`, of another realm's `{}`, of h3's
// query and params objects.
export function isPlain(data: unknown): data is object {
  if (typeof data !== "object" || data === null) return false;
  const prototype: unknown = Object.getPrototypeOf(data);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
