// A session that moves to another id, which in a Cluster may be on another node: at no moment is it lost,
// and at none is it in two places.
//
//   1  at the new id:  what is to be there, "coming" from the old id and its rev, with what it replaces
//   2  at the old id:  "going" to the new one, if it has that rev still. Now it has moved
//   3  at the new id:  it is live
//   4  at the old id:  nothing, or "gone", as word of where it is
//
// Whoever finds it coming looks at the old id. Is it going to here, then it has moved. Has it that rev, it
// has not moved yet, and what was there before counts. Otherwise it never will. So a reader knows at every
// moment. A writer brings it to an end first: at the new id by what the old one says, giving that another
// rev where it is undecided, with which step 2 fails; and at the old id by the steps 3 and 4. A crash
// leaves one of these states, and whoever comes next goes on from there.

import type { Place, Replaced } from "./place.ts";
import {
  type Coming,
  endOf,
  type Found,
  foundIn,
  type Gone,
  hasGone,
  type Stored,
  stringOf,
} from "./record.ts";

type FoundComing = Found & { state: Coming };
type FoundGone = Found & { state: Gone };

export function isComing(found: Found | undefined): found is FoundComing {
  return found?.state.is === "coming";
}

function isGoing(found: Found | undefined): found is FoundGone {
  return found?.state.is === "going";
}

/** Whether a writer has to bring a move to an end here. */
export function isOnTheWay(found: Found | undefined): boolean {
  return isComing(found) || isGoing(found);
}

/** What a reader has to take `found` for, which stands at `id`. */
export async function resolved(
  place: Place,
  id: string,
  found: Found | undefined,
): Promise<Found | undefined> {
  if (!isComing(found)) return found;
  if ((await fateOf(place, id, found)) === "moved") return { ...found, state: { is: "live" } };
  const again = await place.look(id);
  // The old one may have been forgotten since, but not before the new one was live.
  if (again?.head.rev !== found.head.rev) return resolved(place, id, again);
  return before(found);
}

/** The tokens of the locks that are held, by id. */
export type Tokens = ReadonlyMap<string, string>;

const none: Tokens = new Map();

/** Brings the move of what is at `id` to an end. A writer begins with it. */
export async function settle(place: Place, id: string, tokens: Tokens = none): Promise<void> {
  const found = await place.look(id);
  if (isGoing(found)) {
    await settle(place, found.state.to, tokens);
    const [expected, stored, token] = [found.head.rev, word(place, found), tokens.get(id)];
    await place.replaceWhenFree(id, { expected, stored, token });
  }
  if (!isComing(found)) return;
  const fate = await fateOf(place, id, found);
  if (fate === "open") {
    await giveUp(place, found, tokens);
    return settle(place, id, tokens);
  }
  const stored = fate === "moved" ? arrived(place, found) : before(found);
  await place.replaceWhenFree(id, {
    expected: found.head.rev,
    stored,
    token: tokens.get(id),
  });
}

/** A move, all of it known. */
export interface Move {
  from: string;
  to: string;
  /** What stands at `from`: a session. */
  old: Found;
  /** What stands at `to`. */
  target: Found | undefined;
  /** What is to stand there. */
  stored: Stored;
  /** Seconds for which the old id leads to the new one. */
  grace: number;
  tokens: Tokens;
}

/** Moves the session, unless somebody has written meanwhile. */
export async function move(
  place: Place,
  { from, to, old, target, stored, grace, tokens }: Move,
): Promise<Replaced> {
  const coming = { ...stored, state: comingFrom(from, old, target) };
  const { rev } = coming.head;
  const first = await place.replace(to, {
    expected: target?.head.rev,
    stored: coming,
    token: tokens.get(to),
  });
  if (first !== "done") return first;
  const gone = going(place, old, { is: "going", to, until: graceEnd(grace), rev });
  const second = await place.replace(from, {
    expected: old.head.rev,
    stored: gone,
    token: tokens.get(from),
    // As long as the other is not live yet, somebody may ask.
    until: Math.max(endOf(gone.head) ?? Infinity, endOf(stored.head) ?? Infinity),
  });
  if (second !== "done") {
    await place.replace(to, { expected: rev, stored: target, token: tokens.get(to) });
    return second;
  }
  // Others may have done these for us.
  await place.replace(to, { expected: rev, stored: arrived(place, coming), token: tokens.get(to) });
  await place.replace(from, {
    expected: gone.head.rev,
    stored: word(place, gone),
    token: tokens.get(from),
  });
  return "done";
}

function comingFrom(from: string, old: Found, target: Found | undefined): Coming {
  return { is: "coming", from, rev: old.head.rev, before: target && stringOf(target) };
}

function going(place: Place, { head }: Found, state: Gone): FoundGone {
  const now = Date.now();
  const rev = place.newRev();
  return {
    head: { ...head, touched: now, rev },
    state,
    encoding: "json",
    text: "",
    data: undefined,
  };
}

/** What stays at the old id. */
function word(place: Place, { head, state, ...rest }: FoundGone): Stored | undefined {
  if (state.until === undefined) return undefined;
  return { ...rest, head: { ...head, rev: place.newRev() }, state: { ...state, is: "gone" } };
}

function graceEnd(grace: number): number | undefined {
  return grace > 0 ? Date.now() + 1000 * grace : undefined;
}

function arrived(place: Place, coming: Stored): Stored {
  return { ...coming, state: { is: "live" }, head: { ...coming.head, rev: place.newRev() } };
}

function before({ state }: FoundComing): Found | undefined {
  return state.before === undefined ? undefined : foundIn(state.before);
}

async function fateOf(
  place: Place,
  id: string,
  { head, state }: FoundComing,
): Promise<"moved" | "open" | "over"> {
  const there = await place.look(state.from);
  const is = there?.state;
  if (hasGone(is) && is.to === id && is.rev === head.rev) return "moved";
  return there?.head.rev === state.rev ? "open" : "over";
}

/** Gives the old session another rev, so that it does not move on what it had. */
async function giveUp(place: Place, { state }: FoundComing, tokens: Tokens): Promise<void> {
  const old = await place.look(state.from);
  if (old?.head.rev !== state.rev) return;
  const stored = { ...old, head: { ...old.head, rev: place.newRev() } };
  const token = tokens.get(state.from);
  await place.replaceWhenFree(state.from, { expected: state.rev, stored, token });
}
