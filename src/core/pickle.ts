// "Pickling": session data to text and back, as it was.
//
// Plain data (what JSON carries without loss) is JSON, which a person can read and which costs a
// fifth of the rich way. Everything else goes through devalue. What neither can carry is refused
// before anything is written.
//
// devalue promises no stable format between its versions, and our files outlive an upgrade: so its
// version is pinned exactly, and another one will be another encoding beside these two.

import { parse, stringify } from "devalue";
import { badData, SessionError, tooLarge } from "./error.ts";
import { dataPath } from "./path.ts";

/** How a text was made: `json`, or `rich` for devalue's format. */
export type Encoding = "json" | "rich";

export interface Pickled {
  encoding: Encoding;
  text: string;
}

// Deep enough for data, shallow enough for every stack: JSON.stringify and devalue recurse.
const maxDepth = 500;

/**
 * `data` as text. Throws `ERR_SESSION_DATA`, naming the path (`data.cart[2].fn`), for functions,
 * symbols, instances of foreign classes, promises, and data nested deeper than 500; and
 * `ERR_SESSION_TOO_LARGE` as soon as it is clear that there are more than `maxBytes`.
 */
export function pickle(data: unknown, maxBytes: number = Infinity): Pickled {
  const encoding = isPlain(data, maxBytes) ? "json" : new Survey(maxBytes).of(data);
  let text: unknown;
  try {
    text = encoding === "json" ? JSON.stringify(data) : stringify(data, reducers);
  } catch (error) {
    throw unreadable("data", error);
  }
  // Getters and proxies may give something else each time.
  if (typeof text !== "string") throw badData("data", "it changes while it is read");
  assertFits(text, maxBytes);
  return { encoding, text };
}

function assertFits(text: string, maxBytes: number): void {
  // A character has three bytes at most; to count them takes three times as long as to write them.
  if (3 * text.length <= maxBytes) return;
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBytes) throw tooLarge(bytes, maxBytes);
}

/**
 * What `pickle` was given. Runs no code that is in the text, and makes nothing but the types
 * `pickle` takes. Throws for every text that `pickle` does not make.
 */
export function unpickle(encoding: Encoding, text: string): unknown {
  return encoding === "json" ? parseJson(text) : parse(text, revivers);
}

/** The same, of text that `unpickle` has taken before. */
export function unpickleAgain(encoding: Encoding, text: string): unknown {
  return encoding === "json" ? JSON.parse(text) : parse(text, revivers);
}

// As an own property it is harmless, and a prototype as soon as somebody copies it with `=`.
function mayHoldPrototype(text: string): boolean {
  return text.includes("__proto__") || text.includes("\\u");
}

function parseJson(text: string): unknown {
  if (hasManyBrackets(text) && isDeep(text)) throw new RangeError(`nested deeper than ${maxDepth}`);
  if (!mayHoldPrototype(text)) return JSON.parse(text);
  return JSON.parse(text, (key, value: unknown) => {
    if (key === "__proto__") throw new TypeError("a `__proto__` key");
    return value;
  });
}

/** Whether there are enough of them to nest too deep. Ten times as fast as to find out. */
function hasManyBrackets(text: string): boolean {
  if (text.length <= 2 * maxDepth) return false; // each level has two
  let count = 0;
  for (const bracket of "[{")
    for (let at = text.indexOf(bracket); at !== -1; at = text.indexOf(bracket, at + 1))
      if (++count > maxDepth) return true;
  return false;
}

/** Whether JSON is nested too deep for whoever is to walk through it. */
function isDeep(text: string): boolean {
  let depth = 0;
  for (let index = 0; index < text.length; index++) {
    const character = text.charCodeAt(index);
    if (character === quote) index = endOfString(text, index);
    // [ and ] differ from { and } in this one bit.
    else if ((character | 0x20) === openBrace && ++depth > maxDepth) return true;
    else if ((character | 0x20) === closeBrace) depth--;
  }
  return false;
}

const quote = 0x22;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** Where the string ends that begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let end = start + 1; ; end++) {
    end = text.indexOf('"', end);
    if (end === -1) return text.length;
    let backslashes = 0;
    while (text[end - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return end;
  }
}

// A Buffer is a Uint8Array to devalue; people put Buffers into sessions and want them back.
const reducers = {
  Buffer: (value: unknown): string | false =>
    Buffer.isBuffer(value) && (value.toString("base64") || "="),
};

// devalue can make more than `pickle` takes, and a Buffer can be made of `{ length: 1e9 }`.
const revivers = {
  Buffer: (base64: unknown): Buffer => {
    if (typeof base64 !== "string") throw new TypeError("a Buffer is base64");
    return Buffer.from(base64, "base64");
  },
  Object: (primitive: unknown): unknown => {
    if (!["number", "string", "boolean"].includes(typeof primitive)) throw new TypeError("a box");
    return Object(primitive);
  },
  ...Object.fromEntries(
    [
      "Float16Array",
      ...["Duration", "Instant", "PlainDate", "PlainTime", "PlainDateTime"].map(temporal),
      ...["PlainMonthDay", "PlainYearMonth", "ZonedDateTime"].map(temporal),
    ].map((name) => [name, refuse]),
  ),
};

function temporal(name: string): string {
  return `Temporal.${name}`;
}

function refuse(): never {
  throw new TypeError("a class that is not stored");
}

// The classes that come back as they went in. A subclass would come back as its parent, so it is
// refused.
const richClasses = [
  "Date",
  "Map",
  "Set",
  "RegExp",
  "URL",
  "URLSearchParams",
  "ArrayBuffer",
  "DataView",
  "Int8Array",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "Float32Array",
  "Float64Array",
  "BigInt64Array",
  "BigUint64Array",
  "Buffer",
  "Boolean",
  "Number",
  "String",
] as const;

// Looked up when asked, not kept: a test that moves the clock puts another `Date` in the place of
// the first.
function isRich(prototype: unknown): boolean {
  return richClasses.some((name) => globalThis[name].prototype === prototype);
}

/**
 * Whether JSON carries all of this without loss: what most sessions hold, found out in a third of the
 * time that a survey takes.
 */
function isPlain(data: unknown, maxBytes: number): boolean {
  const seen = new Set<object>();
  let left = maxBytes; // bytes, of which every value takes at least one
  const visit = (value: unknown, depth: number): boolean => {
    if (--left < 0) throw tooLarge(`more than ${maxBytes}`, maxBytes);
    if (typeof value === "string" || typeof value === "boolean" || value === null) return true;
    if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
    if (typeof value !== "object" || depth === maxDepth || seen.has(value)) return false;
    seen.add(value);
    if (Object.getOwnPropertySymbols(value).length > 0) return false;
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Array.prototype && Array.isArray(value)) {
      let count = 0;
      for (const key in value) {
        if (key !== String(count) || !visit(value[count], depth + 1)) return false;
        count++;
      }
      return count === value.length;
    }
    if (prototype !== Object.prototype) return false;
    for (const key in value)
      if (key === "__proto__" || !visit(value[key as keyof typeof value], depth + 1)) return false;
    return true;
  };
  try {
    return visit(data, 0);
  } catch (error) {
    if (error instanceof SessionError) throw error;
    return false; // the survey says where
  }
}

/** Walks data once: is all of it plain, is any of it refused, does anything occur twice. */
class Survey {
  #seen = new Set<object>();
  #path: (string | number)[] = [];
  #encoding: Encoding = "json";
  #left: number; // bytes, of which every value takes at least one
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    this.#left = this.#maxBytes = maxBytes;
  }

  of(data: unknown): Encoding {
    try {
      this.#visit(data);
    } catch (error) {
      throw unreadable(this.#where(), error);
    }
    return this.#encoding;
  }

  #visit(value: unknown): void {
    if (--this.#left < 0) throw tooLarge(`more than ${this.#maxBytes}`, this.#maxBytes);
    if (typeof value === "object" && value !== null) return this.#visitReference(value);
    if (typeof value === "function" || typeof value === "symbol")
      throw this.#refusal(`a ${typeof value} cannot be stored`);
    const plain =
      typeof value === "number"
        ? Number.isFinite(value) && !Object.is(value, -0)
        : value === null || typeof value === "string" || typeof value === "boolean";
    if (!plain) this.#encoding = "rich";
  }

  #visitReference(value: object): void {
    if (this.#seen.has(value)) {
      this.#encoding = "rich"; // JSON would make two of it, or never end
      return;
    }
    this.#seen.add(value);
    if (this.#path.length >= maxDepth)
      throw this.#refusal(`data nested deeper than ${maxDepth} cannot be stored`);
    if (Array.isArray(value)) this.#visitArray(value);
    else this.#visitObject(value);
  }

  #visitArray(value: unknown[]): void {
    if (Object.getPrototypeOf(value) !== Array.prototype) throw this.#foreign(value);
    let index = 0;
    for (; index < value.length && Object.hasOwn(value, index); index++)
      this.#descend(index, value[index]);
    const keys = Object.keys(value);
    // Holes come back as holes, but only the rich way. A named property of an array would be lost
    // either way.
    if (index < value.length) this.#encoding = "rich";
    for (const key of keys.slice(index)) {
      if (String(Number(key)) !== key)
        throw this.#refusal("an array with named properties cannot be stored", key);
      this.#descend(Number(key), value[Number(key)]);
    }
  }

  #visitObject(value: object): void {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) {
      if (prototype === null) this.#encoding = "rich";
      this.#visitProperties(value);
    } else if (isRich(prototype)) {
      this.#encoding = "rich";
      const { types } = process.getBuiltinModule("node:util");
      const ownKeys = types.isStringObject(value) ? value.length : 0;
      if (!ArrayBuffer.isView(value) && Object.keys(value).length > ownKeys)
        throw this.#refusal("a built-in object with properties of its own cannot be stored");
      if (value instanceof Map) this.#visitMap(value);
      else if (value instanceof Set) this.#visitSet(value);
    } else {
      throw this.#foreign(value);
    }
  }

  #visitProperties(value: object): void {
    if (Object.getOwnPropertySymbols(value).length > 0)
      throw this.#refusal("an object with symbol keys cannot be stored");
    for (const [key, item] of Object.entries(value)) {
      // As a key it is data here and a prototype in the next Object.assign.
      if (key === "__proto__") throw this.#refusal("a `__proto__` key cannot be stored", key);
      this.#descend(key, item);
    }
  }

  #visitMap(value: Map<unknown, unknown>): void {
    let index = 0;
    for (const [key, item] of value) {
      this.#descend(index, key);
      this.#descend(typeof key === "string" ? key : index, item);
      index++;
    }
  }

  #visitSet(value: Set<unknown>): void {
    let index = 0;
    for (const item of value) this.#descend(index++, item);
  }

  #descend(key: string | number, value: unknown): void {
    this.#path.push(key);
    this.#visit(value);
    this.#path.pop();
  }

  #foreign(value: object): Error {
    const name: unknown = value.constructor?.name;
    return this.#refusal(
      `an instance of ${typeof name === "string" && name ? name : "a foreign class"} cannot be stored; store what it is made of`,
    );
  }

  #refusal(why: string, key?: string): Error {
    return badData(this.#where(key), why);
  }

  #where(key?: string): string {
    return dataPath(key === undefined ? this.#path : [...this.#path, key]);
  }
}

/** What a getter, a proxy, or a built-in object that is none has thrown. */
function unreadable(path: string, cause: unknown): Error {
  if (cause instanceof SessionError) return cause;
  return badData(path, "it cannot be read, the cause says why", cause);
}
