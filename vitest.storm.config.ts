import { defineConfig, type ViteUserConfig } from "vitest/config";

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["test/storm/*.test.ts"],
    globalSetup: "test/storm/_setup.ts",
    fileParallelism: false, // a storm needs all processors there are
    testTimeout: process.env.STORM === "long" ? 12 * 3600_000 : 240_000,
  },
});

export default config;
