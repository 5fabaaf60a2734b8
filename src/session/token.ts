// The token is the secret: it travels in the cookie and is written nowhere. The id is its hash: it
// names the record, may be logged, and opens nothing, so whoever reads the disk or a backup has no
// usable cookie.

import { SessionError } from "../core/error.ts";

export interface Token {
  /** What the cookie holds. Never stored, never logged. */
  readonly secret: string;
  /** SHA-256 of the secret, in hex. */
  readonly id: string;
}

// 256 bits in base64url are 43 characters, of which the last has 4 bits. The other twelve that
// would decode to the same bytes are refused: one session, one spelling.
const ourShape = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;
const generatedShape = /^[A-Za-z0-9_-]{16,128}$/;

/**
 * A new token: 256 random bits, or what `generate` gives. Throws `ERR_SESSION_OPTION` when that
 * cannot be one.
 */
export function newToken(generate?: () => string): Token {
  if (!generate) return tokenOf(crypto().randomBytes(32).toString("base64url"));
  const secret = generate();
  if (typeof secret === "string" && generatedShape.test(secret)) return tokenOf(secret);
  throw new SessionError(
    "ERR_SESSION_OPTION",
    "Cannot use what option `generateId` gave: it must be 16 to 128 letters, digits, `-` or `_`",
  );
}

/**
 * The token that a cookie's text is, or `undefined` when it cannot be one, which costs no hash and
 * no look at the disk. Only what a token of ours looks like is one, unless the app generates them.
 */
export function parseToken(text: string, generated: boolean): Token | undefined {
  return (generated ? generatedShape : ourShape).test(text) ? tokenOf(text) : undefined;
}

function tokenOf(secret: string): Token {
  return { secret, id: sha256(secret) };
}

/** In hex. */
export function sha256(text: string): string {
  const { hash, createHash } = crypto();
  // Less than half the time, and in every Node that we run on. Other runtimes may not have it.
  if (typeof hash === "function") return hash("sha256", text);
  return createHash("sha256").update(text).digest("hex");
}

/** Loaded when it is first asked for: an import of the package would take 3 ms longer. */
function crypto() {
  return process.getBuiltinModule("node:crypto");
}
