import { defineConfig, type ViteUserConfig } from "vitest/config";
import { size } from "./test/_size.ts";

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/{apps,storm}/**", "**/node_modules/**"],
    globalSetup: "test/_build.ts",
    maxWorkers: 3, // on two processors one would be the default; half of it is waiting
    testTimeout: size(20_000, 3_600_000),
    coverage: { include: ["src/**"], reporter: ["text-summary"] },
  },
});

export default config;
