import { basename, dirname, join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import * as v1 from "unstorage-v1";
import * as v2 from "unstorage-v2";
import driver from "../src/driver.ts";
import { companionFile, lockFile, Names, parseCompanion } from "../src/file/names.ts";
import { FileHandler } from "../src/index.ts";
import { filesIn, tempDir } from "./_dir.ts";
import { size } from "./_size.ts";

const fileDir = "/var/sessions";
const names = new Names(fileDir, "sess_");

const traps = [
  "..",
  ".",
  "../x",
  "/etc/passwd",
  "a/b",
  "a\\b",
  "C:\\x",
  "\0",
  "a\0b",
  "a\nb",
  "~",
  "-rf",
  "$HOME",
  "CON",
  "con",
  "NUL.txt",
  "COM1",
  "a.",
  "a ",
  " a",
  "a:b",
  "a:$DATA",
  "a*",
  "a?",
  '"',
  "<a>",
  "|",
  "a.lock",
  "b.lock",
  `a.${"0".repeat(32)}.new`,
  "a.lock.lock",
  ".lock",
  "a%2elock",
  "%61",
  "%",
  "%%",
  "%u0061",
  "straße",
  "STRASSE",
  "ß",
  "\u1e9e",
  "ss",
  "\u0131",
  "i",
  "\u0130",
  "I",
  "\u212a",
  "K",
  "k",
  "\u212b",
  "\u00c5",
  "A\u030a",
  "\u00e9",
  "e\u0301",
  "É",
  "ﬁ",
  "fi",
  "①",
  "1",
  "\uac00",
  "\u1100\u1161",
  "ſ",
  "s",
  "S",
  "ς",
  "σ",
  "Σ",
  "\ud800",
  "\udc00",
  "\udc00\ud800",
  "\ud83d\ude00",
  "\ud83d",
  "\ude00",
  "a\ud800b",
  "\ufffd",
  "\ufeff",
  "\u202e",
  "__proto__",
  "constructor",
  "toString",
  "a".repeat(128),
  "a".repeat(129),
  "a".repeat(215),
  "é".repeat(35),
];

// Anything at all, with a liking for what trips file systems up.
const someId = fc.oneof(
  { weight: 2, arbitrary: fc.string({ minLength: 1, maxLength: 20, unit: "binary" }) },
  { weight: 2, arbitrary: fc.string({ minLength: 1, maxLength: 12 }) },
  {
    weight: 2,
    arbitrary: fc
      .array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 8 })
      .map((units) => String.fromCharCode(...units)),
  },
  { weight: 1, arbitrary: fc.stringMatching(/^[a-zA-Z0-9_%.:/-]{1,8}$/) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(...traps), fc.constantFrom(...traps))
      .map((two) => two.join("")),
  },
  { weight: 1, arbitrary: fc.constantFrom(...traps) },
);

/** The forms of an id that a careless place would take for one. */
const relativesOf = (id: string): string[] => [
  id,
  id.toLowerCase(),
  id.toUpperCase(),
  id.normalize("NFC"),
  id.normalize("NFD"),
  id.normalize("NFKC"),
  `${id}.lock`,
  `${id} `,
  `${id}.`,
];

type Naming = Pick<Names, "file" | "idOf">;

/** Looks at the names of so many ids: how often what goes wrong, with an example each. */
function survey(
  naming: Naming,
  count: number,
): { ids: number; refused: number; faults: Record<string, string> } {
  // By the names as they are to a file system that ignores case and takes forms that look alike for
  // one.
  const owners = new Map<string, string>();
  const seen = new Set<string>();
  const faults: Record<string, string> = {};
  let refused = 0;
  const found = (fault: string, id: string): void => void (faults[fault] ??= JSON.stringify(id));

  const look = (id: string): void => {
    if (id === "" || seen.has(id)) return;
    seen.add(id);
    let path: string;
    try {
      path = naming.file(id);
    } catch (error) {
      if ((error as { code?: string }).code === "ERR_SESSION_ID") refused++;
      else found("thrown", id);
      return;
    }
    const name = basename(path);
    if (dirname(path) !== fileDir) return found("outside", id);
    if (naming.idOf(name) !== id) found("not the id it was", id);
    if (parseCompanion(name)) found("beside another", id);
    if (name.length > 215 || !/^[\w%-]+$/.test(name)) found("no file name", id);
    const folded = name.toLowerCase().normalize("NFKC").toUpperCase();
    if (owners.has(folded)) found("shared", id);
    owners.set(folded, id);
  };

  for (const trap of traps) relativesOf(trap).forEach(look);
  const batch = fc.array(someId, { minLength: 250, maxLength: 250 });
  while (seen.size < count)
    for (const ids of fc.sample(batch, 10)) for (const id of ids) relativesOf(id).forEach(look);
  return { ids: seen.size, refused, faults };
}

describe("Names", () => {
  it("an id of [a-z0-9_-]{1,128} is its own name", () => {
    for (const plain of ["a", "0-_z", "a".repeat(128)])
      expect(names.file(plain)).toBe(`/var/sessions/sess_${plain}`);
  });

  it("no id leaves the directory, shares a file, or names what stands beside one", () => {
    const { ids, refused, faults } = survey(names, size(100_000, 1_000_000));
    expect(faults).toEqual({});
    expect(ids).toBeGreaterThanOrEqual(size(100_000, 1_000_000));
    expect(refused / ids).toBeLessThan(0.1); // too long for a name, and nothing else
  });

  it("all that goes wrong for an id as it is, and for one that is encoded as in a URL", () => {
    const asItIs: Naming = {
      file: (id) => join(fileDir, `sess_${id}`),
      idOf: (name) => name.slice("sess_".length),
    };
    const asInUrl: Naming = {
      file: (id) => join(fileDir, `sess_${encodeURIComponent(id)}`),
      idOf: (name) => decodeURIComponent(name.slice("sess_".length)),
    };
    expect(Object.keys(survey(asItIs, 20_000).faults).sort()).toEqual([
      "beside another",
      "no file name",
      "not the id it was",
      "outside",
      "shared",
    ]);
    expect(Object.keys(survey(asInUrl, 20_000).faults).sort()).toEqual([
      "beside another",
      "no file name",
      "shared",
      "thrown",
    ]);
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

  it("an id of a megabyte is refused before it is encoded", () => {
    for (const long of ["a", "é", "/", "\0"].map((character) => character.repeat(2 ** 20))) {
      const from = vi.spyOn(Buffer, "from");
      onTestFinished(() => from.mockRestore());
      expect(() => names.file(long)).toThrow(expect.objectContaining({ code: "ERR_SESSION_ID" }));
      expect(from).not.toHaveBeenCalled();
    }
  });

  it("every companion of the longest name is a name that a file system takes", () => {
    const longest = names.file("a".repeat(255 - 40 - "sess_".length));
    expect(basename(companionFile(longest, "0".repeat(32), "take")).length).toBeLessThanOrEqual(
      255,
    );
  });
});

describe("real files", () => {
  const ids = [...new Set([...traps, ...fc.sample(someId, size(300, 10_000))])].filter(
    (id) => Buffer.byteLength(id) <= 70 && id !== "",
  );

  it("give every id back, in its own file, as keys() of a handler and of a driver", async () => {
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir });
    const storage = driver({ fileDir });
    for (const [n, id] of ids.entries())
      if (n % 2 === 0) await handler.store(id, id);
      else await storage.setItemRaw(id, id);
    expect(filesIn(fileDir)).toHaveLength(ids.length);
    expect(filesIn(fileDir).filter((name) => !/^sess_[a-z0-9_%-]+$/.test(name))).toEqual([]);
    const keys: string[] = [];
    for await (const id of handler.keys()) keys.push(id);
    expect(keys.toSorted()).toEqual(ids.toSorted());
    expect((await storage.getKeys()).toSorted()).toEqual(ids.toSorted());
    for (const id of ids) expect((await handler.retrieve(id)).data).toBe(id);
    for (const id of ids) expect(await storage.getItem(id)).toBe(id);
    await storage.clear();
    expect(filesIn(fileDir)).toEqual([]);
  });

  it.each([
    ["unstorage 1", v1],
    ["unstorage 2", v2 as unknown as typeof v1],
  ])("give %s its keys back", async (_, { createStorage, normalizeKey, hasDotSegment }) => {
    const storage = createStorage({ driver: driver({ fileDir: tempDir() }) });
    const kept = new Map<string, string>();
    for (const id of ids) {
      const key = normalizeKey(id);
      if (key === "" || key.endsWith("$") || hasDotSegment(key)) continue; // not keys of a storage
      await storage.setItem(key, `of ${id}`);
      kept.set(key, `of ${id}`);
    }
    expect(kept.size).toBeGreaterThan(200);
    expect((await storage.getKeys()).toSorted()).toEqual([...kept.keys()].toSorted());
    for (const [key, value] of kept) expect(await storage.getItem(key)).toBe(value);
  });
});
