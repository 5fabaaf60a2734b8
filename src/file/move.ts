// Moving a session to another id: two files, and one step that decides.
//
// Under both locks the record is written at its new id as `pending`, which is a miss; then the old
// record is ended, with a token that the pending one names. That end, one write through a
// descriptor, is the move: before it there is the old session, after it the new one, and never both
// or neither, wherever the mover is killed, or paused until others have taken its locks over. What is
// left to do, dropping the word `pending` and removing the old file, is done by the mover, or by
// whoever finds either half: a `clean`, or a writer who wants one of the two ids. They take both
// locks; then the mover can end nothing any more.

import type { Pickled } from "../core/pickle.ts";
import { newToken } from "./lock.ts";
import type { Meta } from "./record.ts";
import type { LockedFile, Snapshot } from "./session-file.ts";

/**
 * Moves the session in `from` to `to`, with this content. When it throws it has not moved, unless it
 * is for a lost lock: then the old record says whether it has.
 */
export function move(
  oldId: string,
  from: LockedFile,
  to: LockedFile,
  meta: Meta,
  pickled: Pickled,
  touched: number,
): void {
  const token = newToken();
  const replaced = typeof to.found === "object" ? to.found : undefined;
  try {
    // The mtime 0 makes every `clean` look at it.
    to.write({ ...meta, pending: { from: oldId, token, touched } }, pickled, 0);
    to.confirm();
    from.bury(token, meta.id);
    to.confirm();
  } catch (error) {
    attempt(() => undo(from, to, token, replaced));
    throw error;
  }
  attempt(() => {
    to.write(meta, pickled, touched);
    from.unlink();
  });
  to.settle();
}

/**
 * Puts back what was at the new id, if the locks are still ours and the old record has not ended.
 * Otherwise it is not for us to say whether the session has moved: `clean` ends the move.
 */
function undo(
  from: LockedFile,
  to: LockedFile,
  token: string,
  replaced: Snapshot | undefined,
): void {
  to.confirm();
  from.confirm();
  if (from.hasEndedBy(token)) return;
  const isSession = replaced && !replaced.current.meta.gone && !replaced.current.meta.pending;
  if (isSession) to.write(replaced.current.meta, replaced.current, replaced.touched);
  else if (to.bury()) to.unlink();
}

/** Ends a move that somebody has begun and did not live to finish. Under both locks. */
export function finishMove(oldId: string, from: LockedFile, to: LockedFile): void {
  if (from.found === "damaged") return;
  const next = typeof to.found === "object" ? to.found : undefined;
  if (next?.current.meta.pending?.from === oldId) {
    const { pending, ...meta } = next.current.meta;
    if (pending.token === traceIn(from.found)) to.write(meta, next.current, next.touched);
    else if (to.bury()) to.unlink();
  }
  if (from.found?.current.meta.gone !== undefined) from.unlink();
}

/** By which token the session that was here has ended. */
export function traceIn(found: Snapshot | "damaged" | undefined): string | undefined {
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
