// A session as Redis has it, one string that a person can read with `redis-cli GET`:
//
//   fs1 <touched> <rev> <time> <expires> <idle> <lasting> <encoding> <ip> <cookie> <tag> <tagTime> <state>
//   <data>
//
// The words of the first line have a space between them. `*` is a word that is absent; all else is as
// `escapeWord` makes it. `touched` has 13 digits always, so that it can be changed in its place. `rev` is
// another one after every write, never one that was there before: whoever writes says which one they
// have seen. `idle` is in milliseconds.
//
// <state> is one of
//   live
//   going <to> <until> <rev>         the session has moved to the id `to`, which may not say so yet; there it
//                                    is `rev`
//   gone <to> <until> <rev>          the same, and it does
//   coming <from> <rev> <before>     a session that is being moved here, see move.ts
//
// Before it may stand who holds the session, and until when by the clock of Redis, with nothing behind
// it where there is no session:
//
//   lock <until> <token>
//
// All of it is one key, not only since that costs least: while a slot of a Cluster is on its way to
// another node, what takes two keys is refused, and what takes one is led to where that is.
//
// The scripts read and write the same words, in script.ts.

import { completed, type SessionRecord, type WriteOptions } from "../core/handler.ts";
import { type Encoding, type Pickled, unpickle } from "../core/pickle.ts";
import { escapeWord, unescapeWord } from "./keys.ts";

/** What stands in a session's first line, but for its state. Moments and durations in milliseconds. */
export interface Head {
  touched: number;
  rev: string;
  time: number;
  expires: number | undefined;
  idle: number | undefined;
  lasting: boolean;
  ip: string;
  cookieName: string | undefined;
  tag: string | undefined;
  tagTime: number | undefined;
}

export type State = { is: "live" } | Gone | Coming;

export interface Gone {
  is: "going" | "gone";
  to: string;
  until: number | undefined;
  rev: string;
}

export interface Coming {
  is: "coming";
  from: string;
  rev: string;
  before: string | undefined;
}

/** Whether the session has moved from here. */
export function hasGone(state: State | undefined): state is Gone {
  return state?.is === "going" || state?.is === "gone";
}

/** What is stored under a session's key. */
export interface Stored extends Pickled {
  head: Head;
  state: State;
}

/** The same, and its data; there is none of a session that has gone. */
export interface Found extends Stored {
  data: unknown;
}

/** The word for what is absent. */
export const absent = "*";

/** The text without the lock, if there is one; it may have run out. */
export function withoutLock(text: string): string {
  if (!text.startsWith("lock ")) return text;
  const end = text.indexOf("\n") + 1;
  return end === 0 ? "" : text.slice(end);
}

/** What `text` says, which has no lock; `undefined` when it is none of ours. */
export function parseStored(text: string): Stored | undefined {
  const end = text.indexOf("\n");
  const words = end === -1 ? [] : text.slice(0, end).split(" ");
  const [magic, touched, rev, time, expires, idle, lasting, encoding, ip, cookie, tag, tagTime] =
    words;
  const state = parseState(words);
  if (
    magic !== "fs1" ||
    touched?.length !== touchedDigits ||
    rev === undefined ||
    ip === undefined ||
    state === undefined ||
    !isEncoding(encoding)
  )
    return undefined;
  const head: Head = {
    touched: Number(touched),
    rev,
    time: Number(time),
    expires: number(expires),
    idle: number(idle),
    lasting: lasting === "1",
    ip: unescapeWord(ip),
    cookieName: word(cookie),
    tag: word(tag),
    tagTime: number(tagTime),
  };
  if (Number.isNaN(head.touched + head.time + (head.expires ?? 0) + (head.idle ?? 0)))
    return undefined;
  return { head, state, encoding, text: text.slice(end + 1) };
}

/** What a first line says, which a script has written. */
export function parseHead(line: string): Head {
  const stored = parseStored(`${line}\n`);
  if (!stored) throw new TypeError(`no first line of a session: ${line}`);
  return stored.head;
}

/** The same, with the data that is in it. */
export function foundIn(text: string): Found | undefined {
  const stored = parseStored(text);
  if (!stored) return undefined;
  if (hasGone(stored.state)) return Object.assign(stored, { data: undefined });
  try {
    return Object.assign(stored, { data: unpickle(stored.encoding, stored.text) });
  } catch {
    return undefined; // `pickle` has not made it
  }
}

/** The text that says so. */
export function stringOf({ head, state, encoding, text }: Stored): string {
  const { touched, rev, time, expires, idle, lasting, ip, cookieName, tag, tagTime } = head;
  const words = [
    "fs1",
    momentOf(touched),
    rev,
    time,
    expires ?? absent,
    idle ?? absent,
    lasting ? 1 : 0,
    encoding,
    escapeWord(ip),
    wordOf(cookieName),
    wordOf(tag),
    tagTime ?? absent,
    stateWords(state),
  ];
  return `${words.join(" ")}\n${text}`;
}

/** A moment as `touched` is written. */
export function momentOf(moment: number): string {
  return String(moment).padStart(touchedDigits, "0");
}

const touchedDigits = 13;

/** The word for `text`. */
export function wordOf(text: string | undefined): string {
  return text === undefined ? absent : escapeWord(text);
}

function stateWords(state: State): string {
  if (state.is === "live") return "live";
  if (state.is === "coming")
    return `coming ${escapeWord(state.from)} ${state.rev} ${wordOf(state.before)}`;
  return `${state.is} ${escapeWord(state.to)} ${state.until ?? absent} ${state.rev}`;
}

/** The state that the words of a first line end with. */
function parseState(words: readonly string[]): State | undefined {
  const is = words[stateAt];
  if (is === "live") return words.length === stateAt + 1 ? { is } : undefined;
  const [id, second, third] = words.slice(stateAt + 1);
  if (id === undefined || second === undefined || third === undefined) return undefined;
  if (is === "going" || is === "gone")
    return { is, to: unescapeWord(id), until: number(second), rev: third };
  if (is === "coming") return { is, from: unescapeWord(id), rev: second, before: word(third) };
  return undefined;
}

const stateAt = 12;

function number(text: string | undefined): number | undefined {
  return text === absent ? undefined : Number(text);
}

function word(text: string | undefined): string | undefined {
  return text === undefined || text === absent ? undefined : unescapeWord(text);
}

function isEncoding(text: string | undefined): text is Encoding {
  return text === "json" || text === "rich";
}

/** Whether this is over at the moment `now`, whether or not Redis has removed it. */
export function isExpired({ expires }: Head, now: number): boolean {
  return expires !== undefined && expires <= now;
}

/** When the place may forget it: `undefined` for never. */
export function endOf({ expires, idle, lasting, touched }: Head): number | undefined {
  const unused = idle === undefined || lasting ? Infinity : touched + idle;
  const end = Math.min(expires ?? Infinity, unused);
  return end === Infinity ? undefined : end;
}

export type Lifetime = Pick<Head, "expires" | "idle" | "lasting">;

/** How long a session is to live that is written now, as far as that is said. */
export function lifetimeOf(
  { ttl, idleTimeout, lasting = false }: WriteOptions,
  now: number,
): Lifetime {
  return {
    expires: ttl === undefined ? undefined : now + 1000 * ttl,
    idle: idleTimeout === undefined ? undefined : 1000 * idleTimeout,
    lasting: ttl !== undefined && lasting,
  };
}

export function recordOf<T>(id: string, head: Head, data: T): SessionRecord<T> {
  const { ip, time, touched } = head;
  return completed({ id, ip, time, touched, data }, head);
}
