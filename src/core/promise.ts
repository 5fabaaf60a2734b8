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

/** Whether a function was written as `async`. One that merely gives a promise was not. */
export function isAsyncFunction(value: unknown): boolean {
  return Object.prototype.toString.call(value) === "[object AsyncFunction]";
}

/** What `use` makes of a value: at once if it is there, and without a turn of the event loop. */
export function andThen<T, U>(
  value: MaybePromise<T>,
  use: (value: T) => MaybePromise<U>,
): MaybePromise<U> {
  return isPromise(value) ? value.then((late) => use(late)) : use(value);
}

/** Resolves when all of them have ended; rejects with what the first of those says that failed. */
export async function settleAll(promises: Promise<unknown>[]): Promise<void> {
  const settled = await Promise.allSettled(promises);
  const failed = settled.find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
}
