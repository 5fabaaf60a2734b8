import { fileURLToPath } from "node:url";
import filesession from "filesession/nitro";
import { defineConfig } from "nitro";
import { headers } from "../headers.ts";

export default defineConfig({
  compatibilityDate: "2025-11-01",
  // Routes, plugins and the public files are those of Nitro 2.
  serverDir: "..",
  alias: { "#framework": fileURLToPath(new URL("framework.ts", import.meta.url)) },
  // Two doors to one directory, as there.
  modules: [filesession({ redis: { url: "" } })],
  routeRules: { "/**": { headers } },
});
