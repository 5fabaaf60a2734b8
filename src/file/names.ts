// The only place where a session id becomes a file name, and a file name an id.
//
// An id of [a-z0-9_-] is its own name. In any other id each byte of its UTF-8 that is not of these
// is written `%xx`, in lower case: no two ids share a name, also where a file system ignores case
// or normalises Unicode, and no name holds a dot or a separator. So `<name>.lock`, and everything
// else that stands beside a session's file, is never another id's file. A lone surrogate has no
// UTF-8 and is written `%uxxxx`. On Windows an id that would be the name of a device, `con` with an
// empty prefix, has its first letter written so: `%63on`.

import { join } from "node:path";
import { badId } from "../core/error.ts";
import { isDeviceName } from "./platform.ts";

// ext4, APFS and NTFS all end at 255; `.<token>.<kind>` beside the file wants 40 of them.
const maxNameBytes = 255 - 40;

const plainId = /^[a-z0-9_-]{1,128}$/;
const encodedName = /^(?:[a-z0-9_-]|%[0-9a-f]{2}|%u[0-9a-f]{4})+$/;

/** The names of one handler's files. */
export class Names {
  readonly fileDir: string;
  readonly filePrefix: string;
  readonly #beginning: string;

  constructor(fileDir: string, filePrefix: string) {
    this.fileDir = fileDir;
    this.filePrefix = filePrefix;
    this.#beginning = join(fileDir, "_").slice(0, -1);
  }

  /** The full name of the session's file. Throws `ERR_SESSION_ID` when no file can be named so. */
  file(id: string): string {
    if (typeof id !== "string") throw badId(id, "an id is a string");
    if (id === "") throw badId(id, "an id has at least one character");
    if (id.length > maxNameBytes)
      throw badId(id, `it has ${id.length} characters, and ${maxNameBytes} are the most`);
    const name = this.#nameOf(id);
    if (name.length > maxNameBytes)
      throw badId(
        id,
        `its file name would have ${name.length} bytes, and ${maxNameBytes} is the limit`,
      );
    return this.#beginning + name;
  }

  /** The id whose file is called `fileName`, or `undefined` when no session's file is called so. */
  idOf(fileName: string): string | undefined {
    if (!fileName.startsWith(this.filePrefix) || fileName.length > maxNameBytes) return undefined;
    const name = fileName.slice(this.filePrefix.length);
    if (!encodedName.test(name)) return undefined;
    const id = decode(name);
    // Not every name that looks encoded is one that we make: `%61` is not, the file is somebody
    // else's.
    return this.#nameOf(id) === fileName ? id : undefined;
  }

  #nameOf(id: string): string {
    const name = this.filePrefix + (plainId.test(id) ? id : encode(id));
    return isDeviceName(name) ? this.filePrefix + hex(id.charAt(0)) + id.slice(1) : name;
  }
}

/** The full name of the lock of the session file `file`. */
export function lockFile(file: string): string {
  return `${file}.lock`;
}

/** What else may stand beside a session's file. Each name holds a token, so each has one owner. */
export type Companion =
  /** A record on its way to the session's file. */
  | "new"
  /** A lock on its way to `.lock`, to take a stale one over. */
  | "take"
  /** Who may take over one certain stale lock; `token` is that lock's identity. */
  | "heir"
  /** A removed session on its way out. */
  | "gone"
  /** A damaged record, set aside for the operator. */
  | "bad";

/** The full name of the companion of `file` that belongs to `token`. */
export function companionFile(file: string, token: string, kind: Companion): string {
  return `${file}.${token}.${kind}`;
}

const companionName = /^([^.]+)\.(?:lock|([a-z0-9-]{1,32})\.(new|take|heir|gone|bad))$/;

/** The parts of a name that stands beside a session's file, or `undefined` for every other name. */
export function parseCompanion(
  fileName: string,
): { name: string; kind: Companion | "lock"; token: string } | undefined {
  const match = companionName.exec(fileName);
  if (!match) return undefined;
  const [, name = "", token = "", kind = "lock"] = match;
  return { name, token, kind: kind as Companion | "lock" };
}

function encode(id: string): string {
  // A pair of surrogates is one character to this expression, a lone one stands for itself.
  return id.replace(/[^a-z0-9_-]/gu, (character) => {
    if (/[\ud800-\udfff]/.test(character) && character.length === 1)
      return `%u${character.charCodeAt(0).toString(16)}`;
    return hex(character);
  });
}

function hex(character: string): string {
  return Buffer.from(character, "utf8").toString("hex").replace(/../g, "%$&");
}

function decode(name: string): string {
  return name.replace(/%u([0-9a-f]{4})|((?:%[0-9a-f]{2})+)/g, (_, unit?: string, bytes = "") =>
    unit
      ? String.fromCharCode(Number.parseInt(unit, 16))
      : Buffer.from(bytes.replaceAll("%", ""), "hex").toString("utf8"),
  );
}
