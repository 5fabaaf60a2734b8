// Sessions that h3's `useSession` has left in cookies, taken over.
//
// There the cookie is the session: a seal of the data (iron, `Fe26.2*...`), which whoever has a copy
// of it can use until it expires. Here a seal is opened once:
//
//   1. Its data is stored under an id that is made of the seal. No token opens that.
//   2. It is moved from there to the id of a new token. Of requests that come at once one can do so;
//      what the move leaves leads the others to it, for a while, and they may look.
//
// What is stored in 1 lasts as long as the seal could be opened, and so does what the move leaves of
// it, however often the place is cleaned: whoever comes with the seal later finds that it was opened.
// Should we die between 1 and 2, the next request with the seal goes on from there.

import { badPassword, isSessionError, missingIron } from "../core/error.ts";
import {
  type Handler,
  isRecord,
  type Moved,
  type SessionRecord,
  type WriteOptions,
} from "../core/handler.ts";
import { warnOf, warnOnce } from "../core/warning.ts";
import type { Settings } from "./config.ts";
import { isPlain, plain } from "./contents.ts";
import { checkCookie, type SessionCookie } from "./cookie.ts";
import { longestIdle } from "./lifetime.ts";
import { newToken, sha256, type Token } from "./token.ts";

/** What each write says of the session, whatever it writes. */
export type Facts = Pick<WriteOptions, "cookieName" | "idleTimeout" | "ip">;

/** The cookies that h3's `useSession` has set, and what opens them. */
export interface AdoptOptions {
  /**
   * What h3 had as `password`; or several of them, by the ids that the seals name. `undefined`, which an
   * environment variable that is not set is, is refused.
   */
  password: string | Readonly<Record<string, string>> | undefined;
  /** What h3 had as `name`. Default: the `name` of the session, and `h3`, which is h3's own default. */
  name?: string | undefined;
}

/** An `AdoptOptions`, complete and checked. */
export interface Adoption {
  password: string | Readonly<Record<string, string>>;
  names: readonly string[];
}

const shortest = 32; // what h3 asks for

/** Throws `ERR_SESSION_OPTION`, which shows no password. */
export function readAdoption(options: AdoptOptions | null, sessionName: string): Adoption {
  const { password, name } = options ?? {};
  if (name !== undefined) checkCookie(name, {});
  const names = name === undefined ? [...new Set([sessionName, "h3"])] : [name];
  if (isPassword(password)) return { password, names };
  if (!isPlain(password)) throw badPassword(shortest);
  const known = Object.values(password);
  if (known.length === 0 || !known.every(isPassword)) throw badPassword(shortest);
  // Without a prototype: a seal may name any id.
  return { password: Object.assign(Object.create(null), password), names };
}

function isPassword(password: unknown): password is string {
  return typeof password === "string" && password.length >= shortest;
}

/** What h3's cookies look like in a request. */
export interface SealedCookies {
  /** What is a seal, whole. */
  seals: readonly string[];
  /** The cookies that hold a seal, a part of one, or the number of its parts. */
  names: readonly string[];
}

// As h3 2 has it: a seal that is too long for one cookie is in `name.1`, `name.2` and so on, and the
// cookie itself says in how many.
const head = /^__chunked__(\d{1,3})$/;
const maxChunks = 100;

// The last part is a hash of 256 bits, spelled in the one way that a seal has: some decoders take
// four for one, and each of them would be another seal. The others are hashed as they are.
const sealShape =
  /^Fe26\.2\*\w*\*[\da-f]*\*[\w-]*\*[\w-]+\*\d*\*[\da-f]*\*[\w-]{42}[AEIMQUYcgkosw048]$/;

// More than h3 would ever have looked at are not worth 8192 rounds each.
const maxSeals = 4;

/** What the request has of h3's cookies; `undefined` for nothing. */
export function sealedCookies(
  cookie: SessionCookie,
  { names }: Adoption,
): SealedCookies | undefined {
  const seals: string[] = [];
  const found: string[] = [];
  for (const name of names) {
    const prefix = `${name}.`;
    const isChunk = (other: string): boolean =>
      other.startsWith(prefix) && /^[1-9]\d{0,2}$/.test(other.slice(prefix.length));
    const received = cookie.receivedAs((other) => other === name || isChunk(other));
    const texts = (received[name] ?? []).filter((text) => /^(?:Fe26\.2\*|__chunked__)/.test(text));
    if (texts.length === 0) continue;
    found.push(...Object.keys(received));
    for (const text of texts.slice(0, maxSeals)) {
      const count = Number(head.exec(text)?.[1] ?? 0);
      const chunks = Array.from(
        { length: Math.min(count, maxChunks) },
        (_, index) => received[prefix + (index + 1)]?.[0] ?? "",
      );
      const seal = count > 0 ? chunks.join("") : text;
      if (sealShape.test(seal)) seals.push(seal);
    }
  }
  return found.length > 0 ? { seals: seals.slice(0, maxSeals), names: found } : undefined;
}

/** What a seal of h3's holds that is still a session. */
interface OldSession {
  data: object;
  time: number;
  /** When it ends, however much it is used. */
  end: number;
}

/** What has become of a seal. */
export interface Adopted {
  /** What the seal is known by. It opens nothing. */
  id: string;
  /** Until when the seal could be opened. */
  end: number;
  /** The session that it is now, for whoever has brought it about. */
  session?: { token: Token; record: SessionRecord };
  /** Where it has gone, when another request has. */
  moved?: Moved | undefined;
}

// Long enough for the requests of a page that all come with the seal.
const graceSeconds = 60;

/**
 * Makes the seal's data a session. `undefined` when there is none in it or it has ended, and when `isLate`
 * says that no cookie can be set any more: then the seal is as it was.
 *
 * Throws `ERR_SESSION_OPTION` when what opens seals is not installed, and what the handler throws.
 */
export async function adopt(
  seal: string,
  adoption: Adoption,
  settings: Settings,
  facts: Facts,
  isLate: () => boolean,
): Promise<Adopted | undefined> {
  const { handler, generateId } = settings;
  const old = oldSession(await opened(seal, adoption), settings, Date.now());
  if (old === undefined) return undefined;
  const { end } = old;
  const id = idOf(seal);
  while (!isLate() && Date.now() < end) {
    const kept = await keep(handler, id, old, facts);
    if (!isRecord(kept)) return { id, end, moved: kept.moved };
    const token = newToken(generateId);
    try {
      // Not `update`: the session has no end of its own, as the one under `id` has.
      const move = { ...facts, oldId: id, mustExist: true, grace: graceSeconds };
      const record = await handler.store(token.id, kept.data, move);
      return { id, end, session: { token, record } };
    } catch (error) {
      // Another request was first; the next look says where it is.
      if (!isSessionError(error, "ERR_SESSION_GONE")) throw error;
    }
  }
  return undefined;
}

/** Has the seal be one again that was not opened, as nobody can be given the session's token. */
export async function disown({ id, end, session }: Adopted, settings: Settings): Promise<void> {
  if (session === undefined) return;
  const { token, record } = session;
  const lives = { ttl: secondsUntil(end), lasting: true, idleTimeout: longestIdle(settings) };
  await settings.handler.store(id, record.data, { ...lives, oldId: token.id, mustExist: true });
}

/** The record under the seal's id, or the miss that says where it has gone; `{}` if it cannot be stored. */
async function keep(
  handler: Handler,
  id: string,
  { data, time, end }: OldSession,
  facts: Facts,
): ReturnType<Handler["update"]> {
  try {
    return await handler.update<unknown>(
      id,
      (found) => (isRecord(found) || found.moved ? undefined : plain(data)),
      { ...facts, time, ttl: secondsUntil(end), lasting: true },
    );
  } catch (error) {
    if (!isSessionError(error, "ERR_SESSION_DATA", "ERR_SESSION_TOO_LARGE")) throw error;
    warnOf("adopt a session of h3's", error);
    return {};
  }
}

/** The session in what was sealed, unless it was unused for too long or holds nothing. */
function oldSession(
  sealed: unknown,
  { maxAgeMs, idleMs }: Settings,
  now: number,
): OldSession | undefined {
  const { data, createdAt, lastSeenAt } = (sealed ?? {}) as Record<string, unknown>;
  if (!isPlain(data) || Object.keys(data).length === 0) return undefined; // h3 1 gives one to everybody
  if (!Number.isSafeInteger(createdAt)) return undefined;
  const time = createdAt as number;
  const end = time + maxAgeMs;
  // Only h3 2 with an `idleTimeout` says when it was used.
  const isIdle = typeof lastSeenAt === "number" && now >= lastSeenAt + idleMs;
  // Another machine's clock may be ahead.
  return isIdle ? undefined : { data, time: Math.min(time, now), end };
}

function secondsUntil(end: number): number {
  return Math.max(0, end - Date.now()) / 1000;
}

function idOf(seal: string): string {
  return sha256(`filesession adopted seal 1\0${seal}`);
}

// h3 1 has iron's own; h3 2 has 8192, and reads what h3 1 has sealed. What takes less comes first.
const rounds = [1, 8192];

/** What was sealed; `undefined` when none of the passwords has, or it has expired by what it says. */
async function opened(seal: string, { password }: Adoption): Promise<unknown> {
  const unseal = await loadUnseal();
  let why: unknown;
  for (const iterations of rounds)
    try {
      return await unseal(seal, password, {
        encryption: { saltBits: 256, algorithm: "aes-256-cbc", iterations, minPasswordlength: 32 },
        integrity: { saltBits: 256, algorithm: "sha256", iterations, minPasswordlength: 32 },
        ttl: 0,
        timestampSkewSec: 60,
        localtimeOffsetMsec: 0,
      });
    } catch (error) {
      why = error;
    }
  if (!(why instanceof Error && why.message === "Expired seal"))
    warnOnce(
      "Cannot open a cookie of h3's that looks like a session: it was changed, or is not sealed with the `password` of option `adopt`. " +
        "Its visitor begins anew",
      "FILESESSION_UNADOPTED",
    );
  return undefined;
}

type Unseal = (seal: string, password: Adoption["password"], options: object) => Promise<unknown>;

async function loadUnseal(): Promise<Unseal> {
  try {
    const { unseal } = await import("iron-webcrypto");
    const call = unseal as (...args: unknown[]) => Promise<unknown>;
    // Version 1 is given the crypto first, 2 has its own.
    const first = call.length > 3 ? [globalThis.crypto] : [];
    return (...args) => call(...first, ...args);
  } catch (error) {
    throw missingIron(error);
  }
}
