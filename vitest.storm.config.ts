import { defineConfig, type ViteUserConfig } from "vitest/config";

// These two leave the processors to each other: one waits for a minute to be over, the other thinks.
const together = ["test/storm/interleavings.test.ts", "test/storm/pauses.test.ts"];

const testTimeout = process.env.STORM === "long" ? 12 * 3600_000 : 240_000;

const config: ViteUserConfig = defineConfig({
  test: {
    globalSetup: "test/storm/_setup.ts",
    projects: [
      {
        test: {
          name: "minute",
          include: together,
          testTimeout,
          maxWorkers: 2, // on two processors one would be the default
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "storm",
          include: ["test/storm/*.test.ts"],
          exclude: together,
          testTimeout,
          fileParallelism: false, // a storm needs all processors there are
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});

export default config;
