// interleavings/broken.mjs: guards of the lock, each taken out in turn. With any of them gone a
// scenario goes wrong. Others show elsewhere: that the lock is looked at again once the record is
// open (pauses.test.ts), and that a removal leaves a tombstone first (removals.test.ts).
//
// Imported with BROKEN=<name>, it changes what is published while it is being loaded: the part of it
// that was built from this file.

import { register } from "node:module";

const nothing = "";

/** What each one does wrong, where it shows, and as what. */
export const broken = {
  "an update is acknowledged whoever has the lock by then (verify before, not after)": {
    file: "session-file.js",
    from: "if (!isOurs && this.#wrote)",
    to: "if (false)",
    scenario: "2 updates, 2 lies, 1 death",
  },
  "the taker goes on in the same file (verify only)": {
    file: "takeover.js",
    from: "leaveTheInode(lock);",
    to: nothing,
    scenario: "2 updates, 2 lies, 1 death",
  },
  "whoever finds a lock stale replaces it (naive takeover)": {
    file: "takeover.js",
    from: "const claims = claim(file, take, token, incarnationOf(held), isOver);",
    to: "const claims = [];",
    scenario: "a dead lock, 3 takers",
  },
  "a release removes whatever lock is there": {
    file: "lock.js",
    from: "isMine(lock) && unlinkIfThere",
    to: "unlinkIfThere",
    scenario: "2 updates, 2 lies, 1 death",
  },
  "nobody leaves a mark": {
    file: "session-file.js",
    from: /if \(isRecord\S*\(this\.#found\) && this\.#found\.layout\.mark !== unmarked\)/,
    to: "if (false)",
    scenario: "a late release, 2 updates",
  },
  "a mark is seen and not respected": {
    file: "session-file.js",
    from: "if (found.layout.mark !== wary)",
    to: "if (false)",
    scenario: "a late release, 2 updates",
  },
  "a new file is put at its name by anybody who once had the lock": {
    file: "publish.js",
    from: 'unlinkIfThere(companionFile(file, mark, "new"));',
    to: ";",
    scenario: "grow, update, 2 lies, 1 death",
  },
  "a new session replaces what is there": {
    file: "publish.js",
    from: 'place === "over" ? renameIfThere : putWhereNothingIs',
    to: "renameIfThere",
    scenario: "a late release, first updates",
  },
  "what replaces a file has the same name for all (pids of two containers)": {
    file: "lock.js",
    from: /return .*\.randomUUID\(\)\.replaceAll\("-", ""\);/,
    to: 'return "1".repeat(32);',
    scenario: "grow, update, 2 lies, 1 death",
  },
  "a short write counts as a write": {
    file: "descriptor.js",
    from: /for \(let done = 0; done < bytes\.length;\)/,
    to: "for (let done = 0; done < 1;)",
    scenario: "2 updates by file, 2 lies, 1 death",
  },
  "a move is over when the new session is there": {
    file: "move.js",
    from: /\{\s*\.\.\.meta,\s*pending\s*\}/,
    to: "meta",
    scenario: "move, update, 1 lie, 1 death",
  },
  "what a move replaces stays until it is made": {
    file: "move.js",
    from: "pending.replaces = to.found.touched;",
    to: nothing,
    scenario: "move onto another, update, 1 lie, 1 death",
  },
  "the old record of a move stays as long as a copy may need it": {
    file: "move.js",
    from: /to\.confirm\(\);(?=\s*if \(until)/,
    to: nothing,
    scenario: "move onto another, update, 1 lie, 1 death",
  },
  "the old record of a move stays for the session it has moved to": {
    file: "move.js",
    from: "from.found.current.meta.to !== id",
    to: "!from.found.current.meta.gone",
    scenario: "half a move onto another, move elsewhere, update, 1 death",
  },
  "a move that lost its lock looks who has won, and undoes its half": {
    file: "move.js",
    from: "from.bury(token, meta.id, until);",
    to: "try { from.bury(token, meta.id, until); } catch (error) { if (to.bury()) to.unlink(); throw error; }",
    scenario: "move, update, 2 lies",
  },
};

if (process.env.BROKEN) {
  const { file, from, to } = broken[process.env.BROKEN];
  const hook = `
    let change;
    export const initialize = (given) => { change = given; };
    export async function load(url, context, next) {
      const loaded = await next(url, context);
      if (!url.endsWith("/dist/files.js")) return loaded;
      const parts = String(loaded.source).split(/^(?=\\/\\/ \\S+\\.m?js$)/m);
      const index = parts.findIndex((part) => part.split("\\n", 1)[0].endsWith("/file/" + change.file));
      const from = change.isText ? change.from : new RegExp(change.from);
      const replaced = parts[index].replace(from, change.to);
      if (replaced === parts[index]) throw new Error("nothing to break in " + change.file);
      return { ...loaded, source: parts.with(index, replaced).join("") };
    }`;
  const isText = typeof from === "string";
  register(`data:text/javascript,${encodeURIComponent(hook)}`, {
    data: { file, to, isText, from: isText ? from : from.source },
  });
}
