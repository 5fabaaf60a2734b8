import { describe, expect, it } from "vitest";
import { findTagged } from "../src/core/tagged.ts";

describe("findTagged", () => {
  it("asks once for what is on the list and is there", async () => {
    expect(await looked(["a", "b"], ["a", "b"])).toEqual([["a", "b"], [["a", "b"]]]);
  });

  it("ends where the list names one that is not there, and never will be", async () => {
    expect(await looked(["gone", "a"], ["a"])).toEqual([["a"], [["gone", "a"], ["gone"], []]]);
  });

  it.each(["first", "last"])(
    "finds a session that moves three times, in whichever order things happen: the newest id %s",
    async (where) => {
      let orders = 0;
      for (const moments of ascending(9, 10)) {
        const session = new MovingSession(moments, where === "first");
        const found = await findTagged(
          () => session.listed(),
          (ids) => session.live(ids),
        );
        if (found.length === 0) expect.fail(`missed when it moves before ${moments}`);
        orders++;
      }
      expect(orders).toBe(48_620);
    },
  );
});

/** What is found where these are listed and those there, and which were asked for, each time. */
async function looked(listed: string[], there: string[]): Promise<[string[], string[][]]> {
  const asked: string[][] = [];
  const found = await findTagged(
    () => listed,
    (ids) => {
      asked.push(ids);
      return ids.filter((id) => there.includes(id));
    },
  );
  return [found, asked];
}

/** Each way to choose so many numbers below `end`, of which none is less than the one before. */
function* ascending(count: number, end: number, start = 0): Generator<number[], void, undefined> {
  if (count === 0) return yield [];
  for (let first = start; first < end; first++)
    for (const rest of ascending(count - 1, end, first)) yield [first, ...rest];
}

/** A session that moves from 0 to 1 and so on, in three steps each, as handlers do it. */
class MovingSession {
  readonly #list = new Set(["0"]);
  #id = 0;
  #looks = 0;
  #steps = 0;
  /** Before which look at the list or at an id each step is made. */
  readonly #moments: number[];
  readonly #isNewestFirst: boolean;

  constructor(moments: number[], isNewestFirst: boolean) {
    this.#moments = moments;
    this.#isNewestFirst = isNewestFirst;
  }

  listed(): string[] {
    this.#look();
    return this.#isNewestFirst ? [...this.#list].reverse() : [...this.#list];
  }

  live(ids: string[]): string[] {
    return ids.filter((id) => {
      this.#look();
      return id === String(this.#id);
    });
  }

  #look(): void {
    for (const look = this.#looks++; (this.#moments[this.#steps] ?? Infinity) <= look;)
      this.#move(this.#steps++ % 3);
  }

  #move(step: number): void {
    if (step === 0) this.#list.add(String(this.#id + 1));
    if (step === 1) this.#id++;
    if (step === 2) this.#list.delete(String(this.#id - 1));
  }
}
