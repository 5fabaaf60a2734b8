import { defineConfig, type ViteUserConfig } from "vitest/config";

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/storm/**"],
    globalSetup: "test/_build.ts",
    testTimeout: 20_000,
    coverage: { include: ["src/**"], reporter: ["text-summary"] },
  },
});

export default config;
