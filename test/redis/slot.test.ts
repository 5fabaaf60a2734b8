import { describe, expect, it } from "vitest";
import { slotOf } from "../../src/redis/slot.ts";

describe("slotOf", () => {
  it("is CRC16 of what stands in braces", () => {
    // The check value of the specification, 0x31c3, and what redis-server says, see server.test.ts.
    expect(slotOf("sess:{123456789}")).toBe(0x31c3);
    expect(slotOf("sess:{somekey}")).toBe(11_058);
    expect(slotOf("sess:{hash_tag}:corrupt")).toBe(2515);
  });
});
