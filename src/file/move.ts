// Moving a session to another id: two files, and one step that decides.
//
// Under both locks the record is written at its new id as `pending`, which is a miss; should there be
// a session already, that one stays in the other slot, and is what readers find. Then the old record
// is ended, with a token that the pending one names. That end, one write through a descriptor, is the
// move: before it there is the old session, after it the new one, and never both or neither, wherever
// the mover is killed, or paused until others have taken its locks over. What is left to do, dropping
// the word `pending` and removing the old file, is done by the mover, or by whoever finds either
// half: a `clean`, or a writer who wants one of the two ids. They take both
// locks; then the mover can end nothing any more.
//
// With a grace the old record stays: what ended it also says where the session is, and until when it
// leads there.

import type { Pickled } from "../core/pickle.ts";
import { newToken } from "./lock.ts";
import { isNoTime } from "./publish.ts";
import type { Found } from "./found.ts";
import type { Meta } from "./record.ts";
import type { LockedFile } from "./session-file.ts";

/**
 * Moves the session in `from` to `to`, with this content; `until` then `from` leads there. When it throws it has not moved, unless it
 * is for a lost lock: then the old record says whether it has.
 */
export function move(
  oldId: string,
  from: LockedFile,
  to: LockedFile,
  meta: Meta,
  pickled: Pickled,
  touched: number,
  until?: number,
): void {
  const token = newToken();
  const pending: Meta["pending"] = { from: oldId, token, touched };
  const isSession = typeof to.found === "object" && to.found.current.meta.gone === undefined;
  if (isSession) pending.replaces = to.found.touched;
  try {
    // The mtime 0 makes every `clean` look at it.
    to.write({ ...meta, pending }, pickled, 0);
    to.confirm();
    from.bury(token, meta.id, until);
    to.confirm();
  } catch (error) {
    attempt(() => undo(from, to, token));
    throw error;
  }
  attempt(() => {
    to.write(meta, pickled, touched);
    to.confirm(); // a taker's copy may still be pending, and needs the old record
    if (until === undefined) from.unlink();
    else from.leaveTrace();
  });
  to.settle();
}

/**
 * Takes back what is pending, if the locks are still ours and the old record has not ended. Otherwise
 * it is not for us to say whether the session has moved: `clean` ends the move.
 */
function undo(from: LockedFile, to: LockedFile, token: string): void {
  to.confirm();
  from.confirm();
  if (!from.hasEndedBy(token) && pendingIn(to.found)?.token === token) takeBack(to);
}

/** The ids of a move that was not brought to its end, when this is one of its two records. */
export function leftOfMove(found: LockedFile["found"]): [oldId: string, id: string] | undefined {
  if (found === undefined || found === "damaged") return undefined;
  const { id, to, pending } = found.current.meta;
  if (to !== undefined) return [id, to];
  return pending && [pending.from, id];
}

/** Ends a move that somebody has begun and did not live to finish. Under both locks. */
export function finishMove(oldId: string, from: LockedFile, id: string, to: LockedFile): void {
  if (from.found === "damaged") from.setAside();
  if (typeof to.found === "object" && pendingIn(to.found)?.from === oldId) {
    const { pending, ...meta } = to.found.current.meta;
    if (pending?.token === traceIn(from.found)) to.write(meta, to.found.current, to.found.touched);
    else takeBack(to);
    to.confirm(); // as above
  }
  // What has moved elsewhere ends there.
  if (typeof from.found !== "object" || from.found.current.meta.to !== id) return;
  if (!isTrace(from.found)) from.unlink();
  else if (from.found.touched < wholeSecond || isNoTime(from.found.touched)) from.leaveTrace();
}

/** The mtime 0, as a file system that keeps whole seconds may give it. */
const wholeSecond = 2000;

/** Whether what was found is no session, but says where one has gone. */
export function isTrace({ current }: Found): boolean {
  return current.meta.until !== undefined;
}

/**
 * What was there before is the session again, or none is. In place it is written over itself: should
 * that be cut off, it is still there.
 */
function takeBack(to: LockedFile): void {
  const before = typeof to.found === "object" ? to.found.before : undefined;
  if (before) to.write(before.current.meta, before.current, before.touched);
  else if (to.bury()) to.unlink();
}

function pendingIn(found: LockedFile["found"]): Meta["pending"] {
  return typeof found === "object" ? found.current.meta.pending : undefined;
}

/** By which token the session that was here has ended. */
export function traceIn(found: LockedFile["found"]): string | undefined {
  if (found === undefined || found === "damaged") return undefined;
  return found.current.meta.gone;
}

/** Tidies up. Should it fail, `clean` does the same: what is decided by now is not changed by it. */
function attempt(tidyUp: () => void): void {
  try {
    tidyUp();
  } catch {
    // see above
  }
}
