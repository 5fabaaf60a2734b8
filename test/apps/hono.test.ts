import { describe } from "vitest";
import { describeFacts, runApp } from "./_facts.ts";

describe("playground/hono", () => {
  describeFacts(runApp({ name: "hono", serve: ["dist/server.js"] }));
});
