// A session held while its change takes its time.
//
// A change that is made at once needs no lock: it is written if nobody has written meanwhile, and made
// again on what they wrote if somebody has. One that takes its time, or has effects that must not
// happen twice, holds the session. Its lock stands before it, and until when it is good by the clock of
// Redis: so it ends by itself when its holder dies, and is renewed while that lives. Every script looks at
// it: whoever does not hold it writes nothing, be it another one, or a holder that stood still for so
// long that it has run out.

import type { Place } from "./place.ts";
import { holding, locking } from "./script.ts";

/** How long a lock lives without a sign of its holder. */
const lifeMs = 10_000;

/** Takes the lock as soon as nobody has it. `text` is what stands under it. */
export async function takeLock(place: Place, id: string): Promise<{ lock: Lock; text: string }> {
  const token = place.newRev();
  const purpose = { action: `lock session ${id}`, writes: false }; // it has no effect to ask twice
  const text = await place.whenFree(id, async () => {
    const [how, text = ""] = await place.run(id, locking, [token, String(lifeMs)], purpose);
    return how === "ok" ? text : undefined;
  });
  return { lock: new Lock(place, id, token), text };
}

/** A lock that is held, and kept until it is given back. */
export class Lock {
  readonly token: string;
  readonly #place: Place;
  readonly #id: string;
  readonly #timer: NodeJS.Timeout;
  #renewal: Promise<unknown> = Promise.resolve();
  #isOver = false;

  constructor(place: Place, id: string, token: string) {
    this.token = token;
    this.#place = place;
    this.#id = id;
    this.#timer = setInterval(() => this.#renew(), lifeMs / 3);
    this.#timer.unref();
  }

  /** It was given back with what was written, or has run out. */
  end(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
  }

  /** Gives it back, unless that was done. */
  async release(): Promise<void> {
    if (this.#isOver) return;
    this.end();
    await this.#renewal;
    await this.#keep(0);
  }

  #renew(): void {
    // Whether it worked is seen by whoever writes: the script looks for the lock.
    this.#renewal = this.#keep(lifeMs).catch(() => undefined);
  }

  async #keep(ms: number): Promise<void> {
    const purpose = { action: `hold session ${this.#id}`, writes: false };
    await this.#place.run(this.#id, holding, [this.token, String(ms)], purpose);
  }
}
