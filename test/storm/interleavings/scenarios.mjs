// What is explored: a few processes, and what each of them does, one thing after the other.
//
// `lies`: how often a waiter may believe that a lock is stale though it is not; `crashes`: how many
// processes may die. `start`: `new`, there is no session yet; `dead lock`, somebody has died with
// the lock 60 s ago; `wary`, a lock was taken over once; `two sessions`, one at `a` and one at `b`;
// `half a move`, the same, and somebody has died while moving the one to the other. Everything else
// begins with a session at `a`.

export const scenarios = {
  "2 updates, 2 lies, 1 death": { lies: 2, crashes: 1, does: ["update", "update"] },
  "2 updates, 3 lies": { lies: 3, crashes: 0, does: ["update", "update"] },
  "2 × 2 updates, 1 lie": { lies: 1, crashes: 0, does: ["update update", "update update"] },
  "3 updates, 1 lie": { lies: 1, crashes: 0, does: ["update", "update", "update"] },
  "3 updates, 1 death": { lies: 0, crashes: 1, does: ["update", "update", "update"] },
  "3 updates, 1 lie, 1 death": { lies: 1, crashes: 1, does: ["update", "update", "update"] },
  "3 updates, 2 lies": { lies: 2, crashes: 0, does: ["update", "update", "update"] },
  "2 first updates, 2 lies, 1 death": {
    start: "new",
    lies: 2,
    crashes: 1,
    does: ["update", "update"],
  },
  "3 first updates, 1 lie": {
    start: "new",
    lies: 1,
    crashes: 0,
    does: ["update", "update", "update"],
  },
  "grow, update, 2 lies, 1 death": { lies: 2, crashes: 1, does: ["grow", "update"] },
  "grow, 2 updates, 1 lie": { lies: 1, crashes: 0, does: ["grow", "update", "update"] },
  "2 updates by file, 2 lies, 1 death": {
    durability: "file",
    lies: 2,
    crashes: 1,
    does: ["update", "update"],
  },
  "remove, update, 2 lies, 1 death": { lies: 2, crashes: 1, does: ["remove", "updateMust"] },
  "remove, 2 updates, 1 lie": { lies: 1, crashes: 0, does: ["remove", "updateMust", "updateMust"] },
  "2 moves, 1 lie, 1 death": { lies: 1, crashes: 1, does: ["moveB", "moveC"] },
  "2 moves, 2 lies": { lies: 2, crashes: 0, does: ["moveB", "moveC"] },
  "move, update, 2 lies": { lies: 2, crashes: 0, does: ["moveB", "updateMust"] },
  "move, update, 1 lie, 1 death": { lies: 1, crashes: 1, does: ["moveB", "updateMust"] },
  "2 moves with grace, 1 lie, 1 death": {
    lies: 1,
    crashes: 1,
    does: ["moveBWithGrace", "moveCWithGrace"],
  },
  "move with grace, update, 2 lies": {
    lies: 2,
    crashes: 0,
    does: ["moveBWithGrace", "updateMust"],
  },
  "move with grace, move back, 1 lie": {
    lies: 1,
    crashes: 0,
    does: ["moveBWithGrace", "moveBA"],
  },
  "move, remove, 1 lie, 1 death": { lies: 1, crashes: 1, does: ["moveB", "remove"] },
  "move, move back, 1 lie": { lies: 1, crashes: 0, does: ["moveB", "moveBA"] },
  "move, remove, update, 1 lie": { lies: 1, crashes: 0, does: ["moveB", "remove", "updateMust"] },
  "move onto another, update, 1 lie, 1 death": {
    start: "two sessions",
    lies: 1,
    crashes: 1,
    does: ["moveB", "updateB"],
  },
  "move onto another, update, 2 lies": {
    start: "two sessions",
    lies: 2,
    crashes: 0,
    does: ["moveB", "updateB"],
  },
  "move in a new file onto another, update, 2 lies": {
    start: "two sessions",
    lies: 2,
    crashes: 0,
    does: ["moveBWithTtl", "updateB"],
  },
  "move onto another, move, 1 lie, 1 death": {
    start: "two sessions",
    lies: 1,
    crashes: 1,
    does: ["moveB", "moveC"],
  },
  "half a move onto another, move elsewhere, update, 1 death": {
    start: "half a move",
    lies: 2,
    crashes: 1,
    does: ["moveC", "updateB"],
  },
  "half a move onto another, update, 1 death": {
    start: "half a move",
    lies: 2,
    crashes: 1,
    does: ["updateB"],
  },
  "remove, first update, 1 lie": { lies: 1, crashes: 0, does: ["remove", "update"] },
  "remove, update update, 1 lie": {
    lies: 1,
    crashes: 0,
    does: ["remove", "updateMust updateMust"],
  },
  "a dead lock, 3 takers": { start: "dead lock", lies: 0, crashes: 0, does: ["own", "own", "own"] },
  "a dead lock, 2 updates, 1 death": {
    start: "dead lock",
    lies: 2,
    crashes: 1,
    does: ["update", "update"],
  },
  "a late release, 2 updates": {
    start: "wary",
    lies: 0,
    crashes: 0,
    does: ["releaseLate", "update update", "update update"],
  },
  "a late release, grow, updates": {
    start: "wary",
    lies: 0,
    crashes: 0,
    does: ["releaseLate", "grow", "update update"],
  },
  "2 late releases, 3 updates": {
    start: "wary",
    lies: 0,
    crashes: 0,
    does: ["releaseLate releaseLate", "update", "update", "update"],
  },
  "a late release, move, update": {
    start: "wary",
    lies: 0,
    crashes: 0,
    does: ["releaseLate", "moveB", "updateMust updateMust"],
  },
  "a late release, first updates": {
    start: "new",
    lies: 0,
    crashes: 0,
    does: ["releaseLate", "update", "update"],
  },
  "update, touch, read": { lies: 1, crashes: 1, does: ["update update", "touch read"] },
};
