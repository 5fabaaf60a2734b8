import node from "@astrojs/node";
import { defineConfig } from "astro/config";

export default defineConfig({
  output: "server",
  adapter: node({ mode: "standalone" }),

  // Where `Astro.session` and `context.session` are kept.
  session: {
    driver: { entrypoint: "filesession/driver", config: { fileDir: ".data/astro" } },
  },
});
