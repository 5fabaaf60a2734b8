// The judge of the histories: what it lets pass and what it finds.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { none, type Operation, verdicts } from "./_session-model.ts";

type What = Omit<Operation, "called" | "returned" | "isUnknown" | "name">;

const store = (id: string, value: number): What => ({ id, write: { id, value } });
const read = (id: string, saw: number): What => ({ id, saw });
const update = (id: string, saw: number, value: number): What => ({
  id,
  saw,
  write: { id, value },
});
const remove = (id: string, saw: number | "a session"): What => ({
  id,
  saw,
  write: { id, value: none },
});
const move = (id: string, to: string, value: number): What => ({
  id,
  mustExist: true,
  write: { id: to, value },
});
const gone = (id: string): What => ({ id, isGone: true });

/**
 * One operation for each line, over the time that its dashes take; `?` at its end when its caller
 * does not know whether it happened, and `>` when it never returned.
 */
function history(...lines: [time: string, what: What][]): Operation[] {
  return lines.map(([time, what]) =>
    Object.assign(what, {
      name: time,
      called: time.search(/[-?>]/),
      returned: time.endsWith(">") ? Infinity : time.length - 0.5,
      isUnknown: /[?>]$/.test(time),
    }),
  );
}

const isLinearizable = (operations: readonly Operation[]): boolean =>
  verdicts(operations).every((verdict) => verdict.isLinearizable);

describe("a history is linearizable when", () => {
  it.each<[string, Operation[]]>([
    ["it is empty", []],
    ["nothing is parallel", history(["--", store("a", 1)], ["   --", read("a", 1)])],
    [
      "a read sees a store that has not returned",
      history(["------", store("a", 1)], [" --", read("a", 1)], ["   --", read("a", 1)]),
    ],
    [
      "a read that began before a store returned sees what was there before",
      history(["--", store("a", 1)], ["    ---", store("a", 2)], ["   -----", read("a", 1)]),
    ],
    [
      "two parallel stores took place in the order that the reads tell",
      history(
        ["-----", store("a", 1)],
        ["-----", store("a", 2)],
        ["      --", read("a", 1)],
        ["        --", read("a", 1)],
      ),
    ],
    [
      "parallel updates saw one another",
      history(
        ["---------", update("a", 2, 3)],
        ["---------", update("a", none, 1)],
        ["---------", update("a", 1, 2)],
        ["          --", read("a", 3)],
      ),
    ],
    [
      "an update that never returned is seen later",
      history(
        ["--", store("a", 1)],
        ["   --->", update("a", 1, 2)],
        ["           -", read("a", 1)],
        ["             -", read("a", 2)],
      ),
    ],
    [
      "an update that never returned is never seen",
      history(["-", store("a", 1)], ["  ->", update("a", 1, 2)], ["      -", read("a", 1)]),
    ],
    [
      "a refused store was made all the same",
      history(["--?", store("a", 1)], ["    --", read("a", 1)]),
    ],
    ["a refused store was not made", history(["--?", store("a", 1)], ["    --", read("a", none)])],
    [
      "a refused change of what must exist came after the store beside it",
      history(
        ["--------?", { ...store("a", 2), mustExist: true }],
        ["   --", store("a", 1)],
        ["          -", read("a", 2)],
      ),
    ],
    [
      "a session that moves is at one of two ids at every moment",
      history(
        ["-", store("a", 1)],
        ["  ------", move("a", "b", 2)],
        ["  --", read("a", 1)],
        ["  --", read("b", none)],
        ["     --", read("b", 2)],
        ["     --", read("a", none)],
      ),
    ],
    [
      "the second of two moves finds nothing",
      history(
        ["-", store("a", 1)],
        ["  ------", move("a", "b", 2)],
        ["  ------", gone("a")],
        ["         -", read("b", 2)],
      ),
    ],
  ])("%s", (_, operations) => expect(isLinearizable(operations)).toBe(true));
});

describe("a history is not linearizable when", () => {
  it.each<[string, Operation[]]>([
    ["what is read was never stored", history(["-", read("a", 1)])],
    ["a store is forgotten", history(["--", store("a", 1)], ["   --", read("a", none)])],
    [
      "a read is stale",
      history(["-", store("a", 1)], ["  -", store("a", 2)], ["    -", read("a", 1)]),
    ],
    [
      "a read sees what a later read does not",
      history(
        ["-", store("a", 1)],
        ["  -------", store("a", 2)],
        ["   --", read("a", 2)],
        ["      --", read("a", 1)],
      ),
    ],
    [
      "two readers see two stores in two orders",
      history(
        ["-----", store("a", 1)],
        ["-----", store("a", 2)],
        ["      -", read("a", 1)],
        ["        -", read("a", 2)],
      ),
    ],
    [
      "two updates saw the same",
      history(["-", store("a", 1)], ["  ---", update("a", 1, 2)], ["  ---", update("a", 1, 3)]),
    ],
    [
      "a session comes back after it was removed",
      history(
        ["-", store("a", 1)],
        ["  --------", update("a", 1, 2)],
        ["     -", remove("a", "a session")],
        ["           -", read("a", 2)],
      ),
    ],
    [
      "two removed one session",
      history(
        ["-", store("a", 1)],
        ["  ---", remove("a", "a session")],
        ["  ---", remove("a", "a session")],
      ),
    ],
    [
      "an update that never returned is seen, and then not",
      history(
        ["-", store("a", 1)],
        ["  ->", update("a", 1, 2)],
        ["      -", read("a", 2)],
        ["        -", read("a", 1)],
      ),
    ],
    [
      "a refused store is made after it was refused",
      history(
        ["-", store("a", 1)],
        ["  --?", store("a", 2)],
        ["      -", read("a", 1)],
        ["        -", read("a", 2)],
      ),
    ],
    [
      "a session that moves is at both ids",
      history(
        ["-", store("a", 1)],
        ["  ---------", move("a", "b", 2)],
        ["    --", read("b", 2)],
        ["       -", read("a", 1)],
      ),
    ],
    [
      "a session that moves is at neither",
      history(
        ["-", store("a", 1)],
        ["  ---------", move("a", "b", 2)],
        ["    --", read("a", none)],
        ["       -", read("b", none)],
      ),
    ],
    [
      "a session has moved twice",
      history(
        ["-", store("a", 1)],
        ["  ------", move("a", "b", 2)],
        ["  ------", move("a", "c", 3)],
      ),
    ],
    [
      "a session that was there all the time was said to be gone",
      history(["-", store("a", 1)], ["  -", gone("a")]),
    ],
  ])("%s", (_, operations) => expect(isLinearizable(operations)).toBe(false));
});

/** What one process alone would have seen, and each operation stretched around its moment. */
const alone = fc
  .array(
    fc.record({
      kind: fc.constantFrom("store", "read", "update", "remove", "move"),
      id: fc.constantFrom("a", "b", "c"),
      to: fc.constantFrom("a", "b", "c"),
      before: fc.nat(30),
      after: fc.nat(30),
    }),
    { maxLength: 60 },
  )
  .map((steps) => {
    const held = new Map<string, number>();
    return steps.map(({ kind, id, to, before, after }, index): Operation => {
      const value = index + 1;
      const found = held.get(id) ?? none;
      const timed = {
        called: index * 10 - before,
        returned: index * 10 + 1 + after,
        isUnknown: false,
        name: kind,
      };
      if (kind === "read") return { ...timed, ...read(id, found) };
      if (kind === "remove") {
        held.set(id, none);
        return { ...timed, ...remove(id, found === none ? none : "a session") };
      }
      if (kind === "move") {
        if (found === none) return { ...timed, ...gone(id) };
        held.set(id, none).set(to, value);
        return { ...timed, ...move(id, to, value) };
      }
      held.set(id, value);
      return { ...timed, ...(kind === "store" ? store(id, value) : update(id, found, value)) };
    });
  });

describe("any history that one process could have made", () => {
  it("is linearizable, however its operations overlap", () => {
    fc.assert(fc.property(alone, (operations) => isLinearizable(operations)));
  });

  it("is not when one more read, at the end, sees what was overwritten", () => {
    fc.assert(
      fc.property(alone, (operations) => {
        const overwritten = operations.find(({ write, name }) => write && name !== "remove");
        const id = overwritten?.write?.id;
        const saw = overwritten?.write?.value;
        fc.pre(id !== undefined && saw !== undefined);
        const late = { isUnknown: false, name: "late" };
        const wrote = { ...store(id, 1000), ...late, called: 1000, returned: 1001 };
        const stale = { ...read(id, saw), ...late, called: 1002, returned: 1003 };
        return !isLinearizable([...operations, wrote, stale]);
      }),
    );
  });
});

const timed = fc
  .record({ called: fc.nat(12), takes: fc.integer({ min: 1, max: 8 }), end: fc.nat(9) })
  .map(({ called, takes, end }) => ({
    called,
    returned: end === 0 ? Infinity : called + takes + 0.5,
    isUnknown: end < 2,
  }));
const anyId = fc.constantFrom("a", "b");
const anything = fc.oneof(
  fc.record({ kind: fc.constant("store"), id: anyId, saw: fc.constant(none) }),
  fc.record({ kind: fc.constant("read"), id: anyId, saw: fc.nat(6) }),
  fc.record({ kind: fc.constant("update"), id: anyId, saw: fc.nat(6) }),
  fc.record({ kind: fc.constant("remove"), id: anyId, saw: fc.constantFrom(none, 1) }),
  fc.record({ kind: fc.constant("move"), id: anyId, saw: fc.constant(none) }),
  fc.record({ kind: fc.constant("gone"), id: anyId, saw: fc.constant(none) }),
);
/** Up to six operations with any answers whatever; the n-th stores the number n. */
const anyHistory = fc.array(fc.tuple(timed, anything), { maxLength: 6 }).map((list) =>
  list.map(([timed, { kind, id, saw }], index): Operation => {
    const value = index + 1;
    const what: Record<string, What> = {
      store: store(id, value),
      read: read(id, saw),
      update: update(id, saw, value),
      remove: remove(id, saw === none ? none : "a session"),
      move: move(id, id === "a" ? "b" : "a", value),
      gone: gone(id),
    };
    return { ...timed, ...what[kind]!, name: kind };
  }),
);

/** The same question, asked of every order there is and of every choice of what did not happen. */
function hasOrder(left: readonly Operation[], held: Record<string, number>): boolean {
  if (left.every(({ isUnknown }) => isUnknown)) return true;
  return left.some((one) => {
    const others = left.filter((other) => other !== one);
    if (others.some(({ returned }) => returned < one.called)) return false;
    if (one.isUnknown && hasOrder(others, held)) return true;
    const found = held[one.id] ?? none;
    if (one.isGone && found !== none) return false;
    if (one.mustExist && found === none) return false;
    if (one.saw === "a session" ? found === none : one.saw !== undefined && one.saw !== found)
      return false;
    const { write } = one;
    return hasOrder(others, write ? { ...held, [one.id]: none, [write.id]: write.value } : held);
  });
}

describe("any small history", () => {
  it("gets the verdict that trying every order gives", () => {
    const verdicts = { true: 0, false: 0 };
    fc.assert(
      fc.property(anyHistory, (operations) => {
        const expected = hasOrder(operations, {});
        verdicts[`${expected}`]++;
        return isLinearizable(operations) === expected;
      }),
      { numRuns: 5000 },
    );
    expect(Math.min(verdicts.true, verdicts.false)).toBeGreaterThan(500);
  });
});
