import { closed } from "./error.ts";

/** What is under way in a handler, so that closing it can wait for it. */
export class UnderWay {
  #count = 0;
  #isEnded = false;
  readonly #waiting: (() => void)[] = [];

  /** Whether nothing is begun any more. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Throws what a closed handler says, once it is one. */
  assertOpen(): void {
    if (this.#isEnded) throw closed();
  }

  /** What `operation` gives. Rejects without having begun it once `end` was called. */
  async run<T>(operation: () => Promise<T>): Promise<T> {
    this.assertOpen();
    this.#count++;
    try {
      return await operation();
    } finally {
      this.#count--;
      if (this.#count === 0) for (const tell of this.#waiting.splice(0)) tell();
    }
  }

  /** From now on nothing is begun. */
  end(): void {
    this.#isEnded = true;
  }

  /** Resolves when nothing is under way. */
  async over(): Promise<void> {
    if (this.#count > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
