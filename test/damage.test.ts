// Damage: whatever happens to the bytes of a record, what comes back is what was stored last, or a
// miss. Most of it in memory, where every case can be tried; a part of it through real files.

import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import driver from "../src/driver.ts";
import {
  capacityOf,
  type Contents,
  parseRecord,
  slotOffset,
  type Version,
} from "../src/file/record.ts";
import { FileHandler } from "../src/index.ts";
import { intercept } from "./_calls.mjs";
import { filesIn, tempDir } from "./_dir.ts";
import { size } from "./_size.ts";

type Parse = (bytes: Buffer) => Omit<Contents, "place"> | "damaged";

/** What a reader of session `id` is given, as text; the number in front says how new it is. */
function seen(parse: Parse, bytes: Buffer, id: string): string {
  try {
    const found = parse(bytes);
    if (found === "damaged" || found.current.meta.id !== id) return "miss";
    const { seq, meta, encoding, text } = found.current;
    return JSON.stringify([seq, meta, encoding, text]);
  } catch (error) {
    return `thrown: ${String(error)}`;
  }
}

/**
 * Every state in which `work` leaves a record file, also for a moment in its middle, by the id of
 * its session.
 */
async function statesOf(
  work: (handler: FileHandler) => Promise<unknown>,
): Promise<Record<string, Buffer[]>> {
  const fileDir = tempDir();
  const states: Record<string, Buffer[]> = {};
  const end = intercept(fileDir, (_, proceed) => {
    const result = proceed();
    for (const name of filesIn(fileDir).filter((name) => /^sess_[a-z]+$/.test(name))) {
      const bytes = readFileSync(join(fileDir, name));
      const known = (states[name.slice(5)] ??= []);
      if (!known.at(-1)?.equals(bytes)) known.push(bytes);
    }
    return result;
  });
  try {
    await work(new FileHandler({ fileDir }));
  } finally {
    end();
  }
  return states;
}

const cycle = { at: new Date(1e12), tags: new Map([["tea", 1n]]) as Map<string, unknown> };
cycle.tags.set("self", cycle);

// One record of each kind that lies on a disk, the last of its states.
const kinds: [kind: string, id: string, work: (handler: FileHandler) => Promise<unknown>][] = [
  ["fresh", "a", (handler) => handler.store("a", { n: 1 })],
  [
    "with two versions",
    "a",
    async (handler) => {
      for (let n = 1; n <= 4; n++) await handler.store("a", { n, text: "é".repeat(n) });
    },
  ],
  [
    "with a ttl",
    "a",
    async (handler) => {
      for (let n = 1; n <= 3; n++) await handler.store("a", { n }, { ttl: 60 });
    },
  ],
  [
    "with rich data",
    "a",
    async (handler) => {
      for (let n = 1; n <= 2; n++) await handler.store("a", { n, cycle });
    },
  ],
  ["on its way here", "b", moveOnce],
  ["that has moved away", "a", moveOnce],
];

async function moveOnce(handler: FileHandler): Promise<void> {
  await handler.store("a", { n: 1 });
  await handler.store("a", { n: 2 });
  await handler.store("b", { n: 3 }, { oldId: "a" });
}

async function recordOf([kind, id, work]: (typeof kinds)[number]): Promise<Buffer> {
  const states = (await statesOf(work))[id] ?? [];
  const bytes = kind === "on its way here" ? states[0] : states.at(-1);
  if (bytes === undefined) throw new Error(`no record ${kind}`);
  return bytes;
}

/** How many of these bytes are read as the session they once were, as a miss, and as else. */
interface Tally {
  right: number;
  miss: number;
  wrong: number;
}

function tallyFlips(parse: Parse, whole: Buffer, id: string): Tally {
  const bytes = Buffer.from(whole);
  const right = seen(parseRecord, whole, id);
  const tally = { right: 0, miss: 0, wrong: 0 };
  for (let byte = 0; byte < bytes.length; byte++)
    for (let bit = 0; bit < 8; bit++) {
      bytes[byte]! ^= 1 << bit;
      count(tally, seen(parse, bytes, id), right);
      bytes[byte]! ^= 1 << bit;
    }
  return tally;
}

function tallyTruncations(parse: Parse, whole: Buffer, id: string): Tally {
  const right = seen(parseRecord, whole, id);
  const tally = { right: 0, miss: 0, wrong: 0 };
  for (let length = 0; length < whole.length; length++)
    count(tally, seen(parse, whole.subarray(0, length), id), right);
  return tally;
}

function count(tally: Tally, saw: string, ...right: string[]): void {
  tally[right.includes(saw) ? "right" : saw === "miss" ? "miss" : "wrong"]++;
}

/** Reads each slot for itself, by the words it begins with: the newest one that can be read. */
function naive(isWhole: (crc: number, bytes: Buffer) => boolean): Parse {
  return (bytes) => {
    const capacity = capacityOf(bytes.length);
    const found = ([0, 1] as const).flatMap((slot): Version[] => {
      const start = slotOffset(slot, capacity);
      const [crc = "", seq, metaBytes, dataBytes, encoding] = bytes
        .toString("latin1", start, start + 40)
        .split(" ");
      const metaEnd = start + 40 + Number(metaBytes);
      const end = metaEnd + 1 + Number(dataBytes);
      try {
        if (!isWhole(Number.parseInt(crc, 16), bytes.subarray(start + 9, end))) return [];
        const meta = JSON.parse(bytes.toString("utf8", start + 40, metaEnd)) as Version["meta"];
        const text = bytes.toString("utf8", metaEnd + 1, end);
        return [{ seq: Number(seq), meta, encoding: encoding as "json", text }];
      } catch {
        return [];
      }
    });
    const [current] = found.sort((a, b) => b.seq - a.seq);
    return current === undefined
      ? "damaged"
      : { capacity, hasTtl: false, mark: "", current, spare: 0 };
  };
}
const withoutChecksum = naive(() => true);
const withFallback = naive((crc, bytes) => crc32(bytes) === crc);

describe("a record", () => {
  it.each(kinds)("%s is itself or a miss after every flip of one bit", async (...kind) => {
    const whole = await recordOf(kind);
    const { right, miss, wrong } = tallyFlips(parseRecord, whole, kind[1]);
    expect(wrong).toBe(0);
    expect(right + miss).toBe(8 * whole.length);
    expect(right).toBeGreaterThan(1000); // what is between data and end of the slot says nothing
    expect(miss).toBeGreaterThan(1000);
  });

  it.each(kinds)("%s is itself or a miss when it is cut short anywhere", async (...kind) => {
    const whole = await recordOf(kind);
    const { right, miss, wrong } = tallyTruncations(parseRecord, whole, kind[1]);
    expect(wrong).toBe(0);
    // The last byte is there for `clean` alone.
    expect([right, right + miss]).toEqual([kind[0] === "with a ttl" ? 1 : 0, whole.length]);
  });

  it("is read wrong by a parser without checksum, and by one that falls back", async () => {
    const whole = await recordOf(kinds[1]!);
    expect(tallyFlips(withoutChecksum, whole, "a").wrong).toBeGreaterThan(100);
    expect(tallyFlips(withFallback, whole, "a").wrong).toBeGreaterThan(100);
    expect(tallyTruncations(withoutChecksum, whole, "a").wrong).toBeGreaterThan(100);
  });
});

/** The file as it was before, with those sectors of what came after that `isNew` says. */
function torn(
  before: Buffer,
  after: Buffer,
  sectorBytes: number,
  isNew: (sector: number) => boolean,
): Buffer {
  const bytes = Buffer.from(before);
  for (let sector = 0; sector * sectorBytes < bytes.length; sector++)
    if (isNew(sector))
      after.copy(bytes, sector * sectorBytes, sector * sectorBytes, (sector + 1) * sectorBytes);
  return bytes;
}

/** The sectors in which two files differ. */
function changedSectors(before: Buffer, after: Buffer, sectorBytes: number): number[] {
  const all = Array.from({ length: Math.ceil(before.length / sectorBytes) }, (_, n) => n);
  const at = (bytes: Buffer, n: number): Buffer =>
    bytes.subarray(n * sectorBytes, (n + 1) * sectorBytes);
  return all.filter((n) => !at(before, n).equals(at(after, n)));
}

/** Stores `times` times what has `chars` characters, each time other ones. */
const storing =
  (times: number, chars: number) =>
  async (handler: FileHandler): Promise<void> => {
    for (let n = 1; n <= times; n++) await handler.store("a", String(n % 10).repeat(chars));
  };

/** Each write in place among these states: what was there before it, and what after. */
function writesIn(states: Buffer[]): [before: Buffer, after: Buffer][] {
  return states.slice(1).map((after, n) => [states[n]!, after]);
}

describe("a write that is cut off", () => {
  const histories: [string, string, (handler: FileHandler) => Promise<unknown>][] = [
    ["a small record", "a", storing(5, 10)],
    ["a record that fills its slots", "a", storing(4, 1900)],
    ["a record of several blocks", "a", storing(3, 6000)],
    ["a record that is moved away", "a", moveOnce],
    ["a record that is moved here", "b", moveOnce],
  ];

  it.each(histories)(
    "at any byte leaves the version before or the new one: %s",
    async (...history) => {
      const [, id, work] = history;
      const states = (await statesOf(work))[id]!;
      let cuts = 0;
      for (const [before, after] of writesIn(states)) {
        const tally = { right: 0, miss: 0, wrong: 0 };
        const right = [seen(parseRecord, before, id), seen(parseRecord, after, id)];
        for (let cut = 0; cut <= before.length; cut++) {
          const bytes = Buffer.concat([after.subarray(0, cut), before.subarray(cut)]);
          count(tally, seen(parseRecord, bytes, id), ...right);
          cuts++;
        }
        expect(tally).toEqual({ right: before.length + 1, miss: 0, wrong: 0 });
      }
      expect(cuts).toBeGreaterThan(4095);
    },
  );
});

describe("a power cut", () => {
  it.each([
    ["a small record", storing(4, 10), 512],
    ["a record that fills its slots", storing(4, 1900), 512],
    ["a slot of 4084 bytes", storing(4, 3000), 512],
    ["a slot of many blocks", storing(3, 40_000), 4096],
  ])(
    "in a write: whichever sectors of it are there, %s is old, new or a miss",
    async (_, work, sector) => {
      const states = (await statesOf(work)).a!;
      for (const [before, after] of writesIn(states)) {
        const right = [seen(parseRecord, before, "a"), seen(parseRecord, after, "a")];
        const changed = changedSectors(before, after, sector);
        const tally = { right: 0, miss: 0, wrong: 0 };
        for (let subset = 0; subset < 2 ** changed.length; subset++) {
          const isNew = (n: number): boolean =>
            changed.includes(n) && (subset & (2 ** changed.indexOf(n))) > 0;
          count(tally, seen(parseRecord, torn(before, after, sector, isNew), "a"), ...right);
        }
        expect(tally.wrong).toBe(0);
      }
    },
  );

  /** What is read of all files whose 512-byte sectors are of any of four states in a row. */
  function tallyMixtures(parse: Parse, states: Buffer[]): Tally & { older: number } {
    const tally = { right: 0, miss: 0, wrong: 0, older: 0 };
    for (let first = 1; first + 4 <= states.length; first++) {
      const four = states.slice(first, first + 4);
      const right = four.map((state) => seen(parse, state, "a"));
      const older = states.slice(0, first).map((state) => seen(parse, state, "a"));
      for (let mix = 0; mix < 4 ** 8; mix += size(7, 1)) {
        const bytes = Buffer.from(four[0]!);
        for (let n = 0; n < 8; n++)
          four[(mix >> (2 * n)) & 3]!.copy(bytes, n * 512, n * 512, (n + 1) * 512);
        const saw = seen(parse, bytes, "a");
        count(tally, saw, ...right);
        if (older.includes(saw)) tally.older++;
      }
    }
    return tally;
  }

  it("after several writes: whichever sectors of each are there, it is none from before", async () => {
    const states = (await statesOf(storing(6, 1600))).a!;
    expect(states.map((state) => state.length)).toEqual(Array(6).fill(4096));
    const { right, miss, wrong } = tallyMixtures(parseRecord, states);
    expect([wrong, right > 0, miss > 0]).toEqual([0, true, true]);
  });

  it("brings back an older version by a parser that falls back", async () => {
    const states = (await statesOf(storing(6, 1600))).a!;
    expect(tallyMixtures(withFallback, states).older).toBeGreaterThan(10);
  });
});

/** What may happen to the bytes of a record file, given others to take bytes from. */
const damage = fc.oneof(
  fc.record({ kind: fc.constant("cut" as const), at: fc.nat(4095) }),
  fc.record({ kind: fc.constant("longer" as const), by: fc.integer({ min: 2, max: 9000 }) }),
  fc.record({
    kind: fc.constant("moved" as const),
    at: fc.nat(4000),
    by: fc.integer({ min: 1, max: 90 }),
  }),
  fc.record({
    kind: fc.constant("filled" as const),
    at: fc.nat(4094),
    length: fc.oneof(fc.nat(16), fc.nat(4095)),
    byte: fc.constantFrom(0, 0x30, 0xff, 0x0a),
  }),
  fc.record({
    kind: fc.constant("filled" as const),
    at: fc.nat(4094),
    length: fc.nat(2000), // more of these make a slot one that was never written
    byte: fc.constant(0x20),
  }),
  fc.record({
    kind: fc.constant("overwritten" as const),
    at: fc.nat(4094),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }),
  }),
  fc.record({
    kind: fc.constant("all new" as const),
    bytes: fc.uint8Array({ maxLength: 5000, size: "max" }),
  }),
  fc.record({
    kind: fc.constant("copied within" as const),
    from: fc.nat(4094),
    to: fc.nat(4094),
    length: fc.nat(2100),
  }),
);
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

function damaged(whole: Buffer, what: Damage): Buffer {
  const bytes = Buffer.from(whole);
  switch (what.kind) {
    case "cut":
      return bytes.subarray(0, what.at);
    case "longer":
      return Buffer.concat([bytes, Buffer.alloc(what.by)]);
    case "moved":
      bytes.copy(bytes, what.at + what.by, what.at);
      return bytes;
    case "filled":
      return bytes.fill(what.byte, what.at, Math.min(what.at + what.length, bytes.length));
    case "overwritten":
      bytes.set(what.bytes.subarray(0, bytes.length - what.at), what.at);
      return bytes;
    case "all new":
      return Buffer.from(what.bytes);
    case "copied within":
      bytes.copy(bytes, what.to, what.from, what.from + what.length);
      return bytes;
  }
}

/** Whether these bytes are those of a write that was cut off. */
function isCutOff(bytes: Buffer, [before, after]: [Buffer, Buffer]): boolean {
  let cut = 0;
  while (cut < bytes.length && bytes[cut] === after[cut]) cut++;
  return bytes.subarray(cut).equals(before.subarray(cut));
}

describe("a record with damage of any kind", () => {
  /** The first damage of so many that is read as what it is not. */
  async function firstWrong(parse: Parse, runs: number): Promise<unknown> {
    const states = (await statesOf(storing(6, 1000))).a!;
    const details = fc.check(
      fc.property(fc.constantFrom(...writesIn(states)), damage, (write, what) => {
        const bytes = damaged(write[1], what);
        const saw = seen(parse, bytes, "a");
        if (saw === "miss" || saw === seen(parseRecord, write[1], "a")) return true;
        return saw === seen(parseRecord, write[0], "a") && isCutOff(bytes, write);
      }),
      { numRuns: runs },
    );
    return details.counterexample;
  }

  it("is what was stored last, or a miss", async () => {
    expect(await firstWrong(parseRecord, size(20_000, 1_000_000))).toBeNull();
  });

  it("is read wrong by a parser without checksum, and by one that falls back", async () => {
    expect(await firstWrong(withoutChecksum, 20_000)).not.toBeNull();
    expect(await firstWrong(withFallback, 20_000)).not.toBeNull();
  });
});

describe("a record with a slot of another file", () => {
  /** The file `host` with one of its slots as it is in `guest`. */
  function spliced(host: Buffer, guest: Buffer, slot: 0 | 1): Buffer {
    const capacity = capacityOf(host.length);
    const bytes = Buffer.from(host);
    const start = slotOffset(slot, capacity);
    guest.copy(bytes, start, start, start + capacity);
    return bytes;
  }

  /** What is read of every record with a slot of an older state of its own, or of another session. */
  async function tally(parse: Parse): Promise<Tally> {
    const states = (await statesOf(storing(9, 100))).a!;
    const others = Object.values(
      await statesOf(async (handler) => {
        for (const id of ["b", "c"])
          for (let n = 0; n < 9; n++) await handler.store(id, "other".repeat(20));
      }),
    ).flat();
    const result = { right: 0, miss: 0, wrong: 0 };
    for (const host of states)
      for (const guest of [...states, ...others])
        for (const slot of [0, 1] as const) {
          const bytes = spliced(host, guest, slot);
          // A whole file that was put back is an older session, and nothing in it can say so.
          const was = states.find((state) => state.equals(bytes)) ?? host;
          count(result, seen(parse, bytes, "a"), seen(parseRecord, was, "a"));
        }
    return result;
  }

  it("is what was stored last, or a miss", async () => {
    const { right, miss, wrong } = await tally(parseRecord);
    expect([wrong, right > 0, miss > 0]).toEqual([0, true, true]);
  });

  it("is read wrong by a parser that takes each slot for itself", async () => {
    expect((await tally(withFallback)).wrong).toBeGreaterThan(10);
  });
});

describe("a damaged file", () => {
  let dir: string;
  let warnings: string[];

  beforeEach(() => {
    dir = tempDir();
    warnings = [];
    const spy = vi
      .spyOn(process, "emitWarning")
      .mockImplementation((warning) => void warnings.push(String(warning)));
    onTestFinished(() => spy.mockRestore());
  });

  const setAside = (): string[] => filesIn(dir).filter((name) => name.endsWith(".bad"));

  it("is thrown at nobody, whoever finds it first; it is set aside and reported once", async () => {
    const handler = new FileHandler({ fileDir: dir });
    const storage = driver({ fileDir: dir });
    const calls: [name: string, call: (id: string) => Promise<unknown>][] = [
      ["retrieve", async (id) => (await handler.retrieve(id)).data ?? null],
      [
        "without waiting",
        async (id) => (await handler.retrieve(id, { blocking: false })).data ?? null,
      ],
      ["getItem", (id) => storage.getItem(id)],
      ["getMeta", async (id) => ((await storage.getMeta(id)) === null ? null : data)],
      ["touch", async (id) => ((await handler.touch(id)) ? data : null)],
      ["remove", async (id) => ((await handler.remove(id)) ? data : null)],
      [
        "update",
        async (id) => {
          let before: unknown;
          await handler.update(id, (record) => void (before = record.data ?? null));
          return before;
        },
      ],
      [
        "move",
        async (id) => {
          let before: unknown;
          const change = (record: { data?: unknown }): unknown => (before = record.data ?? null);
          await handler.update(`${id}-moved`, change, { oldId: id });
          await handler.remove(`${id}-moved`);
          return before;
        },
      ],
    ];
    const data = { text: "x".repeat(1000), n: 2 };
    const samples = fc.sample(damage, { numRuns: size(160, 20_000) });
    let warned = 0;
    for (const [n, what] of samples.entries()) {
      const id = `s${n}`;
      await handler.store(id, { n: 1 });
      await handler.store(id, { text: "x".repeat(1000), n: 1 });
      await handler.store(id, data);
      const path = join(dir, `sess_${id}`);
      const bytes = damaged(readFileSync(path), what);
      writeFileSync(path, bytes);
      const [, call] = calls[n % calls.length]!;
      const before = setAside().length;
      const got = await call(id);
      if (got === null) {
        expect(await handler.retrieve(id)).toEqual({}); // an update that writes nothing leaves it there
        expect([setAside().length, warnings.length]).toEqual([before + 1, ++warned]);
        expect(
          readFileSync(
            join(
              dir,
              setAside().find((name) => name.startsWith(`sess_${id}.`))!,
            ),
          ),
        ).toEqual(bytes);
      } else expect(got).toEqual(data);
      await handler.store(id, "new");
      expect((await handler.retrieve(id)).data).toBe("new");
      await handler.remove(id);
      expect(warnings).toHaveLength(warned);
      if (n % 80 < 79) continue;
      await handler.clean(1e9);
      expect(setAside().length).toBe(16);
    }
    expect(filesIn(dir).filter((name) => !name.endsWith(".bad"))).toEqual([]);
  });

  it("that is far larger than any record is not read at all", async () => {
    const handler = new FileHandler({ fileDir: dir });
    await handler.store("a", 1);
    truncateSync(join(dir, "sess_a"), 2 ** 33); // takes no space
    expect(await handler.retrieve("a")).toEqual({});
    expect([setAside().length, warnings.length]).toEqual([1, 1]);
  });
});

describe("damage that is none", () => {
  async function firstOf(keys: AsyncIterable<string>): Promise<unknown> {
    for await (const key of keys) return key;
    return undefined;
  }

  /** Makes the next read of a file look as if its slots were being written meanwhile. */
  function tearNextRead(fileDir: string): void {
    let isNext = true;
    const end = intercept(fileDir, (call, proceed) => {
      const count = proceed();
      if (call.name !== "readSync" || !isNext) return count;
      isNext = false;
      (call.args[1] as Buffer).fill("x", 200, 300);
      return count;
    });
    onTestFinished(end);
  }

  it("is not believed: a session that is being written is there for everybody who reads it", async () => {
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir });
    const text = "y".repeat(1000);
    await handler.store("a", text);
    await handler._acquireLock("a"); // by the writer
    const readers: (() => Promise<unknown>)[] = [
      async () => (await handler.retrieve("a", { blocking: false })).data,
      () => firstOf(handler.keys()),
      () => handler.touch("a"),
    ];
    const answers: unknown[] = [];
    for (const read of readers) {
      tearNextRead(fileDir);
      answers.push(await read());
    }
    expect(answers).toEqual([text, "a", true]);
    await handler._releaseLock("a");
    expect(filesIn(fileDir)).toEqual(["sess_a"]);
  });
});

describe("a record that no slot has room for", () => {
  it("is refused, and the session is as it was", async () => {
    const handler = new FileHandler({ fileDir: tempDir() });
    await handler.store("a", 1);
    for (const ip of ["x".repeat(100_000), 7 as unknown as string])
      await expect(handler.store("a", 2, { ip })).rejects.toMatchObject({
        code: "ERR_SESSION_OPTION",
      });
    expect(await handler.retrieve("a")).toMatchObject({ data: 1, ip: "" });
  });

  it.runIf(size(0, 1))("is one of 99 MB: all that may be stored can be read again", async () => {
    const handler = new FileHandler({ fileDir: tempDir(), maxBytes: 99_000_000 });
    const data = "x".repeat(99_000_000 - 2);
    await handler.store("a", data);
    expect((await handler.retrieve("a")).data === data).toBe(true);
    await expect(handler.store("a", `${data}x`)).rejects.toMatchObject({
      code: "ERR_SESSION_TOO_LARGE",
    });
    expect(() => new FileHandler({ fileDir: tempDir(), maxBytes: 99_000_001 })).toThrow("maxBytes");
  });
});
