import type { Handler } from "../core/handler.ts";

/**
 * What a test runner calls `it` or `test`: registers a test, which fails when the promise rejects.
 */
export type It = (title: string, test: () => Promise<void>) => unknown;

/**
 * How the suite reaches the handler under test. One harness is one place that keeps sessions, empty
 * at first.
 */
export interface HandlerHarness {
  /**
   * A new handler on this place. Called several times in a test: as several processes would, they
   * share the sessions.
   */
  open(): Handler | Promise<Handler>;

  /**
   * Moves the handler's clock on by so many seconds; never more than 10 in all. Timers must go on
   * running. Left out, the suite really waits: some 40 seconds altogether.
   */
  advance?(seconds: number): void | Promise<void>;

  /**
   * Makes the place fail from now on, as a full disk or a lost connection does.
   * Left out, it is not checked that a failing place is told from a miss.
   */
  breakPlace?(): void | Promise<void>;

  /** Called once the test is over and its handlers are closed. */
  close?(): void | Promise<void>;
}
