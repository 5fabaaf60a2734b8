import { beforeEach, describe, expect, it, vi } from "vitest";
import type { SessionRecord } from "../src/index.ts";
import { withLateData } from "../src/file/late-data.ts";
import { Found } from "../src/file/found.ts";

const head = { id: "a", ip: "", time: 1, touched: 2 };

let found: Found;
let record: SessionRecord<{ n: number }>;

beforeEach(() => {
  found = new Found({ seq: 1, meta: head, encoding: "json", text: '{"n":1}' }, 2);
  vi.spyOn(found, "data");
  record = withLateData({ ...head }, found);
});

describe("withLateData", () => {
  it("parses nothing as long as nobody asks", () => {
    expect([record.id, Object.keys(record).at(-1), "data" in record]).toEqual(["a", "data", true]);
    expect(found.data).not.toHaveBeenCalled();
  });

  it("parses once, and gives the same data from then on", () => {
    record.data.n = 7;
    expect(record.data).toEqual({ n: 7 });
    expect(found.data).toHaveBeenCalledOnce();
  });

  it("is a record like any other", () => {
    expect(record).toStrictEqual({ ...head, data: { n: 1 } });
    expect({ ...record }).toStrictEqual({ ...head, data: { n: 1 } });
    expect(structuredClone(record)).toStrictEqual({ ...head, data: { n: 1 } });
    expect(JSON.stringify(record)).toBe(JSON.stringify({ ...head, data: { n: 1 } }));
  });

  it("takes other data", () => {
    record.data = { n: 2 };
    expect({ ...record }).toEqual({ ...head, data: { n: 2 } });
    expect(found.data).not.toHaveBeenCalled();
  });

  it.each([
    ["a proxy", (): typeof record => new Proxy(record, {})],
    ["an heir", (): typeof record => Object.create(record) as typeof record],
    ["a frozen record", (): typeof record => Object.freeze(record)],
  ])("gives its data to %s", (_, made) => {
    expect(made().data).toEqual({ n: 1 });
  });
});
