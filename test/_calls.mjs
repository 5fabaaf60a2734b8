// The system calls that src/file makes, with a test standing between any two of them: it may count
// them, fail them, cut them short, make them slow, kill or stop the process there, or answer them
// from a file system of its own.

import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { sep } from "node:path";

/** What src/file imports from node:fs to call; test/calls.test.ts holds the two together. */
export const callNames = [
  "accessSync",
  "chmodSync",
  "closeSync",
  "existsSync",
  "fchmodSync",
  "fstatSync",
  "fsyncSync",
  "futimesSync",
  "linkSync",
  "lstatSync",
  "mkdirSync",
  "openSync",
  "opendirSync",
  "readFileSync",
  "readSync",
  "readlinkSync",
  "realpathSync",
  "renameSync",
  "statSync",
  "statfsSync",
  "unlinkSync",
  "writeSync",
];

const real = Object.fromEntries(callNames.map((name) => [name, fs[name]]));

/**
 * Hands every call that concerns `dir`, or a descriptor opened there, to `between`, which answers
 * in its place; `proceed` makes the call, with other arguments if it is given some. Whatever
 * `between` itself calls goes to the system. Reading the next entry of a directory is a call too,
 * `readdirSync`. Gives what ends it.
 */
export function intercept(dir, between) {
  const descriptors = new Map();
  let isInside = false;

  const make = (name, proceed, args, path) => {
    if (isInside) return proceed(...args);
    isInside = true;
    try {
      return between({ name, args, path }, (...others) =>
        proceed(...(others.length > 0 ? others : args)),
      );
    } finally {
      isInside = false;
    }
  };

  for (const name of callNames)
    fs[name] = (...args) => {
      const path = typeof args[0] === "number" ? descriptors.get(args[0]) : String(args[0]);
      if (path === undefined || (path !== dir && !path.startsWith(dir + sep)))
        return real[name](...args);
      const result = make(name, real[name], args, path);
      if (name === "openSync") descriptors.set(result, path);
      if (name === "closeSync") descriptors.delete(args[0]);
      return name === "opendirSync" ? watched(result, path) : result;
    };
  fs.realpathSync.native = real.realpathSync.native;
  const watched = (directory, path) => ({
    readSync: () => make("readdirSync", () => directory.readSync(), [], path),
    closeSync: () => make("closeSync", () => directory.closeSync(), [], path),
  });
  syncBuiltinESMExports();

  return () => {
    Object.assign(fs, real);
    syncBuiltinESMExports();
  };
}

/** An error as the system gives it for this call. */
export function systemError(code, { name, path }) {
  const syscall = name.replace("Sync", "");
  return Object.assign(new Error(`${code}: made by a test, ${syscall} '${path}'`), {
    code,
    syscall,
    path,
  });
}
