import { fileURLToPath } from "node:url";
import filesession from "filesession/nitro";
import { defineNitroConfig } from "nitropack/config";
import { headers } from "./headers.ts";

export default defineNitroConfig({
  compatibilityDate: "2025-11-01",
  // Two doors to one directory: `useFileSession`, in session.ts, and `useStorage("sessions")`, in
  // mount.ts. It is .data/sessions in the working directory of the server, or a Redis instead where
  // NITRO_FILE_SESSION_REDIS_URL says so.
  modules: [filesession({ redis: { url: "" } })],
  // What Node 20 runs, bigints among it.
  esbuild: { options: { target: "es2022" } },
  // Every import in this app is written out. What differs with Nitro 3 is in this one.
  imports: false,
  alias: { "#framework": fileURLToPath(new URL("framework.ts", import.meta.url)) },
  routeRules: { "/**": { headers } },
});
