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

const published = {
  input: [
    ...subpaths.map((name) => `./.build/${basename(name, ".ts")}.js`),
    "./.build/file/thread.js",
  ],
  platform: "node",
  external: /^node:|^\.\/(?:driver|index|nitro)\.js$|^(?:iron-webcrypto|ioredis|redis)$/,
  makeAbsoluteExternalsRelative: false, // they are in the bundle, and are outside of the others
  output: {
    dir: "dist",
    chunkFileNames: "[name].js",
    codeSplitting: { groups: [{ name: "files", minShareCount: 2 }] },
    // The declarations have the comments; annotations are for the bundler of the app.
    comments: { annotation: true, jsdoc: false, legal: false },
  },
};

// What Nuxt builds into an app: files as they are, which import what is there only then. `filesession`
// by that name, so that it is the server's own and no second one.
const inApps = {
  input: Object.fromEntries(
    [
      "app/plugin",
      "app/use-user-session",
      "server/plugin",
      "server/endpoint",
      "server/devtools",
    ].map((name) => [`nuxt/${name}`, `./.build/nuxt/${name}.js`]),
  ),
  external: /^node:|^#|^h3$|^nitropack\//,
  plugins: [
    {
      name: "filesession-by-name",
      resolveId: (id) =>
        id === "../../index.js" ? { id: "filesession", external: true } : undefined,
    },
  ],
  output: {
    dir: "dist",
    preserveModules: true,
    preserveModulesRoot: ".build",
    comments: { annotation: true, jsdoc: false, legal: false },
  },
};

export default defineConfig([published, inApps]);
