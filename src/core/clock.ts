/**
 * How many milliseconds ahead a test has moved the clock, with `moveClock` of filesession/testing; 0
 * in an app. `Date` knows it by itself. This is for the threads that read and write files for this
 * one: each has a `Date` of its own.
 */
export const clock: { shiftMs: number } = { shiftMs: 0 };
