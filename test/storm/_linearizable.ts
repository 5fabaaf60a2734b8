// Whether a history could have been made by one process alone: each operation at one moment between
// its call and its return, each with the answer it got.
//
// Wing and Gong's search (1993) with Lowe's memory (2017), as porcupine does it: of all operations
// that can come next, those called before any other has returned, one is tried, and then the rest;
// no set of operations in one state is tried twice.

/** An operation as its caller saw it, in moments of one clock. */
export interface Timed {
  called: number;
  /** `Infinity` when it never returned: if it has happened, then at any moment since. */
  returned: number;
  /** Whether its caller does not know if it has happened. */
  isUnknown: boolean;
}

/** What the system does when nothing is parallel. */
export interface Model<State, Operation> {
  initial: State;
  /**
   * The state after the operation, `state` itself when it changes nothing; `undefined` when it
   * cannot have had its answer in this state.
   */
  step: (state: State, operation: Operation) => State | undefined;
  /** Two states with one name are one state. */
  nameOf: (state: State) => string;
}

export interface Verdict<Operation> {
  isLinearizable: boolean;
  /** In how many states the search has been. */
  visited: number;
  /** The most operations that can follow each other, and those that are left then. */
  order: Operation[];
  left: Operation[];
}

/** Throws when the search comes to `limit` states without a verdict. */
export function linearize<State extends object, Operation extends Timed>(
  history: readonly Operation[],
  { initial, step, nameOf }: Model<State, Operation>,
  limit = 1_000_000,
): Verdict<Operation> {
  const operations = history.toSorted((a, b) => a.called - b.called);
  const isDone = operations.map(() => false);
  const visited = new Set<string>();
  const order: Operation[] = [];
  let longest: Operation[] = [];
  let due = operations.filter(({ returned }) => returned !== Infinity).length;

  const search = (state: State, done: bigint): boolean => {
    if (order.length > longest.length) longest = [...order];
    if (due === 0) return true;
    const name = `${done.toString(36)} ${nameOf(state)}`;
    if (visited.has(name)) return false;
    if (visited.size === limit) throw new Error(`No verdict after ${limit} states`);
    visited.add(name);

    const ways: [index: number, next: State][] = [];
    const skips: [index: number, next: State][] = [];
    let firstReturn = Infinity;
    for (const [index, operation] of operations.entries()) {
      if (operation.called > firstReturn) break;
      if (isDone[index]) continue;
      firstReturn = Math.min(firstReturn, operation.returned);
      const next = step(state, operation);
      if (operation.isUnknown) {
        if (next !== undefined && next !== state) ways.push([index, next]);
        if (operation.returned !== Infinity) skips.push([index, state]);
      } else if (next === state) {
        return enter(index, next, done); // what changes nothing can as well come now as later
      } else if (next !== undefined) ways.push([index, next]);
    }
    return [...ways, ...skips].some(([index, next]) => enter(index, next, done));
  };

  const enter = (index: number, next: State, done: bigint): boolean => {
    const operation = operations[index]!;
    const counts = operation.returned === Infinity ? 0 : 1;
    isDone[index] = true;
    order.push(operation);
    due -= counts;
    if (search(next, done | (1n << BigInt(index)))) return true;
    isDone[index] = false;
    order.pop();
    due += counts;
    return false;
  };

  const isLinearizable = search(initial, 0n);
  const left = operations.filter((operation) => !longest.includes(operation));
  return { isLinearizable, visited: visited.size, order: longest, left };
}
