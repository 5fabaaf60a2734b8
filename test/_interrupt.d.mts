import type { Call } from "./_calls.mjs";

export interface Point {
  /** Counted from 1. */
  call: number;
  /** Which share of a write's bytes is written; without it, the call is not made. */
  share?: number;
}

export const shares: readonly number[];

export function interruptAt(
  point: Point,
  interrupt: () => void,
  seen?: string[],
): (call: Call, proceed: (...args: unknown[]) => unknown) => unknown;

export function pointsOf(calls: readonly string[]): Point[];
