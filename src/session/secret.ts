// A text, sealed: AES-256-GCM under a key that is made of the secret.
//
//   sealed1.<base64url of: iv, 12 bytes | tag, 16 bytes | ciphertext>
//
// The tag is over the ciphertext, this format's name and the id that the text is sealed for (as
// additional data, which is not stored). So a text opens under its own id only, whole or not at all.
//
// The key. HKDF-SHA256 (RFC 5869) of the secret, with an `info` that names the purpose: a secret that
// is used for something else too gives other keys there. It is no password hash: the secret must be
// long and random.
//
// The iv. Random, 96 bits. NIST SP 800-38D section 8.3 then allows 2^32 texts under one key, so that
// two of them share an iv in one of 2^32 cases at most. One key for all would be there in ten days
// of 5,000 writes a second. So each first three characters of an id have a key of their own: ids are
// hashes in hex, which makes 4096 keys, and a century. It costs nothing: a key is derived once, and
// kept. (A key for each id would cost an HMAC with each call, 2 us beside the 5 of the cipher.)

import type { KeyObject } from "node:crypto";
import { badSecret } from "../core/error.ts";

const format = "sealed1.";
const purpose = "filesession data encryption 1";
const cipher = "aes-256-gcm";
const ivBytes = 12;
const tagBytes = 16;

const shortest = 32;

/** What option `secret` may be: the first one seals, all of them open. */
export type Secrets = string | readonly string[];

/** The secrets as a list. Throws `ERR_SESSION_OPTION`, which shows none, for what is no secret. */
export function readSecrets(secret: unknown): readonly [string, ...string[]] {
  const [first, ...others]: unknown[] = Array.isArray(secret) ? secret : [secret];
  if (isSecret(first) && others.every(isSecret)) return [first, ...others];
  throw badSecret(shortest);
}

function isSecret(secret: unknown): secret is string {
  return typeof secret === "string" && secret.length >= shortest;
}

/** Seals and opens with one secret. Holds keys made of it, not the secret, and shows none. */
export class Seal {
  readonly #secret: KeyObject;
  readonly #keys = new Map<string, KeyObject>();

  constructor(secret: string) {
    this.#secret = crypto().createSecretKey(secret, "utf8");
  }

  /** The text, sealed for `id`. Another one each time. */
  seal(id: string, text: string): string {
    const iv = newIv();
    const sealing = crypto().createCipheriv(cipher, this.#key(id), iv, { authTagLength: tagBytes });
    sealing.setAAD(boundTo(id));
    const ciphertext = sealing.update(text, "utf8");
    sealing.final(); // gives nothing: this mode has no padding
    const bytes = Buffer.concat([iv, sealing.getAuthTag(), ciphertext]);
    return format + bytes.toString("base64url");
  }

  /** The text that was sealed for `id` with this secret; `undefined` for anything else. */
  open(id: string, sealed: string): string | undefined {
    const bytes = bytesOf(sealed);
    if (!bytes) return undefined;
    const iv = bytes.subarray(0, ivBytes);
    // With its length: otherwise Node takes 4 bytes for a tag.
    const opening = crypto().createDecipheriv(cipher, this.#key(id), iv, {
      authTagLength: tagBytes,
    });
    opening.setAAD(boundTo(id));
    opening.setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
    const text = opening.update(bytes.subarray(ivBytes + tagBytes));
    try {
      opening.final();
    } catch {
      return undefined; // all it can say: the tag is not that of this text, id and key
    }
    return text.toString("utf8");
  }

  #key(id: string): KeyObject {
    const group = id.slice(0, 3);
    let key = this.#keys.get(group);
    if (!key) {
      // Ids that are no hashes may begin with anything.
      if (this.#keys.size >= maxKeys) this.#keys.clear();
      const { createSecretKey, hkdfSync } = crypto();
      const bytes = hkdfSync("sha256", this.#secret, "", `${purpose} ${group}`, 32);
      this.#keys.set(group, (key = createSecretKey(Buffer.from(bytes))));
    }
    return key;
  }
}

const maxKeys = 4096;

/** What `sealed` holds; `undefined` when it is nothing that was sealed. */
function bytesOf(sealed: string): Buffer | undefined {
  if (!sealed.startsWith(format)) return undefined;
  const encoded = sealed.slice(format.length);
  const bytes = Buffer.from(encoded, "base64url");
  // Node skips what is no base64, and the bits that are left over at the end: one text, one
  // spelling.
  if (bytes.length < ivBytes + tagBytes || bytes.toString("base64url") !== encoded)
    return undefined;
  return bytes;
}

/** Not UTF-8, in which every half of a surrogate pair is the same. */
function boundTo(id: string): Buffer {
  return Buffer.from(format + id, "utf16le");
}

// A call for 12 random bytes takes half as long as all the rest of sealing.
let ivs = Buffer.alloc(0);

function newIv(): Buffer {
  if (ivs.length === 0) ivs = crypto().randomBytes(256 * ivBytes);
  const iv = ivs.subarray(0, ivBytes);
  ivs = ivs.subarray(ivBytes);
  return iv;
}

/** Loaded when it is first asked for: an import of the package would take 3 ms longer. */
function crypto() {
  return process.getBuiltinModule("node:crypto");
}
