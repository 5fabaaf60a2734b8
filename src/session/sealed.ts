// Encryption at rest, in front of any handler: what goes down is sealed, what comes up is opened.

import { emit } from "../core/diagnostics.ts";
import { badId, gone } from "../core/error.ts";
import {
  type Change,
  type CleanOptions,
  type CleanResult,
  type EmptyRecord,
  type Handler,
  isRecord,
  type RetrieveOptions,
  type SessionRecord,
  type WriteOptions,
} from "../core/handler.ts";
import { type Encoding, pickle, unpickle } from "../core/pickle.ts";
import { isAsyncFunction, isPromise } from "../core/promise.ts";
import { warnOnce } from "../core/warning.ts";
import { readSecrets, Seal, type Secrets } from "./secret.ts";

/**
 * A handler that keeps its data sealed in another one: AES-256-GCM, under a key made of the secret,
 * bound to the session's id. The first secret seals and all of them open, so a new one is put in
 * front, and a session is sealed with it when it is next written.
 *
 * A record that none of the secrets opens is a miss: a wrong secret, a changed bit, a text that was
 * sealed for another id, and data that is not sealed at all, which anybody could have put there. A
 * warning says so once (`FILESESSION_UNOPENED`). Reading leaves it as it is, for whoever has the
 * right secret; writing without `mustExist` replaces it, and then `time` and `ip` stay, as they do
 * for any session that is there. `keys`, `touch`, `remove` and `clean` do not look into the data:
 * for them it is a session.
 *
 * Sealed is the data alone. Its length, ids, addresses, moments, tags and cookie names stay legible, and an
 * older text of the same session, put back, opens. The handler underneath counts what is stored, a
 * third more than the data, against its `maxBytes`.
 *
 * The constructor throws `ERR_SESSION_OPTION`, which does not show the secret, unless each has at
 * least 32 characters.
 *
 * @example
 * const handler = new SealedHandler(new FileHandler(), [newSecret, oldSecret]);
 */
export class SealedHandler implements Handler {
  /** The handler underneath. */
  readonly handler: Handler;
  readonly #seal: Seal;
  readonly #seals: readonly Seal[];

  constructor(handler: Handler, secret: Secrets) {
    const [first, ...others] = readSecrets(secret);
    this.handler = handler;
    this.#seal = new Seal(first);
    this.#seals = [this.#seal, ...others.map((other) => new Seal(other))];
  }

  get selfCleaning(): boolean {
    return this.handler.selfCleaning ?? false;
  }

  async store<T>(id: string, data: T, options: WriteOptions = {}): Promise<SessionRecord<T>> {
    const sealed = this.#sealed(id, data);
    if (options.mustExist) await this.#assertOpens(options.oldId ?? id);
    const record = await this.handler.store(id, sealed, options);
    return { ...record, data };
  }

  async retrieve<T = unknown>(
    id: string,
    options?: RetrieveOptions,
  ): Promise<SessionRecord<T> | EmptyRecord> {
    const found = await this.handler.retrieve(id, options);
    return isRecord(found) ? this.#opened<T>(id, found) : found;
  }

  async update<T = unknown>(
    id: string,
    change: Change<T>,
    options: WriteOptions = {},
  ): Promise<SessionRecord<T> | EmptyRecord> {
    const from = options.oldId ?? id;
    let before: SessionRecord<T> | EmptyRecord = {};
    let changed: { data: T } | undefined;
    const taken = (data: T | undefined): string | undefined => {
      // Where nobody can lock, the change may be asked for again: what counts is the last time.
      changed = data === undefined ? undefined : { data };
      return changed && this.#sealed(id, data);
    };
    const after = await this.handler.update<unknown>(
      id,
      (found) => {
        before = isRecord(found) ? this.#opened<T>(from, found) : found;
        if (options.mustExist && !isRecord(before)) throw gone(from);
        const data = change(before);
        return isPromise(data) ? data.then(taken) : taken(data);
      },
      { ...options, lock: options.lock ?? isAsyncFunction(change) },
    );
    if (!isRecord(after)) return after;
    return changed ? { ...after, data: changed.data } : before;
  }

  touch(id: string): Promise<boolean> {
    return this.handler.touch(id);
  }

  remove(id: string): Promise<boolean> {
    return this.handler.remove(id);
  }

  clean(timeout: number, options?: CleanOptions): Promise<CleanResult> {
    return this.handler.clean(timeout, options);
  }

  keys(): AsyncIterable<string> {
    return this.handler.keys();
  }

  tagged(tag: string): Promise<string[]> {
    return this.handler.tagged(tag);
  }

  close(): Promise<void> {
    return this.handler.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #sealed(id: string, data: unknown): string {
    if (typeof id !== "string") throw badId(id, "it is no string");
    const { encoding, text } = pickle(data);
    return this.#seal.seal(id, `${encoding} ${text}`);
  }

  #opened<T>(id: string, record: SessionRecord): SessionRecord<T> | EmptyRecord {
    const { data: sealed } = record;
    const text = typeof sealed === "string" ? this.#open(id, sealed) : undefined;
    if (text === undefined) {
      const isNews = warnOnce(
        `Cannot open session ${JSON.stringify(id)}: it is not sealed for this id with a secret of ours, so it is a miss. ` +
          "It stays as it is until it is written or cleaned away",
        "FILESESSION_UNOPENED",
      );
      if (isNews) emit("corrupt", () => ({ handler: "sealed", id }));
      return {};
    }
    // What a session holds is the caller's word: nothing here looks into it.
    return { ...record, data: unpickled(text) as T };
  }

  #open(id: string, sealed: string): string | undefined {
    for (const seal of this.#seals) {
      const text = seal.open(id, sealed);
      if (text !== undefined) return text;
    }
    return undefined;
  }

  async #assertOpens(id: string): Promise<void> {
    const found = await this.handler.retrieve(id, { blocking: false });
    if (isRecord(found) && !isRecord(this.#opened(id, found))) throw gone(id);
  }
}

/** The handler that has the sessions: `handler` itself, or the one that it seals for. */
export function unsealed(handler: Handler): Handler {
  return handler instanceof SealedHandler ? unsealed(handler.handler) : handler;
}

function unpickled(text: string): unknown {
  const space = text.indexOf(" ");
  // Sealed with our secret: it is what `pickle` gave.
  return unpickle(text.slice(0, space) as Encoding, text.slice(space + 1));
}
