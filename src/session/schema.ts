// What a session's data is to be: a schema of whichever validation library, and which version of it.
//
// The data is examined where it comes in and where it goes out. An old record is brought up to date
// when it is read, and stored so at its next write. One that does not fit fails no request twice: it
// counts as empty, or the request that found it fails and takes the cookie back, so that the next one
// begins anew. What is stored stays until something is stored in its place.

import { badSchema, unfit } from "../core/error.ts";
import { dataPath } from "../core/path.ts";
import { andThen, isPromise, type MaybePromise } from "../core/promise.ts";
import { warnOnce } from "../core/warning.ts";

/**
 * A schema of valibot, zod, arktype or any other library that follows Standard Schema
 * (https://standardschema.dev), version 1. What it gives must be what it takes: a stored value is
 * given to it again. Defaults and stripped keys do, a transformation to another type does not.
 */
export interface StandardSchema<T = unknown> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<T> | Promise<SchemaResult<T>>;
    readonly types?: { readonly input: unknown; readonly output: T } | undefined;
  };
}

/** What a schema says of a value: the value it stands for, or what is wrong with it. */
export type SchemaResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Brings data of version `from` up to date; 0 is data that was stored without one. */
export type Migrate<T> = (old: unknown, from: number) => T | Promise<T>;

/** What is asked of the data. */
export interface Shape {
  schema: StandardSchema<object> | undefined;
  version: number | undefined;
  migrate: Migrate<object> | undefined;
  onInvalid: "empty" | "throw";
}

/** Whether anything is asked of it. */
export function asksNothing({ schema, version }: Shape): boolean {
  return schema === undefined && version === undefined;
}

/**
 * The stored data as it is to be, `{}` where it does not fit; with `onInvalid: "throw"` that throws
 * `ERR_SESSION_DATA`.
 */
export function fitted(
  data: object,
  version: number,
  id: string,
  shape: Shape,
): MaybePromise<object> {
  const { onInvalid } = shape;
  const refuse = (why: string, cause?: unknown): object => {
    const error = unfit(id, why, cause);
    if (onInvalid === "throw") throw error;
    warnOnce(`${error.message}. It counts as empty`, "FILESESSION_INVALID");
    return {};
  };
  const current = upToDate(data, version, shape, refuse);
  return andThen(current, ({ data, isRefused }) =>
    isRefused || shape.schema === undefined
      ? data
      : andThen(shape.schema["~standard"].validate(data), (result) =>
          result.issues === undefined ? result.value : refuse(refusalOf(result.issues)),
        ),
  );
}

interface UpToDate {
  data: object;
  isRefused: boolean;
}

function upToDate(
  data: object,
  from: number,
  { version, migrate }: Shape,
  refuse: (why: string, cause?: unknown) => object,
): MaybePromise<UpToDate> {
  const refused = (why: string, cause?: unknown): UpToDate => ({
    data: refuse(why, cause),
    isRefused: true,
  });
  if (version === undefined || from === version) return { data, isRefused: false };
  if (from > version) return refused(`it is of version ${from}, and this app knows ${version}`);
  if (!migrate) return refused(`it is of version ${from}, and \`migrate\` is not given`);
  const failed = (cause: unknown): UpToDate =>
    refused(`it is of version ${from}, and \`migrate\` has failed`, cause);
  try {
    const migrated = migrate(data, from);
    const current = (data: object): UpToDate => ({ data, isRefused: false });
    return isPromise(migrated) ? migrated.then(current, failed) : current(migrated);
  } catch (error) {
    return failed(error);
  }
}

/** The data as the schema gives it. Throws `ERR_SESSION_DATA` where it refuses it. */
export function validated(data: object, { schema }: Shape): MaybePromise<object> {
  if (schema === undefined) return data;
  return andThen(schema["~standard"].validate(data), (result) => {
    if (result.issues !== undefined) throw badSchema(refusalOf(result.issues));
    return result.value;
  });
}

// Where it does not fit, and not why: a schema's messages may hold the data.
function refusalOf(issues: readonly SchemaIssue[]): string {
  const places = new Set(
    issues.map(({ path = [] }) =>
      dataPath(path.map((part) => (typeof part === "object" ? part.key : part))),
    ),
  );
  return `the schema refuses ${[...places].slice(0, 5).join(", ")}`;
}
