// What is known to be broken, and why it still is. Each entry must be seen, or it has to go.

import type { Promised } from "./_matrix.ts";

export interface Known {
  why: string;
  /** All that are matched by these. */
  operation?: RegExp;
  call: RegExp;
  fault?: RegExp;
  broken: Promised[];
}

const cause: Promised = "an error is a SessionError with the right code, status and cause";
const endless: Promised[] = [
  "it ends",
  "no descriptor is left behind",
  "no lock is left behind",
  cause,
];

export const known: Known[] = [
  {
    why: "lock.ts, publish.ts, takeover.ts: what fails in a `finally` hides what failed first",
    call: /./,
    fault: /that call|every call/,
    broken: [cause],
  },
  {
    why: "lock.ts: createFile() does not unlink when it cannot close",
    call: /^fstatSync .*\.lock$/,
    fault: /every call/,
    broken: ["no lock is left behind"],
  },
  {
    why: "wait.ts, takeover.ts: a lock or heir that is there and is not is asked for without a pause",
    call: /^(openSync|fstatSync|lstatSync|linkSync) .*\.(lock|take|heir)$/,
    fault: /(EEXIST|ENOENT) that call/,
    broken: endless,
  },
  {
    why: "publish.ts: writeAll() goes on for ever when 0 bytes are written; nobody looks how much of a token was",
    call: /^writeSync /,
    fault: / 0 bytes always/,
    broken: endless,
  },
  {
    why: "publish.ts: moveToNewInode() publishes what it could not read to the end",
    operation: /stale/,
    call: /^readSync /,
    fault: / \d+ bytes /,
    broken: ["old or new, whole", "what is acknowledged is there"],
  },
  {
    why: "move.ts: what fails after the old session has ended removes the new one as well",
    operation: /^move onto/,
    call: /^(f\w+|write)Sync sess_a$/,
    broken: ["old or new, whole"],
  },
  {
    why: "move.ts: a move that fails does not give the session back that it was to replace",
    operation: /^move onto another session/,
    call: /./,
    fault: /once/,
    broken: ["old or new, whole"],
  },
];
