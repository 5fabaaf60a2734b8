import { describe } from "vitest";
import { describeFacts, runApp } from "./_facts.ts";

describe("playground/srvx", () => {
  describeFacts(runApp({ name: "srvx", serve: ["dist/server.js"] }));
});
