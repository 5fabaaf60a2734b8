// Two places as one, with a `migratingHandler` between them, for `testHandler`.

import { vi } from "vitest";
import { copySessions, FileHandler, type Handler, migratingHandler } from "../src/index.ts";
import { type HandlerHarness, MemoryHandler } from "../src/testing.ts";
import { fileHarness } from "./_file-harness.ts";
import { StillPlace } from "./_still-place.ts";

/** One of the two. Without an `advance` of its own it goes by `Date`. */
export interface Side extends HandlerHarness {
  open(): Handler;
}

/** A place that can fail, and goes by everybody's clock. */
class DatePlace extends StillPlace {
  override now(): number {
    return Date.now();
  }
}

export function memorySide(): Side {
  const place = new DatePlace();
  return { open: () => new MemoryHandler(place), breakPlace: () => place.break() };
}

export function fileSide(): Side {
  const harness = fileHarness({});
  return { ...harness, open: () => new FileHandler({ fileDir: harness.fileDir }) };
}

/** Both sides as one place, by a clock that is moved. */
export function harnessOfBoth(from: Side, to: Side): HandlerHarness {
  return twoSides(from, to, () => migratingHandler({ from: from.open(), to: to.open() }));
}

/** The same, where each call finds the sessions in `from`, or has to bring them. */
export function harnessOfFirst(from: Side, to: Side): HandlerHarness {
  vi.useFakeTimers({ toFake: ["Date"] }); // what is put back ends at just the same moment
  const place = new PutBackPlace(from, to);
  const harness = twoSides(
    from,
    to,
    () => new PutBack(migratingHandler({ from: from.open(), to: to.open() }), place),
  );
  return {
    ...harness,
    async breakPlace() {
      place.isBroken = true;
      await harness.breakPlace();
    },
  };
}

function twoSides(from: Side, to: Side, open: () => Handler) {
  const { advance } = from.advance ? from : to;
  return {
    open,
    advance(seconds: number) {
      if (advance) return advance(seconds);
      if (!vi.isFakeTimers()) vi.useFakeTimers({ toFake: ["Date"] });
      vi.setSystemTime(Date.now() + seconds * 1000);
    },
    async breakPlace() {
      await from.breakPlace?.();
      await to.breakPlace?.();
    },
    async close() {
      vi.useRealTimers();
      await from.close?.();
      await to.close?.();
    },
  };
}

/**
 * A handler whose sessions are all back in `from` whenever nothing is under way: each call finds them
 * there, or has to bring them.
 */
class PutBack implements Handler {
  readonly #handler: Handler;
  readonly #place: PutBackPlace;

  constructor(handler: Handler, place: PutBackPlace) {
    this.#handler = handler;
    this.#place = place;
  }
  store: Handler["store"] = (...args) => this.#place.run(() => this.#handler.store(...args));
  retrieve: Handler["retrieve"] = (...args) =>
    this.#place.run(() => this.#handler.retrieve<never>(...args));
  update: Handler["update"] = (...args) => this.#place.run(() => this.#handler.update(...args));
  touch: Handler["touch"] = (id) => this.#place.run(() => this.#handler.touch(id));
  remove: Handler["remove"] = (id) => this.#place.run(() => this.#handler.remove(id));
  clean: Handler["clean"] = (...args) => this.#place.run(() => this.#handler.clean(...args));
  tagged: Handler["tagged"] = (tag) => this.#place.run(() => this.#handler.tagged(tag));
  keys: Handler["keys"] = () => this.#handler.keys();
  close: Handler["close"] = () => this.#handler.close();
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

class PutBackPlace {
  isBroken = false;
  readonly #from: Side;
  readonly #to: Side;
  #underWay = 0;
  #back: Promise<unknown> = Promise.resolve();

  constructor(from: Side, to: Side) {
    this.#from = from;
    this.#to = to;
  }

  async run<T>(call: () => Promise<T>): Promise<T> {
    await this.#back;
    this.#underWay++;
    try {
      return await call();
    } finally {
      if (--this.#underWay === 0 && !this.isBroken) await (this.#back = this.#putBack());
    }
  }

  async #putBack(): Promise<void> {
    await using from = this.#from.open();
    await using to = this.#to.open();
    await copySessions(to, from, { remove: true, rate: Infinity });
  }
}
