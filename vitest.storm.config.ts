import { defineConfig, type ViteUserConfig } from "vitest/config";

// These two leave the processors to each other: one waits for a minute to be over, the other thinks.
const together = ["test/storm/interleavings.test.ts", "test/storm/pauses.test.ts"];

const config: ViteUserConfig = defineConfig({
  test: {
    globalSetup: "test/storm/_setup.ts",
    testTimeout: process.env.STORM === "long" ? 12 * 3600_000 : 240_000,
    projects: [
      {
        extends: true,
        test: { name: "minute", include: together, sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        test: {
          name: "storm",
          include: ["test/storm/*.test.ts"],
          exclude: together,
          fileParallelism: false, // a storm needs all processors there are
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});

export default config;
