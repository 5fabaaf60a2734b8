// What is published: one file for each subpath, with what they need of others inside.
//
// A file costs an import a millisecond and each kilobyte 0.03, as `npm run bench` shows under
// "Start". The others import `filesession`, so an app has one FileHandler and one SessionError
// whatever it imports. What runs in a thread is no subpath, but a file of its own; what two or more of
// them share is in files.js.

import { readdirSync } from "node:fs";
import { basename } from "node:path";
import { defineConfig } from "rolldown";

const subpaths = readdirSync("src").filter((name) => name.endsWith(".ts"));

export default defineConfig({
  input: [
    ...subpaths.map((name) => `./.build/${basename(name, ".ts")}.js`),
    "./.build/file/thread.js",
  ],
  platform: "node",
  external: /^node:|^\.\/(?:driver|index)\.js$|^iron-webcrypto$/,
  makeAbsoluteExternalsRelative: false, // they are in the bundle, and are outside of the others
  output: {
    dir: "dist",
    chunkFileNames: "[name].js",
    codeSplitting: { groups: [{ name: "files", minShareCount: 2 }] },
    // The declarations have the comments; annotations are for the bundler of the app.
    comments: { annotation: true, jsdoc: false, legal: false },
  },
});
