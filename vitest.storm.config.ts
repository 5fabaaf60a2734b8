import { defineConfig, type ViteUserConfig } from "vitest/config";

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["test/storm/*.test.ts"],
    globalSetup: "test/_build.ts",
    testTimeout: process.env.STORM === "long" ? 2 * 3600_000 : 120_000,
  },
});

export default config;
