import { basename, dirname } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { companionFile, lockFile, Names, parseCompanion } from "../src/file/names.ts";

const names = new Names("/var/sessions", "sess_");

// Anything at all, with a liking for what trips file systems up.
const id = fc
  .oneof(
    fc.string({ minLength: 1, maxLength: 20, unit: "binary" }),
    fc.string({ minLength: 1, maxLength: 20 }),
    fc.constantFrom("..", ".", "a/b", "a\\b", "\0", "CON", "a.", "a ", "é", "é", "%61", "a.lock"),
    fc
      .array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 8 })
      .map((units) => String.fromCharCode(...units)),
  )
  .filter((text) => text.length > 0);

describe("Names", () => {
  it("an id of [a-z0-9_-]{1,128} is its own name", () => {
    for (const plain of ["a", "0-_z", "a".repeat(128)])
      expect(names.file(plain)).toBe(`/var/sessions/sess_${plain}`);
  });

  it("no id leaves the directory, and every id comes back as it was", () => {
    fc.assert(
      fc.property(id, (text) => {
        const file = names.file(text);
        expect(dirname(file)).toBe("/var/sessions");
        expect(basename(file)).toMatch(/^sess_[a-z0-9_%-]+$/);
        expect(names.idOf(basename(file))).toBe(text);
      }),
      { numRuns: 5000 },
    );
  });

  it("no two ids share a file, also where names ignore case and normal forms", () => {
    const folded = (text: string): string => names.file(text).toLowerCase().normalize("NFC");
    fc.assert(
      fc.property(id, id, (a, b) => {
        expect(folded(a) === folded(b)).toBe(a === b);
      }),
      { numRuns: 5000 },
    );
    expect(folded("A")).not.toBe(folded("a"));
    expect(folded("\u00e9")).not.toBe(folded("e\u0301"));
  });

  it("an id that no file can be named by is ERR_SESSION_ID", () => {
    for (const bad of ["", "a".repeat(300), "é".repeat(50), undefined, 7] as string[])
      expect(() => names.file(bad)).toThrow(expect.objectContaining({ code: "ERR_SESSION_ID" }));
  });

  it("what stands beside a session's file is nobody's session", () => {
    const file = names.file("a");
    const token = "0".repeat(32);
    for (const kind of ["new", "take", "heir", "gone", "bad"] as const) {
      const name = basename(companionFile(file, token, kind));
      expect(names.idOf(name)).toBeUndefined();
      expect(parseCompanion(name)).toEqual({ name: "sess_a", token, kind });
    }
    expect(names.idOf(basename(lockFile(file)))).toBeUndefined();
    expect(names.idOf("sess_%61")).toBeUndefined(); // `a` is never written so
    expect(names.idOf("other_a")).toBeUndefined();
  });

  it("every companion of the longest name is a name that a file system takes", () => {
    const longest = names.file("a".repeat(255 - 40 - "sess_".length));
    expect(basename(companionFile(longest, "0".repeat(32), "take")).length).toBeLessThanOrEqual(
      255,
    );
  });
});
