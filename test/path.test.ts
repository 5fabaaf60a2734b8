import { describe, expect, it } from "vitest";
import { dataPath } from "../src/core/path.ts";

describe("dataPath", () => {
  it("is the way to a value, as code has it", () => {
    expect(dataPath([])).toBe("data");
    expect(dataPath(["cart", 2, "fn"])).toBe("data.cart[2].fn");
    expect(dataPath(["$id", "_x1"])).toBe("data.$id._x1");
  });

  it("quotes a key that is no name", () => {
    expect(dataPath(["a b", "2", 'say "hi"', ""])).toBe('data["a b"]["2"]["say \\"hi\\""][""]');
  });

  it("shows a symbol, which a schema may name", () => {
    expect(dataPath([Symbol("tag")])).toBe("data[Symbol(tag)]");
  });
});
