export type MaybePromise<T> = T | Promise<T>;

/** Whether a change function's answer is still to come. */
export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return (
    typeof value === "object" &&
    value !== null &&
    "then" in value &&
    typeof value.then === "function"
  );
}
