import { defineNitroConfig } from "nitropack/config";

export default defineNitroConfig({
  compatibilityDate: "2025-11-01",
  // The first door. The second is useFileSession, in session.ts: both open the same directory.
  // The path is relative to the working directory of the server, not to this file.
  storage: {
    sessions: { driver: "filesession/driver", fileDir: "./.data/sessions" },
  },
  // What Node 20 runs, bigints among it.
  esbuild: { options: { target: "es2022" } },
  // Every import in this app is written out.
  imports: false,
  routeRules: {
    // Nothing on the page comes from anywhere else, and the browser is told so.
    "/**": {
      headers: {
        "content-security-policy":
          "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
      },
    },
  },
});
