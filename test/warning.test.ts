import { expect, it, describe, onTestFinished, vi } from "vitest";
import { warnOnce } from "../src/core/warning.ts";

describe("warnOnce", () => {
  it("says a thing once, and remembers no more than 10,000 things", () => {
    const said = vi.spyOn(process, "emitWarning").mockReturnValue();
    onTestFinished(() => said.mockRestore());
    const message = (n: number): string => `Cannot open session ${n}`;

    for (let n = 0; n < 10_000; n++)
      for (let twice = 0; twice < 2; twice++) warnOnce(message(n), "X");
    expect(said).toHaveBeenCalledTimes(10_000);
    warnOnce(message(10_000), "X");
    warnOnce(message(0), "X");
    expect(said).toHaveBeenCalledTimes(10_002);
  });
});
