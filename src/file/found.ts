// What is found of a session: as somebody reads it, changes it, or remembers it.

import { type Encoding, unpickle, unpickleAgain } from "../core/pickle.ts";
import { readAll } from "./descriptor.ts";
import type { Contents, Meta, Place, Version } from "./record.ts";

/** A session as it is found: by who reads it, and by the next one who changes it. */
export class Found {
  readonly current: Version;
  /** When it was last stored or touched, in milliseconds since the epoch: the file's mtime. */
  readonly touched: number;
  #isSound = false;
  #first: { data: unknown } | undefined;

  /** `isSound` when its text has been examined before. */
  constructor(current: Version, touched: number, isSound = false) {
    this.current = current;
    this.touched = touched;
    this.#isSound = isSound;
  }

  /** About how much text it has, whether that has been decoded or not. */
  get size(): number {
    return this.current instanceof LateVersion
      ? this.current.bytes.length
      : this.current.text.length;
  }

  /** What was stored, a copy for every caller. Throws for text that is none of ours. */
  data(): unknown {
    this.examine();
    const first = this.#first;
    if (first === undefined) return unpickleAgain(this.current.encoding, this.current.text);
    this.#first = undefined;
    return first.data;
  }

  /** Throws when `data` would. */
  examine(): void {
    if (this.#isSound) return;
    this.#first = { data: unpickle(this.current.encoding, this.current.text) };
    this.#isSound = true;
  }
}

/** A version of whose text the bytes are there, to be decoded when somebody wants it. */
class LateVersion implements Version {
  readonly seq: number;
  readonly meta: Meta;
  readonly encoding: Encoding;
  readonly bytes: Buffer;
  #text: string | undefined;

  constructor({ seq, meta, encoding }: Omit<Version, "text">, bytes: Buffer) {
    this.seq = seq;
    this.meta = meta;
    this.encoding = encoding;
    this.bytes = bytes;
  }

  get text(): string {
    return (this.#text ??= this.bytes.toString("utf8"));
  }
}

/** What stays as it is when a session's file is written in place. */
export interface Layout extends Pick<Contents, "capacity" | "hasTtl" | "mark"> {
  /** Whether the file has another name: it is being put back, or somebody has linked it. */
  isLinked: boolean;
}

/** A session file at one moment. */
export class Snapshot extends Found {
  readonly layout: Layout;
  /** The slot that `current` is not in. */
  readonly spare: 0 | 1;
  /** The session that is here until the one that is being moved to its place has arrived. */
  readonly before: Snapshot | undefined;

  constructor(
    current: Version,
    touched: number,
    layout: Layout,
    spare: 0 | 1,
    before: Snapshot | undefined,
    isSound = false,
  ) {
    super(current, touched, isSound);
    this.layout = layout;
    this.spare = spare;
    this.before = before;
  }
}

/** All of a snapshot but its text, and where in the file that stands. */
export class Outline {
  readonly #version: Omit<Version, "text">;
  readonly #rest: Pick<Snapshot, "touched" | "layout" | "spare">;
  readonly #place: Place;

  constructor({ current, touched, layout, spare }: Snapshot, place: Place) {
    const { seq, meta, encoding } = current;
    this.#version = { seq, meta, encoding };
    this.#rest = { touched, layout, spare };
    this.#place = place;
  }

  /** The snapshot, of a file that has not been changed since: only the text is read. */
  read(fd: number): Snapshot {
    const { at, bytes } = this.#place;
    const text = readAll(fd, bytes, Buffer.allocUnsafe(bytes), at);
    const { touched, layout, spare } = this.#rest;
    const version = new LateVersion(this.#version, text);
    return new Snapshot(version, touched, layout, spare, undefined, true);
  }
}
