// What must hold in every state, and at the end of every order.

import { contentOf } from "./disk.mjs";

const { parseRecord } = await import(new URL("../../../.build/file/record.js", import.meta.url));

const ids = ["a", "b", "c"];
const sessions = new Map();

/** What the file of `id` holds: a record, or `"damaged"`; `undefined` when there is none. */
function recordIn(disk, id) {
  const number = disk.names.get(`sess_${id}`);
  if (number === undefined) return undefined;
  const { content } = disk.inodes.get(number);
  if (!sessions.has(content)) {
    const parsed = parseRecord(contentOf(content));
    const isWhole = parsed !== "damaged";
    sessions.set(content, isWhole ? sayings(parsed) : parsed);
  }
  return sessions.get(content);
}

/** What takes the name of a new session, where no file can have a second name, and is none yet. */
function isEmpty(disk, name) {
  return contentOf(disk.inodes.get(disk.names.get(name)).content).length === 0;
}

function sayings({ current, before }) {
  const { by } = JSON.parse(current.text) ?? {};
  return { ...current.meta, by, ...(before && { before: sayings({ current: before }) }) };
}

/** Every session that is one, with the names of those who have changed it, in order. */
function liveIn(disk) {
  return ids.flatMap((id) => {
    const found = recordIn(disk, id);
    if (found === undefined || found === "damaged" || found.gone !== undefined) return [];
    if (!found.pending || hasArrived(disk, found.pending)) return [{ id, by: found.by }];
    return found.before ? [{ id, by: found.before.by }] : [];
  });
}

function hasArrived(disk, { from, token }) {
  const old = recordIn(disk, from);
  return old !== undefined && old.gone === token;
}

/** Whether this is the session that was at the id `b` from the beginning. */
const wasAtB = (by) => by.includes(atB);

/** What the session at the id `b` begins with, where a scenario has one. */
export const atB = "at b";

const startsWithTwo = new Set(["two sessions", "half a move"]);

/** What is wrong in a state, or nothing. */
export function look({ start, linkless }, disk) {
  const isTorn = (id) =>
    recordIn(disk, id) === "damaged" && !(linkless && isEmpty(disk, `sess_${id}`));
  if (ids.some(isTorn)) return "torn";
  const live = liveIn(disk);
  if (live.length > new Set(live.map(({ by }) => wasAtB(by))).size) return "forked";
  if (startsWithTwo.has(start)) {
    const isThere = live.some(({ id }) => id === "b") && live.some(({ by }) => !wasAtB(by));
    if (!isThere) return "gone";
  }
  const owners = [...disk.names.keys()].filter((name) => name.startsWith("owner-"));
  return owners.length > 1 ? "two owners" : undefined;
}

/** What is wrong at the end of an order in which the scenario's processes have come to `outcomes`. */
export function judge({ does, start }, disk, outcomes, { lied }) {
  const wrong = [];
  const all = does.join(" ");
  const [moves, removes, isLate] = ["move", "remove", "Late"].map((word) => all.includes(word));
  const died = outcomes.some(({ error }) => error === "died");
  const live = liveIn(disk);
  const by = live.flatMap((session) => session.by);

  outcomes.forEach(({ value, error }, process) => {
    const what = does[process];
    if (what.startsWith("releaseLate") || error === "died") return;
    if (error === undefined) {
      if (what === "remove" && value === true && live.length > 0 && !moves)
        wrong.push("resurrected");
      const changes = what.match(/update|move|grow/g) ?? [];
      const found = by.filter((name) => name === String(process));
      // What was written to a session before another one took its place is gone with it.
      if (what === "updateB" && !live.some((one) => wasAtB(one.by) === wasAtB(value.data.by)))
        return;
      if (found.length < changes.length && !removes) wrong.push("lost an acknowledged write");
      return;
    }
    const isExpected =
      (error === "ERR_SESSION_LOCK_LOST" && (lied || died || isLate)) ||
      (error === "ERR_SESSION_GONE" && (moves || (removes && live.length === 0)));
    if (!isExpected) wrong.push(error);
  });

  const isNew = start === "new" && outcomes.every(({ error }) => error !== undefined);
  if (live.length === 0 && !removes && !isNew) wrong.push("gone");
  if (new Set(by).size < by.length && does.every((what) => !what.includes(" ")))
    wrong.push("twice");
  const companions = [...disk.names.keys()].filter((name) => name.includes("."));
  if (companions.length > 0 && !lied && !died && !isLate) wrong.push("left something behind");
  return wrong;
}
