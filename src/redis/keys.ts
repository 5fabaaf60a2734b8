// What is called what in Redis.
//
//   <prefix>{<id>}           a session: a string, see record.ts
//   <prefix>{<id>}:corrupt   what was found there and is none of ours
//   <prefix>tag:<tag>        whose sessions these are, see tags.ts
//
// In a Cluster what stands in braces says which node has a key: sessions are on all of them, and what is
// put aside is where the session was.

/** The names of one handler's keys. */
export interface Keys {
  session(id: string): string;
  corrupt(id: string): string;
  tag(tag: string): string;
  /** The id of the session that is called so; `undefined` for what is no session. */
  idOf(key: string): string | undefined;
  /** The tag whose sessions are listed there; `undefined` for what is no such list. */
  tagOf(key: string): string | undefined;
  /** What SCAN has to look for to find every session. */
  readonly sessions: string;
  /** What SCAN has to look for to find every list of a tag's sessions. */
  readonly tags: string;
}

export function keysOf(prefix: string): Keys {
  const session = (id: string): string => `${prefix}{${escapeWord(id)}}`;
  return {
    session,
    corrupt: (id) => `${session(id)}:corrupt`,
    tag: (tag) => `${prefix}tag:${escapeWord(tag)}`,
    idOf: (key) => between(key, `${prefix}{`, "}"),
    tagOf: (key) => between(key, `${prefix}tag:`, ""),
    sessions: `${escapeGlob(prefix)}{*}`,
    tags: `${escapeGlob(prefix)}tag:*`,
  };
}

function between(key: string, start: string, end: string): string | undefined {
  if (!key.startsWith(start) || !key.endsWith(end)) return undefined;
  const word = key.slice(start.length, key.length - end.length);
  return word.includes("}") ? undefined : unescapeWord(word);
}

/**
 * The text without spaces, line ends, braces, `*` and `!`, and as UTF-8 carries it: one UTF-16 unit
 * that is neither a letter of English nor one of a few signs is `%` and four digits.
 */
export function escapeWord(text: string): string {
  return isBare.test(text) ? text : text.replace(/[^\w.:~/@-]/g, escapeUnit);
}

const isBare = /^[\w.:~/@-]*$/;

function escapeUnit(unit: string): string {
  return `%${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** What `escapeWord` was given. */
export function unescapeWord(word: string): string {
  if (!word.includes("%")) return word;
  return word.replace(/%([0-9a-f]{4})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

/** The text, for a pattern as Redis has them. */
function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]^-]/g, "\\$&");
}
