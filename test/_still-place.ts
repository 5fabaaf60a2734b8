import { placeFailed } from "../src/core/error.ts";
import { MemoryPlace } from "../src/testing/memory-handler.ts";

/** A place whose clock stands still unless advanced, and which can fail. */
export class StillPlace extends MemoryPlace {
  #nowMs = Date.now();
  #failure: Error | undefined;

  override now(): number {
    return this.#nowMs;
  }

  advance(seconds: number): void {
    this.#nowMs += seconds * 1000;
  }

  break(): void {
    this.#failure = new Error("the place is broken");
  }

  override check(): void {
    if (this.#failure) throw placeFailed("use", "in memory", this.#failure);
  }

  async close(): Promise<void> {}
}
