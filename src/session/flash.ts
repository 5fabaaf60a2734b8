// What one request says to the next.

import type { Contents, Flash } from "./contents.ts";

/** Changes the session in one transaction; nothing is written when the change gives `undefined`. */
type Change = (next: (contents: Contents) => Contents | undefined) => Promise<unknown>;

/** The flash of one request: what it was told by the one before, and what it tells the next. */
export class FlashBox {
  readonly #change: Change;
  /** What this request has said: that is for the next one. */
  readonly #said = new Set<string>();
  #heard: Promise<Flash> | undefined;

  constructor(change: Change) {
    this.#change = change;
  }

  async put(key: string, value: unknown): Promise<void> {
    this.#said.add(key);
    await this.#change((contents) => withFlash(contents, { ...contents.flash, [key]: value }));
  }

  /** All that the requests before have said. Whoever is first takes it away: the others get nothing. */
  take(hasAny: boolean): Promise<Flash> {
    this.#heard ??= hasAny ? this.#take() : Promise.resolve({});
    return this.#heard;
  }

  /** Says what was taken again, all of it or these keys. */
  async keep(keys: readonly string[]): Promise<void> {
    const heard = await this.#heard;
    if (heard === undefined) return; // what nobody has asked for is still there
    const kept = pick(heard, (key) => keys.length === 0 || keys.includes(key));
    if (Object.keys(kept).length === 0) return;
    for (const key of Object.keys(kept)) this.#said.add(key);
    await this.#change((contents) => withFlash(contents, { ...kept, ...contents.flash }));
  }

  async #take(): Promise<Flash> {
    let heard: Flash = {};
    await this.#change((contents) => {
      heard = pick(contents.flash ?? {}, (key) => !this.#said.has(key));
      if (Object.keys(heard).length === 0) return undefined;
      return withFlash(
        contents,
        pick(contents.flash ?? {}, (key) => this.#said.has(key)),
      );
    });
    return heard;
  }
}

function withFlash({ data }: Contents, flash: Flash): Contents {
  return Object.keys(flash).length > 0 ? { data, flash } : { data };
}

function pick(flash: Flash, isWanted: (key: string) => boolean): Flash {
  return Object.fromEntries(Object.entries(flash).filter(([key]) => isWanted(key)));
}
