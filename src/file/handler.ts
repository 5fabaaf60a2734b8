import { statSync } from "node:fs";
import { operationOf, outcomeOf, traced } from "../core/diagnostics.ts";
import { placeFailed } from "../core/error.ts";
import {
  type Change,
  type CleanOptions,
  type CleanResult,
  completed,
  type EmptyRecord,
  type Handler,
  type RetrieveOptions,
  type SessionRecord,
  type WriteOptions,
} from "../core/handler.ts";
import { type Pickled, pickle } from "../core/pickle.ts";
import { isPromise } from "../core/promise.ts";
import { seconds } from "../core/seconds.ts";
import { UnderWay } from "../core/under-way.ts";
import { checkTag, checkWriteOptions } from "../core/write-options.ts";
import { FilesHere, type Stored } from "./files.ts";
import { withLateData } from "./late-data.ts";
import type { Found } from "./found.ts";
import { lockFile } from "./names.ts";
import { type FileHandlerOptions, handlerName, readOptions } from "./options.ts";
import { Route } from "./route.ts";
import { watchSessions } from "./watch.ts";

/**
 * Keeps each session in a file of its own, `fileDir/filePrefix + id`, guarded by a lock file beside
 * it.
 *
 * The constructor throws `ERR_SESSION_DIR` when `fileDir` cannot be used, and `ERR_SESSION_OPTION`.
 */
export class FileHandler implements Handler {
  /** The directory, all links resolved. */
  readonly fileDir: string;
  readonly filePrefix: string;
  readonly #here: FilesHere;
  readonly #route: Route;
  readonly #maxBytes: number;
  readonly #underWay = new UnderWay();

  constructor(options: FileHandlerOptions = {}) {
    const settings = readOptions(options);
    this.#maxBytes = settings.maxBytes;
    this.#here = new FilesHere(settings);
    this.#route = new Route(this.#here, settings);
    this.fileDir = this.#here.fileDir;
    this.filePrefix = settings.filePrefix;
  }

  store<T>(id: string, data: T, options: WriteOptions = {}): Promise<SessionRecord<T>> {
    return traced(
      "store",
      () => operationOf(handlerName, id, options),
      () => this.#store(id, data, options),
    );
  }

  async #store<T>(id: string, data: T, options: WriteOptions): Promise<SessionRecord<T>> {
    return this.#underWay.run(async () => {
      const pickled = pickle(data, this.#maxBytes); // before anything is locked
      checkWriteOptions(options);
      const stored = await this.#route.of(id, options.oldId, pickled).store(id, pickled, options);
      return storedRecord(stored, data);
    });
  }

  update<T = unknown>(
    id: string,
    change: Change<T>,
    options: WriteOptions = {},
  ): Promise<SessionRecord<T> | EmptyRecord> {
    return traced(
      "update",
      () => operationOf(handlerName, id, options),
      () => this.#update(id, change, options),
      outcomeOf,
    );
  }

  async #update<T>(
    id: string,
    change: Change<T>,
    options: WriteOptions,
  ): Promise<SessionRecord<T> | EmptyRecord> {
    return this.#underWay.run(async () => {
      checkWriteOptions(options);
      let record: SessionRecord<T> | EmptyRecord = {};
      let changed: { data: T } | undefined;
      const taken = (data: T | undefined): Pickled | undefined => {
        if (data === undefined) return undefined;
        changed = { data };
        const pickled = pickle(data, this.#maxBytes);
        this.#route.note(pickled.text.length);
        return pickled;
      };
      const files = this.#route.of(id, options.oldId);
      const stored = await files.update(
        id,
        (found) => {
          if (found) record = recordOf<T>(found);
          const data = change(record);
          return isPromise(data) ? data.then(taken) : taken(data);
        },
        options,
      );
      return stored && changed ? storedRecord(stored, changed.data) : record;
    });
  }

  retrieve<T = unknown>(
    id: string,
    options: RetrieveOptions = {},
  ): Promise<SessionRecord<T> | EmptyRecord> {
    return traced(
      "retrieve",
      () => operationOf(handlerName, id),
      () => this.#retrieve<T>(id, options),
      outcomeOf,
    );
  }

  async #retrieve<T>(
    id: string,
    { blocking = true }: RetrieveOptions,
  ): Promise<SessionRecord<T> | EmptyRecord> {
    const known = this.#underWay.isEnded ? undefined : this.#route.known(id, blocking);
    if (known) return recordOf<T>(known);
    return this.#underWay.run(async () => {
      const found = await this.#route.of(id).retrieve(id, blocking);
      if (found === undefined) return {};
      this.#route.note(found.size);
      return recordOf<T>(found);
    });
  }

  async touch(id: string): Promise<boolean> {
    return this.#underWay.run(() => this.#route.of(id).touch(id));
  }

  async remove(id: string): Promise<boolean> {
    return this.#underWay.run(() => this.#route.of(id).remove(id));
  }

  clean(timeout: number, options: CleanOptions = {}): Promise<CleanResult> {
    return traced(
      "clean",
      () => ({ handler: handlerName, timeout }),
      () => this.#clean(timeout, options),
      (counts) => counts,
    );
  }

  async #clean(timeout: number, options: CleanOptions): Promise<CleanResult> {
    seconds("timeout", timeout);
    return this.#underWay.run(() => this.#route.toClean().clean(timeout, options));
  }

  async *keys(): AsyncGenerator<string, void, undefined> {
    this.#underWay.assertOpen();
    yield* this.#route.toList().keys();
  }

  async tagged(tag: string): Promise<string[]> {
    checkTag(tag);
    return this.#underWay.run(() => this.#route.toList().tagged(tag));
  }

  async close(): Promise<void> {
    this.#underWay.end();
    try {
      await this.#route.releaseLocks();
    } finally {
      await this.#underWay.over();
      await this.#route.end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The full name of the session's file. */
  _sessionFile(id: string): string {
    return this.#here.names.file(id);
  }

  /** Bytes of the session's file; `undefined` when there is none. */
  _fileBytes(id: string): number | undefined {
    const file = this._sessionFile(id);
    try {
      return statSync(file, { throwIfNoEntry: false })?.size;
    } catch (error) {
      throw placeFailed("find out the size of", file, error);
    }
  }

  /**
   * Calls back when a session was stored or touched, or has gone, by any process. Gives what ends
   * it.
   */
  _watch(callback: (event: "update" | "remove", id: string) => unknown): () => void {
    return watchSessions(this.fileDir, this.#here.names, callback);
  }

  /** The full name of the session's lock file. */
  _lockFile(id: string): string {
    return lockFile(this._sessionFile(id));
  }

  /**
   * Locks a session against everybody, this handler's own methods included, until
   * `_releaseLock(id)`. A lock that has shown no sign of life for 60 s is taken over. With
   * `blocking` off it does not wait: `false` when it did not get the lock.
   */
  async _acquireLock(id: string, blocking = true): Promise<boolean> {
    return this.#underWay.run(() => this.#route.ofLocks().acquireLock(id, blocking));
  }

  /**
   * Gives back what `_acquireLock(id)` took. Nothing happens when it did not, or when the lock is
   * gone.
   */
  async _releaseLock(id: string): Promise<void> {
    await this.#route.ofLocks().releaseLock(id);
  }
}

function storedRecord<T>({ meta, touched }: Stored, data: T): SessionRecord<T> {
  const { id, ip, time } = meta;
  return completed({ id, ip, time, touched, data }, meta);
}

/** Text of fewer characters is parsed at once: that costs less than a property that parses later. */
const parsedAtOnce = 1024;

function recordOf<T>(found: Found): SessionRecord<T> | EmptyRecord {
  const { meta } = found.current;
  const { id, ip, time, to, until } = meta;
  if (to !== undefined && until !== undefined) return { moved: { to, until } };
  const { touched } = found;
  // What a session holds is the caller's word: nothing here looks into it.
  const record: SessionRecord<T> =
    found.size < parsedAtOnce
      ? { id, ip, time, touched, data: found.data() as T }
      : withLateData({ id, ip, time, touched }, found);
  return completed(record, meta);
}
