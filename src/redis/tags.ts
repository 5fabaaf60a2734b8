// Whose sessions these are: for each tag a list of the ids that may have it.
//
// The record is what counts, the list only says where to look: whoever reads it looks at the sessions
// too. A session is listed before the record that has the tag is written, so a crash between leaves an
// entry too many and never one too few. In a Cluster the two are on different nodes; so it is done that
// way everywhere.
//
// An entry is good until a moment, twice as long as the session may be unused, and is renewed in time
// while that is used. The next one to be listed removes those that are over, and the list as a whole
// ends with the last of them. Of sessions that never end that moment is far away, and says when they were
// listed: `clean` takes those off that are none, but not at once, since one may be about to become one.

import { escapeWord, unescapeWord } from "./keys.ts";
import type { Place } from "./place.ts";
import type { Lifetime } from "./record.ts";
import { listed, listing, unlisting } from "./script.ts";

/** A session that may have the tag, and until when it is listed, as Redis says it. */
export interface Entry {
  tag: string;
  id: string;
  last: string;
}

export class Tags {
  readonly #place: Place;
  /** When this handler has last listed a session that may sit unused, by its key; the oldest first. */
  readonly #listed = new Map<string, number>();

  constructor(place: Place) {
    this.#place = place;
  }

  /** Lists the session that is about to have this tag, or has it. */
  async list(tag: string, id: string, { expires, idle, lasting }: Lifetime): Promise<void> {
    const now = Date.now();
    const unused = idle === undefined || lasting ? now + foreverMs : now + 2 * idle;
    const last = Math.ceil(Math.min(expires ?? Infinity, unused));
    await this.#place.connection.run(
      listing,
      [this.#place.keys.tag(tag)],
      [escapeWord(id), String(last), String(now)],
      { action: `list session ${id} under its tag`, writes: false }, // to do so twice is the same
    );
    this.#note(`${id} ${tag}`, now);
  }

  /** The same, when that is due, of a session that has been used. */
  async renew(tag: string, id: string, lifetime: Lifetime): Promise<void> {
    const { idle, lasting } = lifetime;
    if (idle === undefined || lasting) return;
    const listed = this.#listed.get(`${id} ${tag}`);
    if (listed === undefined || Date.now() - listed > idle / 2) await this.list(tag, id, lifetime);
  }

  /** The ids of the sessions that may have this tag. */
  async idsOf(tag: string): Promise<string[]> {
    const key = this.#place.keys.tag(tag);
    const purpose = { action: "find the sessions of a tag", writes: false };
    const words = await this.#place.connection.ask(key, ["ZRANGE", key, "0", "-1"], purpose);
    return (words as string[]).map(unescapeWord);
  }

  /** The entries of sessions that never end and were listed long ago. */
  async *old(): AsyncGenerator<Entry, void, undefined> {
    const { connection, keys } = this.#place;
    const purpose = { action: "read the list of a tag", writes: false };
    for await (const names of connection.scan(keys.tags, "list tags"))
      for (const key of names) {
        const tag = keys.tagOf(key);
        if (tag === undefined) continue;
        const words = await connection.run(listed, [key], [], purpose);
        for (let index = 0; index + 1 < words.length; index += 2) {
          const [word = "", last = ""] = words.slice(index, index + 2);
          if (isOld(Number(last))) yield { tag, id: unescapeWord(word), last };
        }
      }
  }

  /** Takes the session off the list, unless it was listed again. */
  async unlist({ tag, id, last }: Entry): Promise<void> {
    const purpose = { action: `take session ${id} off the list of its tag`, writes: false };
    const key = this.#place.keys.tag(tag);
    await this.#place.connection.run(unlisting, [key], [escapeWord(id), last], purpose);
  }

  #note(entry: string, now: number): void {
    this.#listed.delete(entry);
    this.#listed.set(entry, now);
    const [oldest] = this.#listed.keys();
    if (this.#listed.size > maxListed && oldest !== undefined) this.#listed.delete(oldest);
  }
}

// A hundred years.
const foreverMs = 36_525 * 86_400_000;

// Far more than anybody takes from listing a session to writing it.
const settledMs = 3_600_000;

/** Whether an entry that is good until `last` is of a session that never ends, and was listed long ago. */
function isOld(last: number): boolean {
  const isForever = last - Date.now() > foreverMs / 2;
  return isForever && Date.now() - (last - foreverMs) > settledMs;
}

// What is forgotten is listed once more than it need be.
const maxListed = 10_000;
