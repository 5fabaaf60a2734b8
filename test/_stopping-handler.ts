import type { Change, WriteOptions } from "../src/core/handler.ts";
import { MemoryHandler, type Stored } from "../src/testing/memory-handler.ts";

/** Where a handler stops, so that something else can happen there. */
export interface Stop {
  /** Resolves when it has been reached. */
  reached: Promise<void>;
  /** Lets the handler go on. */
  go(): void;
}

type Step = "update" | "read" | "save" | "delete";

/** A handler in memory that stops where it is told to, or fails there, as if it were killed. */
export class StoppingHandler extends MemoryHandler {
  readonly #steps = new Map<Step, () => Promise<void>>();

  /** Stops before the next `step`. */
  stopBefore(step: Step): Stop {
    let go = (): void => {};
    const going = new Promise<void>((resolve) => (go = resolve));
    const reached = new Promise<void>((resolve) => {
      this.#steps.set(step, () => {
        resolve();
        return going;
      });
    });
    return { reached, go };
  }

  /** Is killed before the next `step`: whoever called it does nothing more. */
  dieBefore(step: Step): void {
    this.#steps.set(step, () => Promise.reject(new Killed()));
  }

  /** Before it holds anything. */
  override async update<T>(
    id: string,
    change: Change<T>,
    options?: WriteOptions,
  ): ReturnType<typeof MemoryHandler.prototype.update<T>> {
    await this.#at("update");
    return super.update(id, change, options);
  }

  override async read(id: string): Promise<Stored | undefined> {
    await this.#at("read");
    return super.read(id);
  }

  override async save(id: string, stored: Stored): Promise<void> {
    await this.#at("save");
    return super.save(id, stored);
  }

  override async delete(id: string): Promise<void> {
    await this.#at("delete");
    return super.delete(id);
  }

  async #at(step: Step): Promise<void> {
    const stop = this.#steps.get(step);
    this.#steps.delete(step);
    await stop?.();
  }
}

export class Killed extends Error {}
