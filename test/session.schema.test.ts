// What a session's data is to be, and what becomes of data that is not.

import { type } from "arktype";
import * as v from "valibot";
import { expect, it, vi } from "vitest";
import { z } from "zod";
import {
  FileHandler,
  type FileSessionConfig,
  type StandardSchema,
  useFileSession,
} from "../src/index.ts";
import type { H3EventLike } from "../src/session/event.ts";
import type { FileSession } from "../src/session/file-session.ts";
import { filesIn, tempDir } from "./_dir.ts";
import { describeH3, type H3 } from "./_h3.ts";

interface Data {
  user: string;
  visits: number;
}

const schemas: [name: string, schema: StandardSchema<Data>][] = [
  ["valibot", v.object({ user: v.string(), visits: v.optional(v.number(), 0) })],
  ["zod", z.object({ user: z.string(), visits: z.number().default(0) })],
  ["arktype", type({ user: "string", visits: "number = 0", "+": "delete" })],
];

async function site(h3: H3, fileDir: string, config: FileSessionConfig<Data>) {
  const use = (event: H3EventLike): Promise<FileSession<Data>> =>
    useFileSession(event, { fileDir, ...config });
  const served = await h3.serve({
    "/": async (event) => (await use(event)).data,
    "/id": async (event) => ({ id: (await use(event)).id ?? null }),
    "/login": async (event) => (await (await use(event)).update({ user: "Ada" })).data,
    "/wrong": async (event) => {
      const session = await use(event);
      const wrong = { user: { secret: "of Ada" } } as unknown as Partial<Data>;
      const error = (await session.update(wrong).catch((error: Error) => error)) as Error;
      return { message: error.message, code: (error as Error & { code: string }).code };
    },
    "/late": async (event) =>
      (await (await use(event)).update(async ({ visits = 0 }) => ({ visits: visits + 1 }))).data,
    "/regenerate": async (event) => (await (await use(event)).regenerate()).data,
  });
  return served;
}

/** What is stored for the one session there is. */
async function stored(fileDir: string): Promise<unknown> {
  const [file = ""] = filesIn(fileDir);
  return (await new FileHandler({ fileDir }).retrieve(file.slice("sess_".length))).data;
}

/** A visitor of a site without a schema, who has this data. */
async function visitorWith(h3: H3, fileDir: string, data: object, config: FileSessionConfig = {}) {
  const before = await h3.serve({
    "/": async (event) =>
      (await (await useFileSession(event, { fileDir, ...config })).update(data)).data,
  });
  const visitor = before.visitor();
  await visitor.get("/");
  return visitor.cookies;
}

describeH3("schema", (h3) => {
  it.each(schemas)(
    "of %s gives what is stored its defaults, and nothing more",
    async (_, schema) => {
      const fileDir = tempDir();
      const served = await site(h3, fileDir, { schema });
      const visitor = served.visitor();
      expect((await visitor.get("/")).json).toEqual({});
      expect((await visitor.get("/login")).json).toEqual({ user: "Ada", visits: 0 });
      expect(await stored(fileDir)).toEqual({ user: "Ada", visits: 0 });
      expect((await visitor.get("/late")).json).toEqual({ user: "Ada", visits: 1 });
    },
  );

  it.each(schemas)(
    "of %s refuses other data, and says where: ERR_SESSION_DATA",
    async (_, schema) => {
      const fileDir = tempDir();
      const visitor = (await site(h3, fileDir, { schema })).visitor();
      await visitor.get("/login");
      const { json } = await visitor.get("/wrong");
      expect(json).toEqual({
        code: "ERR_SESSION_DATA",
        message:
          "Cannot store session: the schema refuses data.user. The session is as it was before",
      });
      expect(await stored(fileDir)).toEqual({ user: "Ada", visits: 0 });
      expect((await visitor.get("/")).json).toEqual({ user: "Ada", visits: 0 });
    },
  );

  it.each(schemas)("of %s is asked of what is read too", async (_, schema) => {
    const fileDir = tempDir();
    const cookies = await visitorWith(h3, fileDir, { user: "Ada", more: 1 });
    const visitor = (await site(h3, fileDir, { schema })).visitor();
    for (const [name, value] of cookies) visitor.cookies.set(name, value);
    expect((await visitor.get("/")).json).toEqual({ user: "Ada", visits: 0 });
    expect(await stored(fileDir)).toEqual({ user: "Ada", more: 1 });
  });

  it("may be asynchronous", async () => {
    const fileDir = tempDir();
    const schema = v.objectAsync({
      user: v.pipeAsync(
        v.string(),
        v.checkAsync(async (user) => user === "Ada"),
      ),
      visits: v.optional(v.number(), 0),
    });
    const visitor = (await site(h3, fileDir, { schema })).visitor();
    expect((await visitor.get("/login")).json).toEqual({ user: "Ada", visits: 0 });
    expect((await visitor.get("/")).json).toEqual({ user: "Ada", visits: 0 });
    expect((await visitor.get("/wrong")).json).toMatchObject({ code: "ERR_SESSION_DATA" });
  });
});

describeH3("onInvalid", (h3) => {
  const [[, schema] = ["", undefined]] = schemas;

  it("empty: the session begins with no data, says so once, and loses nothing before it writes", async () => {
    const warning = vi.spyOn(process, "emitWarning").mockReturnValue();
    const fileDir = tempDir();
    const cookies = await visitorWith(h3, fileDir, { user: 7 });
    const visitor = (await site(h3, fileDir, { schema })).visitor();
    for (const [name, value] of cookies) visitor.cookies.set(name, value);
    const [file = ""] = filesIn(fileDir);
    for (let request = 0; request < 3; request++) expect((await visitor.get("/")).json).toEqual({});
    expect((await visitor.get("/id")).json).toEqual({ id: file.slice("sess_".length) });
    expect(warning.mock.calls).toEqual([
      [
        `Cannot use the data of session ${file.slice("sess_".length)}: the schema refuses data.user. It counts as empty`,
        { type: "SessionWarning", code: "FILESESSION_INVALID" },
      ],
    ]);
    expect(await stored(fileDir)).toEqual({ user: 7 });
    expect((await visitor.get("/login")).json).toEqual({ user: "Ada", visits: 0 });
    expect(await stored(fileDir)).toEqual({ user: "Ada", visits: 0 });
  });

  it("throw: one request fails and takes the cookie back, the next begins anew", async () => {
    const fileDir = tempDir();
    const cookies = await visitorWith(h3, fileDir, { user: 7 });
    const visitor = (await site(h3, fileDir, { schema, onInvalid: "throw" })).visitor();
    for (const [name, value] of cookies) visitor.cookies.set(name, value);
    const failed = await visitor.get("/");
    expect([failed.status, failed.cookies]).toEqual([
      500,
      [expect.stringMatching(/^session=; Max-Age=0/)],
    ]);
    expect((await visitor.get("/")).json).toEqual({});
    expect(await stored(fileDir)).toEqual({ user: 7 }); // for whoever wants to find out
    expect((await visitor.get("/login")).json).toEqual({ user: "Ada", visits: 0 });
  });
});

describeH3("version and migrate", (h3) => {
  /** First `name`, then `user`, now `user` and `visits`. */
  const migrate = (old: unknown, from: number): Data => {
    const data = old as { name?: string; user?: string };
    return { user: (from < 1 ? data.name : data.user) ?? "", visits: 0 };
  };

  it.each<[string, FileSessionConfig<Data>["migrate"]]>([
    ["now", migrate],
    ["later", async (old, from) => migrate(old, from)],
  ])(
    "bring old data up to date when it is read (%s), and store it so at the next write",
    async (_, migrate) => {
      for (const [old, config] of [
        [{ name: "Ada" }, {}],
        [{ user: "Ada" }, { version: 1 }],
      ] as const) {
        const fileDir = tempDir();
        const cookies = await visitorWith(h3, fileDir, old, config);
        const before = await stored(fileDir);
        const visitor = (await site(h3, fileDir, { version: 2, migrate })).visitor();
        for (const [name, value] of cookies) visitor.cookies.set(name, value);
        expect((await visitor.get("/")).json).toEqual({ user: "Ada", visits: 0 });
        expect(await stored(fileDir)).toEqual(before);
        expect((await visitor.get("/late")).json).toEqual({ user: "Ada", visits: 1 });
        expect(await stored(fileDir)).toEqual({ user: "Ada", visits: 1, "~version": 2 });
        expect((await visitor.get("/")).json).toEqual({ user: "Ada", visits: 1 });
      }
    },
  );

  it("move old data to a new id as it is", async () => {
    const fileDir = tempDir();
    const cookies = await visitorWith(h3, fileDir, { name: "Ada" });
    const visitor = (await site(h3, fileDir, { version: 1, migrate })).visitor();
    for (const [name, value] of cookies) visitor.cookies.set(name, value);
    expect((await visitor.get("/regenerate")).json).toEqual({ user: "Ada", visits: 0 });
    expect(await stored(fileDir)).toEqual({ name: "Ada" });
  });

  it.each<[string, FileSessionConfig<Data>, FileSessionConfig<Data>, string]>([
    [
      "of a later version",
      { version: 3 },
      { version: 2, migrate },
      "it is of version 3, and this app knows 2",
    ],
    [
      "of an old version, and no `migrate`",
      { version: 1 },
      { version: 2 },
      "it is of version 1, and `migrate` is not given",
    ],
    [
      "that `migrate` has failed for",
      { version: 1 },
      {
        version: 2,
        migrate: () => {
          throw new Error("out of luck");
        },
      },
      "it is of version 1, and `migrate` has failed",
    ],
    [
      "that `migrate` has failed for later",
      { version: 1 },
      { version: 2, migrate: () => Promise.reject(new Error("out of luck")) },
      "it is of version 1, and `migrate` has failed",
    ],
  ])("handle data %s as `onInvalid` says", async (_, before, after, why) => {
    const warning = vi.spyOn(process, "emitWarning").mockReturnValue();
    const fileDir = tempDir();
    const cookies = await visitorWith(h3, fileDir, { user: "Ada" }, before);
    const visitor = (await site(h3, fileDir, after)).visitor();
    const strict = (await site(h3, fileDir, { ...after, onInvalid: "throw" })).visitor();
    for (const one of [visitor, strict])
      for (const [name, value] of cookies) one.cookies.set(name, value);
    expect((await visitor.get("/")).json).toEqual({});
    expect(warning.mock.calls[0]?.[0]).toContain(why);
    expect((await strict.get("/")).status).toBe(500);
    expect((await strict.get("/")).json).toEqual({});
    expect(await stored(fileDir)).toMatchObject({ user: "Ada" });
  });
});

describeH3("maxBytes", (h3) => {
  it("refuses what would make a session larger: a 413, and the session is as it was", async () => {
    const config = { fileDir: tempDir(), maxBytes: 1000 };
    const served = await h3.serve({
      "/": async (event) => (await useFileSession(event, config)).data,
      "/small": async (event) =>
        (await (await useFileSession(event, config)).update({ text: "x".repeat(900) })).data,
      "/large": async (event) =>
        (await (await useFileSession(event, config)).update({ more: "x".repeat(100) })).data,
    });
    const visitor = served.visitor();
    const { json } = await visitor.get("/small");
    expect((await visitor.get("/large")).status).toBe(413);
    expect((await visitor.get("/")).json).toEqual(json);
    const other = served.visitor();
    expect((await other.get("/large")).status).toBe(200);
  });
});
