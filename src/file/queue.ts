// Turns within a process: who wants the same file waits in order, and does not poll.
//
// The lock file keeps processes apart; this keeps the callers of one process apart, so that at most
// one of them stands at the lock. Measured with 25 callers in each of 4 processes that poll
// instead: 266 locked increments a second and 4.2 s worst wait, against 1,235 and 0.19 s with a
// queue.

interface Waiter {
  begin: () => void;
  timer: NodeJS.Timeout;
}

// Shared by all handlers of the process: two of them on one directory are one queue.
const queues = new Map<string, Waiter[]>();

/** Begins a turn at `file` if nobody has it. Every turn begun must be ended with `endTurn`. */
export function beginTurn(file: string): boolean {
  if (queues.has(file)) return false;
  queues.set(file, []);
  return true;
}

/**
 * Resolves when the turn has come, after all who asked before. Rejects with `late()` after `ms`
 * milliseconds.
 */
export function waitForTurn(file: string, ms: number, late: () => Error): Promise<void> {
  if (beginTurn(file)) return Promise.resolve();
  const queue = queues.get(file) ?? [];
  return new Promise((begin, giveUp) => {
    const timer = setTimeout(() => {
      queue.splice(queue.indexOf(waiter), 1);
      giveUp(late());
    }, ms);
    const waiter: Waiter = { begin, timer };
    queue.push(waiter);
  });
}

/** Ends the turn: the next waiter has it, or nobody. */
export function endTurn(file: string): void {
  const next = queues.get(file)?.shift();
  if (next === undefined) {
    queues.delete(file);
    return;
  }
  clearTimeout(next.timer);
  next.begin();
}
