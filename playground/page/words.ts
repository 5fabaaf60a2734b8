import { place } from "../place/place.ts";

const ofFiles = {
  title: "Your session is a file.",
  lead: "After every click this page reads it back from disk. Restart the server, or start a second one on the same directory: everything is still here.",
  nothing: "no file",
  notYet: "Nothing is stored, so there is no file, and your browser has no session cookie.",
  asItIs: "The file, as it is on disk",
  about: "Its last two versions, written in turn: one of them is whole at any moment.",
  found: "it was found in its file",
  mount: "The same files, as storage",
  mounts: "Nitro mounts the directory too",
  empty: "the directory is empty",
  raceIn: "Same directory",
  gone: "The file is gone",
  cart: "The cart is on disk.",
};

const ofRedis: typeof ofFiles = {
  title: "Your session is a key in Redis.",
  lead: "After every click this page reads it back from there. Restart the server, or start a second one on another machine: everything is still here.",
  nothing: "no key",
  notYet: "Nothing is stored, so there is no key, and your browser has no session cookie.",
  asItIs: "The value, as it is in Redis",
  about: "A line about the session, and what is in it.",
  found: "it was found in Redis",
  mount: "The same keys, as storage",
  mounts: "Nitro mounts them too",
  empty: "there is nothing in Redis",
  raceIn: "Same Redis",
  gone: "The key is gone",
  cart: "The cart is in Redis.",
};

/** What the page calls things, where the sessions are. */
export const words: typeof ofFiles = place.kind === "redis" ? ofRedis : ofFiles;
