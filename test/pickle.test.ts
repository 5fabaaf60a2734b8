// Hostile data, by every way in: from the app, from a storage, from a forged record file whose
// checksum is right. None of it touches a prototype, runs code, or overflows a stack.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { pickle, unpickle } from "../src/core/pickle.ts";
import driver from "../src/driver.ts";
import { layOut } from "../src/file/record.ts";
import { FileHandler } from "../src/index.ts";
import { tempDir } from "./_dir.ts";
import { size } from "./_size.ts";

/** What a polluted prototype would show. */
function prototypes(): unknown[] {
  return [Object, Array, Map, Set, Date, Function, String, Number, Promise]
    .map((builtin) => Object.getOwnPropertyDescriptors(builtin.prototype))
    .map((properties) =>
      Reflect.ownKeys(properties).map((key) => [key, Reflect.get(properties, key)]),
    );
}

let pristine: unknown[];
beforeEach(() => void (pristine = prototypes()));
afterEach(() => expect(prototypes()).toEqual(pristine));

function nested(depth: number, wrap: (inner: unknown) => unknown): unknown {
  let data: unknown = 1;
  for (let level = 0; level < depth; level++) data = wrap(data);
  return data;
}

/** The chain of so many objects that ends where it began. */
function ring(count: number): object {
  const links: { next?: object }[] = Array.from({ length: count }, () => ({}));
  for (const [index, link] of links.entries()) link.next = links[(index + 1) % count]!;
  return links[0]!;
}

/** An object whose property is harmless when it is looked at, and something else from then on. */
function turncoat(then: () => unknown): object {
  let looks = 0;
  return {
    undefined,
    get a() {
      return looks++ === 0 ? 1 : then();
    },
  };
}

const own = (key: string, value: unknown): object =>
  Object.defineProperty({}, key, { value, enumerable: true });
const deep = (): unknown => nested(100_000, (inner) => [inner]);

// What an app may hand over, and what becomes of it: it comes back as it was, or it is refused.
const stored: [
  name: string,
  make: () => unknown,
  outcome: "same" | "ERR_SESSION_DATA" | "ERR_SESSION_TOO_LARGE",
][] = [
  ["own `__proto__`", () => own("__proto__", { polluted: true }), "ERR_SESSION_DATA"],
  [
    "own `__proto__`, parsed",
    () => JSON.parse('{"__proto__":{"polluted":true}}'),
    "ERR_SESSION_DATA",
  ],
  ["own `__proto__`, deep down", () => ({ a: [{ b: own("__proto__", 1) }] }), "ERR_SESSION_DATA"],
  [
    "own `__proto__` in a Map's value",
    () => new Map([["a", own("__proto__", 1)]]),
    "ERR_SESSION_DATA",
  ],
  [
    "own `__proto__` without a prototype",
    () => Object.assign(Object.create(null), own("__proto__", 1)),
    "ERR_SESSION_DATA",
  ],
  [
    "own `__proto__` of an array",
    () => Object.defineProperty([], "__proto__", { value: 1, enumerable: true }),
    "ERR_SESSION_DATA",
  ],
  ["a Map with the key `__proto__`", () => new Map([["__proto__", { polluted: true }]]), "same"],
  [
    "the text `__proto__`",
    () => ({ a: "__proto__", b: '"__proto__":1', c: "\\u005f_proto__" }),
    "same",
  ],
  ["`constructor.prototype`", () => ({ constructor: { prototype: { polluted: true } } }), "same"],
  ["`constructor` a function", () => ({ constructor: Object }), "ERR_SESSION_DATA"],
  ["`prototype`", () => ({ prototype: { polluted: true } }), "same"],
  [
    "`hasOwnProperty`, `toString`, `valueOf`",
    () => ({ hasOwnProperty: 1, toString: 2, valueOf: 3 }),
    "same",
  ],
  [
    "`__defineGetter__`, `__lookupGetter__`",
    () => ({ __defineGetter__: 1, __lookupGetter__: 2 }),
    "same",
  ],
  ["`then` that is data", () => own("then", 1), "same"],
  ["`then` that is a function", () => own("then", () => 1), "ERR_SESSION_DATA"],
  ["`toJSON` that is a function", () => ({ toJSON: () => "other" }), "ERR_SESSION_DATA"],
  ["`toJSON` that is data", () => ({ toJSON: "data" }), "same"],
  [
    "`toJSON` of a class",
    () =>
      new (class {
        toJSON(): string {
          return "other";
        }
      })(),
    "ERR_SESSION_DATA",
  ],
  [
    "a Date with a `toJSON` of its own",
    () => Object.assign(new Date(0), { toJSON: () => "other" }),
    "ERR_SESSION_DATA",
  ],
  [
    "a getter",
    () => ({
      get a() {
        return 1;
      },
    }),
    "same",
  ],
  [
    "a getter that throws",
    () => ({
      a: {
        get b() {
          throw new Error("no");
        },
      },
    }),
    "ERR_SESSION_DATA",
  ],
  [
    "a getter that throws nothing",
    () => ({
      get b() {
        throw undefined;
      },
    }),
    "ERR_SESSION_DATA",
  ],
  [
    "a getter that goes on for ever",
    () => {
      const make = (): object => ({
        get a() {
          return make();
        },
      });
      return make();
    },
    "ERR_SESSION_DATA",
  ],
  ["a getter that is deep the second time", () => turncoat(deep), "ERR_SESSION_DATA"],
  [
    "a getter that is a function the second time",
    () => ({ b: 1n, x: turncoat(() => () => 1) }),
    "ERR_SESSION_DATA",
  ],
  [
    "a getter that throws the second time",
    () =>
      turncoat(() => {
        throw new Error("no");
      }),
    "ERR_SESSION_DATA",
  ],
  ["a proxy of an object", () => new Proxy({ a: 1 }, {}), "same"],
  ["a proxy of an array", () => new Proxy([1, 2], {}), "same"],
  ["a proxy of a function", () => new Proxy(() => 1, {}), "ERR_SESSION_DATA"],
  [
    "a proxy that was revoked",
    () => {
      const { proxy, revoke } = Proxy.revocable({}, {});
      revoke();
      return proxy;
    },
    "ERR_SESSION_DATA",
  ],
  [
    "a proxy that throws",
    () =>
      new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error("no");
          },
        },
      ),
    "ERR_SESSION_DATA",
  ],
  [
    "a proxy that lies about its prototype",
    () => new Proxy(new Map(), { getPrototypeOf: () => Date.prototype }),
    "ERR_SESSION_DATA",
  ],
  ["a proxy of a Map", () => new Proxy(new Map(), {}), "ERR_SESSION_DATA"],
  [
    "a proxy that makes JSON nothing",
    () => new Proxy({}, { get: (_, key) => (key === "toJSON" ? () => undefined : undefined) }),
    "ERR_SESSION_DATA",
  ],
  [
    "a proxy that is endless",
    () => {
      const proxy: object = new Proxy(
        {},
        {
          ownKeys: () => ["a"],
          getOwnPropertyDescriptor: () => ({ value: 1, enumerable: true, configurable: true }),
          get: () => proxy2(),
        },
      );
      const proxy2 = (): object =>
        new Proxy(
          {},
          {
            ownKeys: () => ["a"],
            getOwnPropertyDescriptor: () => ({ value: 1, enumerable: true, configurable: true }),
            get: proxy2,
          },
        );
      return proxy;
    },
    "ERR_SESSION_DATA",
  ],
  ["a Date that is none", () => Object.create(Date.prototype), "ERR_SESSION_DATA"],
  ["a Map that is none", () => Object.create(Map.prototype), "ERR_SESSION_DATA"],
  ["a URL that is none", () => Object.create(URL.prototype), "ERR_SESSION_DATA"],
  ["a Uint8Array that is none", () => Object.create(Uint8Array.prototype), "ERR_SESSION_DATA"],
  ["a Buffer that is none", () => Object.create(Buffer.prototype), "ERR_SESSION_DATA"],
  [
    "a class with a `constructor` that throws",
    () =>
      Object.create({
        get constructor() {
          throw new Error("no");
        },
      }),
    "ERR_SESSION_DATA",
  ],
  ["shared memory", () => new Uint8Array(new SharedArrayBuffer(8)), "ERR_SESSION_DATA"],
  ["a Map with properties", () => Object.assign(new Map(), { a: 1 }), "ERR_SESSION_DATA"],
  ["a Set with properties", () => Object.assign(new Set(), { a: 1 }), "ERR_SESSION_DATA"],
  ["a boxed number with properties", () => Object.assign(Object(1), { a: 1 }), "ERR_SESSION_DATA"],
  ["a boxed string", () => Object("text"), "same"],
  [
    "a boxed string with properties",
    () => Object.assign(Object("text"), { a: 1 }),
    "ERR_SESSION_DATA",
  ],
  ["a boxed bigint", () => Object(1n), "ERR_SESSION_DATA"],
  ["a symbol key", () => ({ [Symbol.toPrimitive]: 1 }), "ERR_SESSION_DATA"],
  ["`Symbol.toStringTag`", () => ({ [Symbol.toStringTag]: "Map" }), "ERR_SESSION_DATA"],
  ["arguments with a name", () => Object.assign([1], { a: 1 }), "ERR_SESSION_DATA"],
  ["an error", () => new Error("no"), "ERR_SESSION_DATA"],
  ["a promise", () => Promise.resolve(1), "ERR_SESSION_DATA"],
  ["a generator", () => (function* () {})(), "ERR_SESSION_DATA"],
  ["globalThis", () => globalThis, "ERR_SESSION_DATA"],
  ["process.env", () => process, "ERR_SESSION_DATA"],
  ["depth 500", () => nested(499, (inner) => [inner]), "same"],
  ["depth 500, rich", () => nested(498, (inner) => new Map([["a", inner]])), "same"],
  ["depth 501", () => nested(501, (inner) => [inner]), "ERR_SESSION_DATA"],
  ["depth 100,000 of arrays", deep, "ERR_SESSION_DATA"],
  ["depth 100,000 of objects", () => nested(100_000, (a) => ({ a })), "ERR_SESSION_DATA"],
  [
    "depth 100,000 of maps",
    () => nested(100_000, (inner) => new Map([[inner, inner]])),
    "ERR_SESSION_DATA",
  ],
  ["depth 100,000 of sets", () => nested(100_000, (inner) => new Set([inner])), "ERR_SESSION_DATA"],
  ["a ring of 300", () => ring(300), "same"],
  ["a ring of a million", () => ring(1_000_000), "ERR_SESSION_DATA"],
  [
    "an array of a million selves",
    () => {
      const all: unknown[] = [];
      for (let index = 0; index < 1_000_000; index++) all.push(all);
      return all;
    },
    "ERR_SESSION_TOO_LARGE",
  ],
  [
    "an array of ten million selves",
    () => {
      const all = Array(size(2_000_000, 10_000_000));
      return all.fill(all);
    },
    "ERR_SESSION_TOO_LARGE",
  ],
  ["a set of a million", () => new Set(Array(1_100_000).keys()), "ERR_SESSION_TOO_LARGE"],
  ["an array of 2^32 holes", () => Array(2 ** 32 - 1), "same"],
  ["a bigint of 100,000 digits", () => 10n ** 100_000n, "same"],
  ["a string of a megabyte of lone surrogates", () => "\ud800".repeat(150_000), "same"],
  ["lone surrogates, rich", () => [undefined, "\ud800", "\udc00\ud800"], "same"],
  ["U+2028, NUL, `</script>`", () => ({ "\u2028\0": "</script><!--\u2029" }), "same"],
];

// What a forged record file may hold.
const rich = (...values: unknown[]): [encoding: "rich", text: string] => [
  "rich",
  JSON.stringify(values),
];
const levels = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
const forged: [name: string, encoding: "json" | "rich", text: string][] = [
  ["`__proto__`", "json", '{"__proto__":{"polluted":true}}'],
  ["`__proto__`, deep down", "json", '{"a":[{"b":{"__proto__":{"polluted":true}}}]}'],
  ["`__proto__`, escaped", "json", '{"\\u005f_proto__":{"polluted":true}}'],
  ["`__proto__`, escaped in another place", "json", '{"__\\u0070roto__":{"polluted":true}}'],
  [
    "`__proto__`, in an object of the rich kind",
    ...(rich({ __proto: 1 }, 1).with(1, '[{"__proto__":1},{"polluted":2},true]') as [
      "rich",
      string,
    ]),
  ],
  ["`__proto__`, without a prototype", ...rich(["null", "__proto__", 1], { polluted: true })],
  ["depth 501", "json", levels(501)],
  ["depth 100,000", "json", levels(100_000)],
  ["depth 100,000 behind strings full of brackets", "json", `["]]]\\\\\\"]]]",${levels(100_000)}]`],
  ["depth 100,000 of objects", "json", '{"a":'.repeat(100_000) + "1" + "}".repeat(100_000)],
  [
    "depth 100,000, rich",
    "rich",
    `[${Array.from({ length: 100_000 }, (_, n) => `[${n + 1}]`).join(",")},1]`,
  ],
  ["depth 100,000 of JSON, rich", "rich", levels(100_000)],
  [
    "depth 100,000 of maps",
    "rich",
    `[${Array.from({ length: 100_000 }, (_, n) => `["Map",${n + 1},${n + 1}]`).join(",")},1]`,
  ],
  ["a Buffer that is a length", ...rich(["Buffer", 1], { length: 2 }, 2 ** 31)],
  ["a Buffer that is a number", ...rich(["Buffer", 1], 2 ** 31)],
  ["a Buffer that is an array", ...rich(["Buffer", 1], [2, 2], 7)],
  ["a Buffer of itself", ...rich(["Buffer", 0])],
  ["a Uint8Array of a length", ...rich(["Uint8Array", 1], 2 ** 31)],
  ["a Uint8Array beyond its end", ...rich(["Uint8Array", 1, 5, 2 ** 31], ["ArrayBuffer", "AAAA"])],
  ["a Uint8Array of itself", ...rich(["Uint8Array", 0])],
  ["a box around an object", ...rich(["Object", 1], { a: 2 }, 1)],
  ["a box around a bigint", ...rich(["Object", 1], ["BigInt", "1"])],
  ["a box around a box", ...rich(["Object", 0])],
  ["a class of nobody", ...rich(["Function", "alert()"])],
  ["a class by an inherited name", ...rich(["constructor", 1], "alert()")],
  ["a class by `__proto__`", ...rich(["__proto__", 1], 1)],
  ["Temporal", ...rich(["Temporal.Instant", "2020-01-01T00:00:00Z"])],
  ["a Float16Array", ...rich(["Float16Array", 1], ["ArrayBuffer", "AAAA"])],
  ["a RegExp with flags of nobody", ...rich(["RegExp", "a", "gg"])],
  ["a RegExp of 100,000 groups", ...rich(["RegExp", "(".repeat(100_000) + ")".repeat(100_000)])],
  ["a bigint that is none", ...rich(["BigInt", "1n"])],
  ["a URL that is none", ...rich(["URL", "::"])],
  ["an index beyond the end", ...rich([7])],
  ["an index that is none", ...rich([1.5])],
  ["an index by name", ...rich(["Set", "length"])],
  ["a Map with half a pair", ...rich(["Map", 1], 1)],
  ["an array longer than any", ...rich([-7, 2 ** 32])],
  ["a hole at `__proto__`", ...rich([-7, 9, "__proto__", 1], 1)],
  ["no value at all", ...rich()],
  ["an object for an array", "rich", '{"0":1}'],
  ["text that is cut off", "json", '{"a":'],
  ["nothing", "json", ""],
];

describe("hostile data", () => {
  it("comes in more than a hundred kinds", () => {
    expect(stored.length + forged.length).toBeGreaterThan(100);
  });

  it.each(stored)("from the app: %s", async (_, make, outcome) => {
    const handler = new FileHandler({ fileDir: tempDir() });
    await handler.store("a", "before");
    const saved = handler.store("a", make());
    if (outcome === "same") {
      await saved;
      expect((await handler.retrieve("a")).data).toEqual(make());
      return;
    }
    await expect(saved).rejects.toMatchObject({ code: outcome });
    expect((await handler.retrieve("a")).data).toBe("before");
  });

  it.each(stored)("from the app, by a storage: %s", async (_, make, outcome) => {
    const storage = driver({ fileDir: tempDir() });
    const saved = storage.setItemRaw("a", make());
    if (outcome === "same") {
      await saved;
      expect(await storage.getItem("a")).toEqual(make());
    } else await expect(saved).rejects.toMatchObject({ code: outcome });
  });

  it.each(forged.filter(([, encoding]) => encoding === "json"))(
    "as a text, by a storage: %s",
    async (_, __, text) => {
      const storage = driver({ fileDir: tempDir() });
      await storage.setItem("a", text);
      const item = await storage.getItem("a");
      expect(item === text || JSON.stringify(item) === text).toBe(true);
    },
  );

  it.each(forged)("in a forged record: %s", async (_, encoding, text) => {
    const warnings = vi.spyOn(process, "emitWarning").mockReturnValue(undefined);
    onTestFinished(() => warnings.mockRestore());
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir });
    const meta = { id: "a", ip: "", time: 1 };
    writeFileSync(join(fileDir, "sess_a"), layOut([{ seq: 1, meta, encoding, text }]));
    expect(await handler.retrieve("a")).toEqual({});
    expect(warnings).toHaveBeenCalledOnce();
    await handler.update("a", ({ data }) => [data]);
    expect((await handler.retrieve("a")).data).toEqual([undefined]);
  });

  it("in a forged record's meta names no other session and touches nothing", async () => {
    const handler = new FileHandler({ fileDir: tempDir() });
    const warnings = vi.spyOn(process, "emitWarning").mockReturnValue(undefined);
    onTestFinished(() => warnings.mockRestore());
    const metas = [
      '{"__proto__":{"id":"a","ip":"","time":1}}',
      '{"id":"b","ip":"","time":1}',
      "[]",
      "7",
      '{"id":"a","ip":"","time":"1"}',
      '{"id":"a"}',
      levels(400),
    ];
    for (const meta of metas) {
      const forgedMeta = { toJSON: () => JSON.parse(meta) as unknown };
      const version = { seq: 1, meta: forgedMeta as never, encoding: "json", text: "1" } as const;
      writeFileSync(handler._sessionFile("a"), layOut([version]));
      expect(await handler.retrieve("a")).toEqual({});
    }
    expect(warnings).toHaveBeenCalledTimes(metas.length);
  });
});

describe("the work of pickling", () => {
  /** How many values `pickle` has looked at when it gives up or is done. */
  function looks(count: number, maxBytes: number): number {
    let looked = 0;
    const array = new Proxy(Array(count).fill(1), {
      get(target, key) {
        if (typeof key === "string" && /^\d/.test(key)) looked++;
        return Reflect.get(target, key) as unknown;
      },
    });
    try {
      pickle(array, maxBytes);
    } catch (error) {
      expect(error).toMatchObject({ code: "ERR_SESSION_TOO_LARGE" });
    }
    return looked;
  }

  it("grows with the data, and ends where there is more than maxBytes", () => {
    expect(looks(1000, Infinity)).toBe(2000); // once to look, once to write
    expect(looks(10_000, Infinity)).toBe(20_000);
    expect(looks(100_000, 1000)).toBeLessThanOrEqual(1001);
  });
});

describe("a pickle of JSON.parse and Object.assign", () => {
  const naive = {
    pickle: JSON.stringify,
    unpickle: (text: string) => merge({}, JSON.parse(text) as object),
  };
  function merge(target: object, source: object): object {
    for (const [key, value] of Object.entries(source)) {
      const there: unknown = Reflect.get(target, key);
      if (typeof value === "object" && typeof there === "object")
        merge(there as object, value as object);
      else Object.assign(target, { [key]: value as unknown });
    }
    return target;
  }

  it("is what these payloads find out", () => {
    naive.unpickle('{"constructor":1,"__proto__":{"polluted":true}}');
    expect(prototypes()).not.toEqual(pristine);
    expect(Reflect.get({}, "polluted")).toBe(true);
    Reflect.deleteProperty(Object.prototype, "polluted");
    const outcomes = stored.map(([, make, outcome]) => {
      if (outcome === "ERR_SESSION_TOO_LARGE") return true;
      try {
        const back: unknown = JSON.parse(naive.pickle(make()));
        return outcome === "same" && JSON.stringify(back) === JSON.stringify(make());
      } catch (error) {
        return Object(error).code === outcome;
      }
    });
    expect(outcomes.filter((isRight) => !isRight).length).toBeGreaterThan(30);
    expect(unpickle("json", naive.pickle({ a: 1 }))).toEqual({ a: 1 });
  });
});
