// Encryption at rest: what is legible, what opens, what is said when nothing does.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import driver from "../src/driver.ts";
import {
  FileHandler,
  type Handler,
  isRecord,
  SealedHandler,
  useFileSession,
} from "../src/index.ts";
import type { H3EventLike } from "../src/session/event.ts";
import { Seal } from "../src/session/secret.ts";
import { testHandler } from "../src/testing.ts";
import { filesIn, tempDir } from "./_dir.ts";
import { fileHarness } from "./_file-harness.ts";
import { describeH3 } from "./_h3.ts";
import { MemoryHandler } from "../src/testing/memory-handler.ts";
import { StillPlace } from "./_still-place.ts";

const secret = "one-secret-of-more-than-32-characters";
const other = "another-secret-of-more-than-32-characters";

describe("SealedHandler around a FileHandler", () => {
  testHandler(it, () => {
    // The suite stores 900,000 bytes, which sealed are a third more.
    const harness = fileHarness({ maxBytes: 2 ** 21 });
    return { ...harness, open: async () => new SealedHandler(await harness.open(), secret) };
  });
});

describe("SealedHandler around a handler in memory", () => {
  testHandler(it, () => {
    const place = new StillPlace();
    return {
      open: () => new SealedHandler(new MemoryHandler(place), secret),
      advance: (seconds) => place.advance(seconds),
      breakPlace: () => place.break(),
    };
  });
});

beforeEach(() => void vi.spyOn(process, "emitWarning").mockReturnValue());
afterEach(() => void vi.restoreAllMocks());

/** What was said of sessions that nothing opens. */
function warnings(): string[] {
  const calls = vi.mocked(process.emitWarning).mock.calls as unknown[][];
  return calls
    .filter(([, how]) => (how as { code?: string }).code === "FILESESSION_UNOPENED")
    .map(([message]) => String(message));
}

/** Sessions in files, and who opens them with which secrets. */
function place() {
  const handler = new FileHandler({ fileDir: tempDir() });
  onTestFinished(() => handler.close());
  return { handler, withSecrets: (...secrets: string[]) => new SealedHandler(handler, secrets) };
}

/** What is stored for a session, sealed. */
async function textOf(handler: Handler, id: string): Promise<string> {
  const { data } = await handler.retrieve(id);
  if (typeof data !== "string") throw new Error("no text is stored");
  return data;
}

describe("SealedHandler", () => {
  it("leaves nothing of the data legible in the file", async () => {
    const { handler, withSecrets } = place();
    const words = ["customer", "Ada", "basket", "tea", "visits", "4711", "json", "rich"];
    await withSecrets(secret).store("plain", { customer: "Ada", basket: ["tea"], visits: 4711 });
    await withSecrets(secret).store("rich", new Map([["customer", new Set(["Ada", "tea"])]]));

    for (const id of ["plain", "rich"]) {
      const text = await textOf(handler, id);
      expect(text).toMatch(/^sealed1\.[\w-]+$/);
      const file = readFileSync(handler._sessionFile(id), "latin1");
      expect(file).toContain(text);
      const bytes = Buffer.from(text.slice("sealed1.".length), "base64url").toString("latin1");
      // What is around the text, the id and the times, is legible, and so is how it was stored.
      for (const word of words) expect(text + bytes).not.toContain(word);
      for (const word of words.slice(0, 6)) expect(file).not.toContain(word);
    }
  });

  it("makes two texts of the same data", async () => {
    const { handler, withSecrets } = place();
    const sealed = withSecrets(secret);
    const texts = new Set<string>();
    for (let n = 0; n < 1000; n++) {
      await sealed.store("a", { n: 1 });
      texts.add((await textOf(handler, "a")).slice("sealed1.".length, "sealed1.".length + 16));
    }
    // 16 characters are the iv.
    expect(texts.size).toBe(1000);
  });

  it("takes a text with any bit flipped, and any part of one, for a miss", async () => {
    const inner = new MemoryHandler(new StillPlace());
    const sealed = new SealedHandler(inner, [secret, other]);
    await sealed.store("flipped", { n: 1, name: "Ada" });
    const text = await textOf(inner, "flipped");
    const damaged: string[] = [`${text}A`, `${text}=`, ` ${text}`, `${text}${text}`, ""];
    for (let at = 0; at < text.length; at++) {
      damaged.push(text.slice(0, at));
      for (let bit = 0; bit < 16; bit++) {
        const flipped = String.fromCharCode(text.charCodeAt(at) ^ (1 << bit));
        damaged.push(text.slice(0, at) + flipped + text.slice(at + 1));
      }
    }

    for (const one of damaged) {
      await inner.store("flipped", one);
      const seen = await sealed.retrieve("flipped");
      if (isRecord(seen)) expect.fail(`${one} is taken for ${JSON.stringify(seen.data)}`);
    }

    await inner.store("flipped", text);
    expect(await sealed.retrieve("flipped")).toMatchObject({ data: { n: 1, name: "Ada" } });
  });

  it("does not open what was copied onto another id", async () => {
    const { handler, withSecrets } = place();
    const sealed = withSecrets(secret);
    // Two that are one in UTF-8, and some that share a key.
    for (const [from, to] of [
      ["abc1", "abc2"],
      ["abc1", "xyz1"],
      ["\ud83d", "\ude00"],
    ] as const) {
      await sealed.store(from, { admin: true });
      await handler.store(to, await textOf(handler, from));

      expect(await sealed.retrieve(to)).toEqual({});
      expect(await sealed.retrieve(from)).toMatchObject({ data: { admin: true } });
    }
  });

  it("binds what moves to its new id", async () => {
    const { handler, withSecrets } = place();
    const sealed = withSecrets(secret);
    await sealed.store("old", { n: 1 });
    const old = await textOf(handler, "old");

    await sealed.update<{ n: number }>("new", ({ data }) => ({ n: (data?.n ?? 0) + 1 }), {
      oldId: "old",
      mustExist: true,
    });

    expect(await sealed.retrieve("new")).toMatchObject({ data: { n: 2 } });
    expect(await sealed.retrieve("old")).toEqual({});
    await handler.store("new", old);
    expect(await sealed.retrieve("new")).toEqual({});
  });

  it("opens nothing with another secret", async () => {
    const { handler, withSecrets } = place();
    await withSecrets(secret).store("wrong", { n: 1 });
    const stored = await handler.retrieve("wrong");
    const stranger = withSecrets(other);

    expect(await stranger.retrieve("wrong")).toEqual({});
    expect(await stranger.update("wrong", () => undefined)).toEqual({});

    // It is left alone: with the right one it opens.
    expect(await handler.retrieve("wrong")).toEqual(stored);
    expect(await withSecrets(secret).retrieve("wrong")).toMatchObject({ data: { n: 1 } });
  });

  it("does not look into the data for keys(), touch(), remove() and clean()", async () => {
    const { handler, withSecrets } = place();
    for (const id of ["kept", "removed"]) await withSecrets(secret).store(id, { n: 1 });
    const stranger = withSecrets(other);

    const ids: string[] = [];
    for await (const id of stranger.keys()) ids.push(id);
    expect(ids.toSorted()).toEqual(["kept", "removed"]);
    expect(await stranger.touch("kept")).toBe(true);
    expect(await stranger.remove("removed")).toBe(true);
    expect(await stranger.clean(60)).toEqual({ removed: 0, kept: 1, skipped: 0 });
    expect(await stranger.clean(0)).toEqual({ removed: 1, kept: 0, skipped: 0 });
    expect(await handler.retrieve("kept")).toEqual({});
    expect(warnings()).toEqual([]);
  });

  it("takes data that is not sealed for a miss: anybody could have put it there", async () => {
    const { handler, withSecrets } = place();
    const sealed = withSecrets(secret);
    for (const [n, data] of [{ admin: true }, "text", ["sealed1."], null, 1].entries()) {
      await handler.store(`planted${n}`, data);
      expect(await sealed.retrieve(`planted${n}`)).toEqual({});
    }
  });

  it("reads with all secrets, and seals with the first at the next write", async () => {
    const { withSecrets } = place();
    for (const id of ["stored", "updated", "moved"]) await withSecrets(other).store(id, { n: 1 });
    const both = withSecrets(secret, other);

    for (const id of ["stored", "updated", "moved"]) {
      expect(await both.retrieve(id)).toMatchObject({ data: { n: 1 } });
      expect(await withSecrets(secret).retrieve(id)).toEqual({}); // reading has written nothing
    }
    await both.store("stored", { n: 2 });
    await both.update("updated", () => ({ n: 2 }));
    await both.update("moved to", ({ data }) => data, { oldId: "moved" });

    for (const [id, n] of Object.entries({ stored: 2, updated: 2, "moved to": 1 })) {
      expect(await withSecrets(secret).retrieve(id)).toMatchObject({ data: { n } });
      expect(await withSecrets(other).retrieve(id)).toEqual({});
    }
  });

  it("has a key for its purpose: not the secret itself, nor one of HKDF without a purpose", async () => {
    const { createDecipheriv, hkdfSync } = await import("node:crypto");
    const key32 = "0123456789abcdef0123456789abcdef";
    const bytes = Buffer.from(new Seal(key32).seal("a", "text").slice(8), "base64url");
    const opens = (key: NodeJS.ArrayBufferView): boolean => {
      const opening = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12));
      opening.setAAD(Buffer.from("sealed1.a", "utf16le")).setAuthTag(bytes.subarray(12, 28));
      opening.update(bytes.subarray(28));
      try {
        opening.final();
        return true;
      } catch {
        return false;
      }
    };
    const derived = (info: string) => Buffer.from(hkdfSync("sha256", key32, "", info, 32));

    expect(opens(Buffer.from(key32))).toBe(false);
    expect(opens(derived(""))).toBe(false);
    // What is written down in src/session/secret.ts, so that every later version reads it too.
    expect(opens(derived("filesession data encryption 1 a"))).toBe(true);
  });

  it("begins anew over a record that it cannot open", async () => {
    const { handler, withSecrets } = place();
    const sealed = withSecrets(secret);
    let seen: unknown;
    for (const id of ["stored", "updated"]) await handler.store(id, "planted");

    expect(await sealed.store("stored", { n: 1 })).toMatchObject({ data: { n: 1 } });
    await sealed.update("updated", (record) => {
      seen = record;
      return { n: 1 };
    });

    expect(seen).toEqual({});
    for (const id of ["stored", "updated"])
      expect(await sealed.retrieve(id)).toMatchObject({ data: { n: 1 } });
  });

  it("counts a record that it cannot open as gone where there must be one", async () => {
    const { handler, withSecrets } = place();
    const sealed = withSecrets(secret);
    await handler.store("planted", { admin: true });
    const stored = await handler.retrieve("planted");
    let isAsked = false;
    const change = () => {
      isAsked = true;
      return 1;
    };
    const gone = { code: "ERR_SESSION_GONE" };
    const move = { oldId: "planted", mustExist: true };

    await expect(sealed.update("planted", change, { mustExist: true })).rejects.toMatchObject(gone);
    await expect(sealed.update("new", change, move)).rejects.toMatchObject(gone);
    await expect(sealed.store("planted", 1, { mustExist: true })).rejects.toMatchObject(gone);
    await expect(sealed.store("new", 1, move)).rejects.toMatchObject(gone);

    expect(isAsked).toBe(false);
    expect(await handler.retrieve("planted")).toEqual(stored);
    expect(await handler.retrieve("new")).toEqual({});
  });

  it("says once for each session that it cannot be opened", async () => {
    const { handler, withSecrets } = place();
    const sealed = withSecrets(secret);
    for (const id of ["said1", "said2"]) await handler.store(id, { password: "hunter2" });

    for (let n = 0; n < 3; n++)
      for (const id of ["said1", "said2"]) {
        await sealed.retrieve(id);
        await sealed.update(id, () => undefined);
      }

    expect(warnings()).toEqual([
      expect.stringContaining('"said1"'),
      expect.stringContaining('"said2"'),
    ]);
    expect(warnings().join()).not.toContain("hunter2");
  });

  it("leaves fields and options that it does not know as they are", async () => {
    const inner = new MemoryHandler(new StillPlace());
    const asked: unknown[] = [];
    const more = { later: "a field" };
    const miss = { later: "of a miss" };
    const sealed = new SealedHandler(
      new Proxy(inner, {
        get:
          (target, name: Exclude<keyof Handler, "selfCleaning">) =>
          async (id: string, ...args: unknown[]) => {
            asked.push(args.at(-1));
            const given = (await Reflect.apply(target[name] as () => unknown, target, [
              id,
              ...args,
            ])) as { id?: string };
            return given.id === undefined ? miss : { ...given, ...more };
          },
      }),
      secret,
    );
    const options = { ip: "192.0.2.1", later: "an option" };

    expect(await sealed.store("a", 1, options)).toMatchObject({ ...more, data: 1 });
    expect(await sealed.update("a", () => 2, options)).toMatchObject({ ...more, data: 2 });
    expect(await sealed.retrieve("a", options as object)).toMatchObject({ ...more, data: 2 });
    expect(await sealed.retrieve("none", options as object)).toBe(miss);

    expect(asked).toHaveLength(4);
    for (const one of asked) expect(one).toMatchObject(options);
  });

  it("has a session held by an async change, and where it is asked to, as without it", async () => {
    const inner = new MemoryHandler();
    const { mock } = vi.spyOn(inner, "update");
    const sealed = new SealedHandler(inner, secret);

    await sealed.update("a", async () => 1);
    await sealed.update("a", () => Promise.resolve(2));
    await sealed.update("a", () => 3, { lock: true });
    await sealed.update("a", async () => 4, { lock: false });

    expect(mock.calls.map(([, , options]) => options?.lock)).toEqual([true, false, true, false]);
  });

  it("cleans by itself where the handler underneath does", () => {
    const clean = Object.assign(new MemoryHandler(), { selfCleaning: true });
    expect(new SealedHandler(clean, secret).selfCleaning).toBe(true);
    expect(new SealedHandler(new MemoryHandler(), secret).selfCleaning).toBe(false);
  });

  it("refuses a secret that is too short, or none, and does not show it", () => {
    const { handler } = place();
    const short = "hunter2-is-31-characters-long-x";
    const refused: unknown[] = [short, [secret, short], [short, secret], "", [], undefined, null];
    refused.push(42, [[secret]], { secret }, Buffer.from(secret));
    for (const one of refused)
      expect(() => new SealedHandler(handler, one as string), inspect(one)).toThrow(
        expect.objectContaining({
          code: "ERR_SESSION_OPTION",
          message: expect.not.stringContaining("hunter2") as string,
        }) as Error,
      );
    expect(() => new SealedHandler(handler, `${short}x`)).not.toThrow();
  });

  it("shows no secret to whoever looks at it, at the driver, or at what goes wrong", async () => {
    const fileDir = tempDir();
    const sealed = new SealedHandler(new FileHandler({ fileDir }), [secret, other]);
    const sessions = driver({ fileDir, secret: [secret, other] });
    onTestFinished(() => sessions.dispose());
    await sealed.handler.store("shown", "planted");
    await sealed.store("a", 1);
    const texts: string[] = [];
    for (const call of [
      () => sealed.store("a", { f: () => undefined }),
      () => sealed.store("", 1),
      () => sealed.update("shown", () => 1, { mustExist: true }),
      () => sealed.store("a", "x".repeat(2 ** 20)),
      () => sessions.getItem("shown"),
      () => sealed.close(),
      () => sealed.retrieve("a"),
    ])
      await call().catch((error: unknown) => texts.push(inspect(error, { showHidden: true })));
    expect(texts).toHaveLength(5);
    expect(warnings()).toHaveLength(1);

    for (const shown of [sealed, sessions, sessions.options])
      texts.push(inspect(shown, { depth: Infinity, showHidden: true }), JSON.stringify(shown));
    const all = [...texts, ...warnings()].join("\n");
    for (const word of [secret, other])
      for (const encoding of ["utf8", "hex", "base64", "base64url"] as const)
        expect(all).not.toContain(Buffer.from(word).toString(encoding));
  });
});

describe("driver with a secret", () => {
  it("gives what it was given, and what a handler has stored", async () => {
    const fileDir = tempDir();
    const sessions = driver({ fileDir, secret });
    onTestFinished(() => sessions.dispose());
    const sealed = new SealedHandler(new FileHandler({ fileDir }), secret);

    await sessions.setItem("item", '{"n":1}');
    await sealed.store("session", new Map([["n", 2]]));

    expect(await sessions.getItem("item")).toEqual({ n: 1 });
    expect(await sessions.getItem("session")).toEqual(new Map([["n", 2]]));
    expect(await sealed.retrieve("item")).toMatchObject({ data: { n: 1 } });
    expect(await sessions.getKeys()).toEqual(expect.arrayContaining(["item", "session"]));
    expect(sessions.getInstance()).toBeInstanceOf(FileHandler);
    for (const file of filesIn(fileDir))
      expect(readFileSync(join(fileDir, file), "latin1")).toContain('"sealed1.');
  });

  it("takes what is not sealed for a miss", async () => {
    const sessions = driver({ fileDir: tempDir(), secret });
    onTestFinished(() => sessions.dispose());
    await sessions.getInstance().store("open", { admin: true });

    expect(await sessions.getItem("open")).toBeNull();
    expect(await sessions.hasItem("open")).toBe(false);
    expect(await sessions.getMeta("open")).toBeNull();
  });

  it("refuses a secret that is undefined: JSON has lost it, or the environment never had it", () => {
    for (const none of [undefined, ""])
      expect(() => driver({ fileDir: tempDir(), secret: none })).toThrow(
        expect.objectContaining({ code: "ERR_SESSION_OPTION" }) as Error,
      );
  });
});

interface Data {
  user?: string;
  cart?: Map<string, Date>;
}

describeH3("useFileSession with a secret", (h3) => {
  const cart = new Map([["tea", new Date(0)]]);

  /** A site whose sessions are sealed with these secrets. */
  function serve(fileDir: string, secrets: string | string[]) {
    const use = (event: H3EventLike) => useFileSession<Data>(event, { fileDir, secret: secrets });
    return h3.serve({
      "/login": async (event) => {
        const session = await use(event);
        await session.update({ user: "Ada", cart });
        return { id: session.id };
      },
      "/": async (event) => {
        const { id = null, data } = await use(event);
        return { id, user: data.user ?? null, tea: data.cart?.get("tea") ?? null };
      },
      "/regenerate": async (event) => {
        const session = await use(event);
        await session.regenerate();
        return { id: session.id };
      },
    });
  }

  it("keeps a session that is nowhere legible, over a regenerate() too", async () => {
    const fileDir = tempDir();
    const visitor = (await serve(fileDir, secret)).visitor();
    const { id } = (await visitor.get("/login")).json as { id: string };
    const sessions = driver({ fileDir, secret });
    onTestFinished(() => sessions.dispose());
    const seen = { user: "Ada", tea: new Date(0).toJSON() };

    expect((await visitor.get("/")).json).toEqual({ id, ...seen });
    expect(await sessions.getItem(id)).toEqual({ user: "Ada", cart });
    expect(readFileSync(join(fileDir, `sess_${id}`), "latin1")).not.toMatch(/Ada|tea|cart|user/);

    const { id: newId } = (await visitor.get("/regenerate")).json as { id: string };
    expect(newId).not.toBe(id);
    expect((await visitor.get("/")).json).toEqual({ id: newId, ...seen });
    expect(await sessions.getItem(newId)).toEqual({ user: "Ada", cart });
    expect(await sessions.getItem(id)).toBeNull();
  });

  it("goes on when the secret is changed and the old one is kept behind it", async () => {
    const fileDir = tempDir();
    const visitor = (await serve(fileDir, secret)).visitor();
    const before = await visitor.get("/login");
    const { id } = before.json as { id: string };

    const rotated = (await serve(fileDir, [other, secret])).visitor();
    for (const [name, token] of visitor.cookies) rotated.cookies.set(name, token);

    expect((await rotated.get("/")).json).toMatchObject({ id, user: "Ada" });
  });

  it("begins anew, under a new id, when the secret is another one", async () => {
    const fileDir = tempDir();
    const visitor = (await serve(fileDir, secret)).visitor();
    const { id } = (await visitor.get("/login")).json as { id: string };

    const stranger = (await serve(fileDir, other)).visitor();
    for (const [name, token] of visitor.cookies) stranger.cookies.set(name, token);

    expect((await stranger.get("/")).json).toEqual({ id: null, user: null, tea: null });
    expect((await stranger.get("/login")).json).not.toEqual({ id });
    expect(filesIn(fileDir)).toHaveLength(2);
  });
});
