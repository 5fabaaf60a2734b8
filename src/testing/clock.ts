// A clock that tests move, so that nobody waits for a session to end.
//
// It is `Date` that is moved, and not a clock of ours, since an app has moments of its own that must
// fit. `Date` becomes a proxy of itself, which differs in what it says without arguments and in
// nothing else: what is made of it is as good a date as any, before, during and after.

import { clock } from "../core/clock.ts";
import { badOption, SessionError } from "../core/error.ts";

/** A clock as `moveClock` gives it. Its members may be taken apart. */
export interface MovedClock {
  /** Moves the clock on by so many seconds from where it is, 0 or more. */
  readonly advance: (seconds: number) => void;
  /** Puts the clock right, and `Date` back as it was. Done once more, nothing happens. */
  readonly restore: () => void;
  /** Restores it at the end of a block that begins with `using clock = moveClock()`. */
  readonly [Symbol.dispose]: () => void;
}

// The clock there is. One only: two owners would undo each other's moves.
let moved: MovedClock | undefined;

/**
 * A clock for tests: until it is restored, what `Date.now()`, `new Date()` and `Date()` say is
 * `seconds` ahead, and as much more as it is advanced by. It is everybody's in this thread, and in
 * those that `FileHandler` has: sessions, cookies and the app's own moments follow. Timers,
 * `performance.now()`, other processes and browsers go by the true time.
 *
 * Throws `ERR_SESSION_OPTION` when the clock is moved already, and for what is no number of seconds.
 *
 * @example
 * const clock = moveClock();
 * clock.advance(86_400); // a day later
 * clock.restore();
 */
export function moveClock(seconds: number = 0): MovedClock {
  if (moved) throw unusable("it is moved already. Advance that one, or `restore()` it first");
  const ms = milliseconds(seconds);
  const putBack = replaceDate();
  clock.shiftMs = ms;
  const restore = (): void => {
    if (moved !== own) return;
    moved = undefined;
    clock.shiftMs = 0;
    putBack();
  };
  const advance = (seconds: number): void => {
    if (moved !== own) throw unusable("it has been restored. Call `moveClock` again");
    clock.shiftMs += milliseconds(seconds);
  };
  const own = { advance, restore, [Symbol.dispose]: restore };
  return (moved = own);
}

/**
 * Has `Date` tell the moved time, also to who got hold of it or of `Date.now` by that name before.
 * Gives what undoes it, and leaves alone what somebody else has put in its place since.
 */
function replaceDate(): () => void {
  const RealDate = Date;
  const realNow = Date.now;
  const now = (): number => realNow.call(RealDate) + clock.shiftMs;
  const MovedDate = new Proxy(RealDate, {
    construct: (_, args, newTarget) =>
      Reflect.construct(RealDate, args.length === 0 ? [now()] : args, newTarget) as Date,
    apply: () => new RealDate(now()).toString(),
  });
  const undo = [
    replace(globalThis, "Date", MovedDate),
    replace(RealDate, "now", now),
    replace(RealDate.prototype, "constructor", MovedDate),
  ];
  return () => {
    for (const put of undo) put();
  };
}

function replace(owner: object, name: string, value: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(owner, name) ?? { configurable: true };
  Object.defineProperty(owner, name, { ...before, value });
  return () => {
    if (Reflect.get(owner, name) === value) Object.defineProperty(owner, name, before);
  };
}

// ECMAScript, section 21.4.1.1: a Date goes no further.
const lastMoment = 8.64e15;

function milliseconds(seconds: number): number {
  const isGood = typeof seconds === "number" && seconds >= 0;
  if (isGood && Date.now() + seconds * 1000 <= lastMoment) return seconds * 1000;
  throw badOption("seconds", seconds, "a number of seconds, 0 or more, and no more than Date has");
}

function unusable(why: string): SessionError {
  return new SessionError("ERR_SESSION_OPTION", `Cannot move the clock: ${why}`);
}
