// Sessions as one process alone would keep them: what each id holds, and what an operation makes of
// it.

import { linearize, type Model, type Timed, type Verdict } from "./_linearizable.ts";

/** What an id holds is a number that was stored only once, or this. */
export const none = 0;

export interface Operation extends Timed {
  /** What it was, for people. */
  name: string;
  /** The id it looks at. */
  id: string;
  /** What it saw there. Absent when it did not say. */
  saw?: number | "a session" | undefined;
  /**
   * What it stores, and where: with another id than its own it moves the session; a removal stores
   * `none`.
   */
  write?: { id: string; value: number } | undefined;
  /** Whether it changes nothing but a session that is there. */
  mustExist?: boolean | undefined;
  /** Whether its answer was that there is none. */
  isGone?: boolean | undefined;
}

type State = ReadonlyMap<string, number>;

const sessions: Model<State, Operation> = {
  initial: new Map(),
  step(state, { id, saw, write, mustExist, isGone }) {
    const found = state.get(id) ?? none;
    if (isGone) return found === none ? state : undefined;
    if (mustExist && found === none) return undefined;
    if (saw === "a session" ? found === none : saw !== undefined && saw !== found) return undefined;
    if (write === undefined) return state;
    if (write.value === none && found === none) return state;
    return new Map(state).set(id, none).set(write.id, write.value);
  },
  nameOf: (state) =>
    [...state]
      .filter(([, value]) => value !== none)
      .sort()
      .join(),
};

/** One verdict for all ids that moves connect, and for each other id. */
export function verdicts(history: readonly Operation[]): Verdict<Operation>[] {
  const parents = new Map<string, string>();
  const rootOf = (id: string): string => {
    const parent = parents.get(id) ?? id;
    return parent === id ? id : rootOf(parent);
  };
  for (const { id, write } of history) if (write) parents.set(rootOf(id), rootOf(write.id));
  const parts = new Map<string, Operation[]>();
  for (const operation of history) {
    const root = rootOf(operation.id);
    parts.set(root, [...(parts.get(root) ?? []), operation]);
  }
  return [...parts.values()].map((part) => linearize(part, sessions));
}
