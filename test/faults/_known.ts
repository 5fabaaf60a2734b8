// What the matrix holds against the handler, and what is meant so. Each entry must be seen, or it
// has to go.

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

export const known: Known[] = [
  {
    why: "statfs(2) only tells whether to warn of a network disk",
    call: /^statfsSync/,
    broken: ["nothing is swallowed", cause],
  },
  {
    why: "on a full disk a lock says nothing, so that a session can still be changed and removed",
    call: /^writeSync .*\.lock$/,
    fault: /ENOSPC|EDQUOT/,
    broken: ["nothing is swallowed", cause],
  },
  {
    why: "an ended session whose file cannot go is a miss, and the next clean tries again",
    operation: /^clean of a move/,
    call: /^\w+Sync sess_a(\.\S*gone)?$/,
    broken: ["what is acknowledged is there", "nothing is swallowed", cause],
  },
  {
    why: "EPERM of link(2) says that no file can have a second name there: then it is done without",
    call: /^linkSync/,
    fault: /EPERM/,
    broken: ["nothing is swallowed", cause],
  },
  {
    why: "where there is no index, nobody has a tag",
    operation: /^tagged$/,
    call: /^lstatSync/,
    fault: /ENOENT/,
    broken: ["a miss is a session that is not there"],
  },
  {
    why: "who does not wait is told `false`: the lock is there, and cannot be looked at",
    operation: /^_acquireLock/,
    call: /^lstatSync/,
    broken: ["a miss is a session that is not there", cause],
  },
];
