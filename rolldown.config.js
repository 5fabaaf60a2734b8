// What is published: one file for each subpath, with what they need of others inside.
//
// A file costs an import a millisecond and each kilobyte 0.03, as `npm run bench` shows under
// "Start". The others import `filesession`, so an app has one FileHandler and one SessionError
// whatever it imports. What runs in a thread is no subpath, but a file of its own; what two or more of
// them share is in files.js.

import { defineConfig } from "rolldown";

const bundle = (input) => ({
  input,
  platform: "node",
  external: /^node:|^\.\/(?:driver|index)\.js$|^iron-webcrypto$/,
  makeAbsoluteExternalsRelative: false, // index.js is in the bundle of testing.js, and is outside of it
  output: {
    dir: "dist",
    chunkFileNames: "[name].js",
    codeSplitting: { groups: [{ name: "files", minShareCount: 2 }] },
    // The declarations have the comments; annotations are for the bundler of the app.
    comments: { annotation: true, jsdoc: false, legal: false },
  },
});

export default defineConfig([
  bundle({
    index: "./.build/index.js",
    thread: "./.build/file/thread.js",
    testing: "./.build/testing.js",
  }),
  bundle({ driver: "./.build/driver.js" }),
  bundle({ express: "./.build/express.js" }),
  bundle({ nitro: "./.build/nitro.js" }),
]);
