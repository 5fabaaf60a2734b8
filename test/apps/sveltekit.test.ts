import { describe } from "vitest";
import { describeFacts, describeVisitForm, runApp } from "./_facts.ts";

describe("playground/sveltekit", () => {
  const app = runApp({ name: "sveltekit", serve: ["server.js"] });
  describeFacts(app);
  describeVisitForm(app);
});
