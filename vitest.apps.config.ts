import { defineConfig, type ViteUserConfig } from "vitest/config";

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["test/apps/*.test.ts"],
    globalSetup: "test/apps/_pack.ts",
    testTimeout: 30_000,
    hookTimeout: 240_000, // installing an app and building it
    maxWorkers: 2, // on two processors one would be the default; installing is mostly waiting
  },
});

export default config;
