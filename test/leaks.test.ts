// No token comes out: not in an error, a log, a warning, a path, a file, or when somebody looks at a
// session.

import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { describe, expect, it, vi } from "vitest";
import { FileHandler } from "../src/file/handler.ts";
import type { FileSessionConfig } from "../src/session/config.ts";
import { type H3EventLike, requestHeader } from "../src/session/event.ts";
import type { FileSession } from "../src/session/file-session.ts";
import { useFileSession } from "../src/session/use.ts";
import { noPlace, tempDir } from "./_dir.ts";
import { describeH3 } from "./_h3.ts";
import { BareRequest, sha256 } from "./_tokens.ts";
import { type Outlet, Traces } from "./_traces.ts";

const scale = process.env.STORM === "long" ? 40 : 1;

type Use = (event: H3EventLike, config: FileSessionConfig) => Promise<FileSession>;

describe("a token", () => {
  const visits = 1500;

  it.each(Array.from({ length: scale }, (_, round) => round))(
    `comes out nowhere in ${visits} visits in which everything goes wrong that can, round %i`,
    { timeout: 120_000 },
    async () => {
      const { leaks, texts, tokens, codes } = await misuse(useFileSession, visits);
      expect(leaks).toEqual({});
      // There was something to search, everywhere.
      expect(tokens).toBeGreaterThan(2 * visits);
      const outlets: Outlet[] = ["disk", "error", "session", "warning"];
      for (const outlet of outlets) expect(texts[outlet]).toBeGreaterThan(visits / 50);
      expect([...codes].sort().filter((code) => code.startsWith("ERR_"))).toEqual([
        "ERR_SESSION_DATA",
        "ERR_SESSION_DIR",
        "ERR_SESSION_GONE",
        "ERR_SESSION_HEADERS_SENT",
        "ERR_SESSION_LOCK_TIMEOUT",
        "ERR_SESSION_OPTION",
        "ERR_SESSION_TOO_LARGE",
      ]);
    },
  );

  // The same search over session layers that let it out.
  it.each<[how: string, outlet: Outlet, leak: (session: FileSession, token: string) => unknown]>([
    [
      "in a property of the session",
      "session",
      (session, token) => Object.assign(session, { token }),
    ],
    [
      "in a property that is not enumerable",
      "session",
      (session, token) => Object.defineProperty(session, "token", { value: token }),
    ],
    ["in the data", "disk", (session, token) => session.update({ csrf: token })],
    ["in the console", "console", (_, token) => console.log(`session ${token}`)],
    ["in the console, half of it", "console", (_, token) => console.log(token.slice(20))],
    [
      "in hex",
      "output",
      (_, token) => process.stderr.write(Buffer.from(token, "base64url").toString("hex")),
    ],
    ["in a warning", "warning", (_, token) => process.emitWarning(`late: ${token}`)],
    [
      "in the cause of an error",
      "error",
      (session, token) =>
        Object.assign(session, {
          update: async () => {
            const cause = Object.assign(new Error("ENOENT"), { path: `/tmp/sess_${token}` });
            throw new Error("no", { cause: new Error("no", { cause }) });
          },
        }),
    ],
    [
      "in a rejection that nobody waits for",
      "rejection nobody waits for",
      (_, token) => void Promise.reject(new Error(token)),
    ],
  ])("is found when it comes out %s", async (_, outlet, leak) => {
    const leaky: Use = async (event, config) => {
      const session = await useFileSession(event, config);
      const { cookie = "" } = (event as BareRequest).node.req.headers;
      const token = /=([\w-]{43})$/.exec(String(cookie))?.[1];
      if (token !== undefined) await Promise.resolve(leak(session, token)).catch(() => undefined);
      return session;
    };
    const { leaks } = await misuse(leaky, 60);
    expect(Object.keys(leaks)).toContain(outlet);
  });
});

describeH3("a token, in what a server answers and logs", (h3) => {
  const visitors = 15 * scale;

  /** Visits a site that does all kinds of things wrong; `body` is what each handler answers. */
  async function visitAll(
    body: (session: FileSession, event: H3EventLike) => unknown,
  ): Promise<ReturnType<Traces["close"]> & { tokens: number }> {
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir, maxBytes: 1000, lockTimeout: 0.01 });
    const config = { handler };
    const route =
      (act: (session: FileSession) => unknown, more: FileSessionConfig = {}) =>
      async (event: H3EventLike) => {
        const session = await useFileSession(event, { ...config, ...more });
        await act(session);
        return body(session, event);
      };
    const site = await h3.serve({
      "/": route(() => undefined),
      "/login": route(async (session) => {
        await session.update({ user: 1 });
        await session.regenerate();
      }),
      "/data": route((session) => session.update({ f: () => undefined })),
      "/large": route((session) => session.update({ text: "x".repeat(2000) })),
      "/throw": route((session) =>
        session.update(() => {
          throw new Error("a bug of the app's");
        }),
      ),
      "/gone": route(async (session) => {
        await handler.remove(session.id ?? "none");
        await session.update({ n: 1 });
      }),
      "/option": route(() => undefined, { name: "no name" }),
      "/clear": route((session) => session.clear()),
    });
    const traces = new Traces(fileDir);
    for (let visitor = 0; visitor < visitors; visitor++) {
      const browser = site.visitor();
      const get = async (path: string): Promise<void> => {
        const answer = await browser.get(path);
        for (const token of browser.cookies.values()) traces.tokens.add(token);
        const headers = [...answer.headers].filter(([name]) => name !== "set-cookie");
        traces.text("response", `${answer.status} ${JSON.stringify(headers)} ${answer.text}`);
      };
      for (const path of ["/login", "/", "/data", "/large", "/throw", "/option"]) await get(path);
      const file = handler._sessionFile(sha256(browser.cookies.get("session") ?? ""));
      if (visitor % 3 === 0) writeFileSync(`${file}.lock`, "");
      if (visitor % 3 === 1) writeFileSync(file, "damaged");
      if (visitor % 3 === 2) traces.failure = { code: "EIO", after: visitor % 5 };
      await get("/login");
      traces.failure = undefined;
      for (const path of ["/gone", "/login", "/clear", "/"]) await get(path);
    }
    return { ...traces.close(), tokens: traces.tokens.size };
  }

  it("does not come out, whatever goes wrong", async () => {
    const { leaks, texts, tokens } = await visitAll((session) => session);
    expect(leaks).toEqual({});
    expect(tokens).toBeGreaterThan(visitors);
    expect(texts.response).toBeGreaterThan(10 * visitors);
    if (h3.major === 1) expect(texts.console).toBeGreaterThan(visitors); // h3 1 reports what is thrown
  });

  it("is found when an answer has it", async () => {
    const { leaks } = await visitAll((_, event) => ({ cookie: requestHeader(event, "cookie") }));
    expect(Object.keys(leaks)).toEqual(["response"]);
  });
});

/** Visits in which everything goes wrong that can, by events alone; what came out. */
async function misuse(
  use: Use,
  visits: number,
): Promise<ReturnType<Traces["close"]> & { tokens: number; codes: Set<string> }> {
  const fileDir = tempDir();
  const options = { fileDir, maxBytes: 1000, lockTimeout: 0.002 };
  const handler = new FileHandler(options);
  const traces = new Traces(fileDir);
  const codes = new Set<string>();

  /** One request with this cookie; gives the cookie as it is then. */
  const request = async (
    token: string,
    act: (session: FileSession, event: BareRequest) => unknown,
    config: FileSessionConfig = {},
    prepare: (event: BareRequest) => void = () => undefined,
  ): Promise<string> => {
    const event = new BareRequest(`session=${token}`);
    const whole = { handler, cleanInterval: false, ...config } as const;
    prepare(event);
    try {
      const session = await use(event, whole);
      try {
        await act(session, event);
      } finally {
        traces.add("session", session);
        // Hidden in the context is what belongs to the request's headers, and they are shown with it.
        traces.text("session", inspect(event.context, { depth: Infinity }));
      }
    } catch (error) {
      traces.error(error);
      if (error instanceof Error && "code" in error) codes.add(String(error.code));
    }
    const now = event.token || token;
    traces.tokens.add(now);
    return now;
  };
  const file = (token: string): string => handler._sessionFile(sha256(token));
  const update = (session: FileSession): Promise<unknown> => session.update({ n: 1 });
  const failing = ["EIO", "ENOSPC", "EACCES", "EMFILE", "EROFS", "ELOOP"];

  const mishaps: ((token: string, visit: number) => Promise<unknown>)[] = [
    (token) => request(token, (session) => session.update({ f: () => undefined })),
    (token) => request(token, (session) => session.replace({ text: "x".repeat(2000) })),
    (token) =>
      request(token, (session) => session.update(() => Promise.reject(new Error("a bug")))),
    (token) => request(token, (session) => session.regenerate(), { cookie: false }),
    (token) => request(token, update, { name: "no name" }),
    (token) => request(token, update, { maxAge: -1 }),
    (token) => request(token, update, { handler: undefined, fileDir: noPlace }),
    (token) =>
      request(token, update, { checkIp: true }, ({ node }) => {
        node.req.socket = { remoteAddress: "192.0.2.9" };
      }),
    (token) =>
      request(token, update, {}, ({ context }) => {
        Object.assign(context, { cache: { options: {} } });
      }),
    // Headers that have gone.
    (token) =>
      request(token, async (session, { node }) => {
        node.res.headersSent = true;
        await session.regenerate();
      }),
    (token) =>
      request(token, async (session, { node }) => {
        node.res.headersSent = true;
        await session.clear();
      }),
    // Two at once.
    async (token) => {
      const regenerate = (session: FileSession): Promise<unknown> => session.regenerate();
      await Promise.all([request(token, regenerate), request(token, regenerate)]);
    },
    (token) =>
      request(token, async (session) => {
        await handler.remove(session.id ?? "none");
        await session.update({ n: 2 });
      }),
    // All that a session does in its life, and its old token after it.
    async (token) => {
      await request(token, async (session) => {
        await session.tag("Ada");
        await session.flash("notice", "Hello");
        await session.remember(60);
        await session.regenerate({ grace: 60 });
        traces.add("session", await session.others());
      });
      await request(token, update);
      await request(token, (session) => session.flashed());
    },
    // A session that ends while the request has it.
    async (token) => {
      const late = (change: (session: FileSession) => Promise<unknown>) =>
        request(token, async (session) => {
          vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 8 * 86_400_000 });
          try {
            await change(session);
          } finally {
            vi.useRealTimers();
          }
        });
      await late(update);
      await late((session) => session.regenerate());
    },
    // An own secret, good and bad.
    (token) => request("", update, { generateId: () => own(token) }),
    (token) => request("", update, { generateId: () => `${own(token)} ${token}` }),
    // A lock that stays, a damaged file, a broken disk.
    async (token) => {
      writeFileSync(`${file(token)}.lock`, "");
      await request(token, update);
      await request(token, (session) => session.clear());
    },
    async (token) => {
      writeFileSync(file(token), "damaged");
      await request(token, update);
    },
    async (token, visit) => {
      for (let after = 0; after < 12; after++) {
        traces.failure = { code: String(failing[visit % failing.length]), after };
        token = await request(token, after % 2 ? update : (session) => session.regenerate());
        traces.failure = undefined;
      }
    },
    // A session whose use cannot be noted.
    async (token) => {
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 90_000 });
      traces.failure = { code: "EROFS", after: 6 };
      await request(token, () => undefined);
      traces.failure = undefined;
      vi.useRealTimers();
    },
    // A handler that is closed.
    async (token) => {
      const closed = new FileHandler(options);
      await closed.close();
      await request(token, update, { handler: closed });
    },
    (token) => request(token, (session) => session.clear()),
  ];
  const own = (token: string): string => {
    const secret = `${token.slice(0, 4)}${randomBytes(20).toString("hex")}`;
    traces.tokens.add(secret);
    return secret;
  };

  for (let visit = 0; visit < visits; visit++) {
    let token = await request("", (session) => session.update({ user: visit }));
    token = await request(token, (session) => session.regenerate());
    await mishaps[visit % mishaps.length]?.(token, visit);
    if (visit % 100 === 0) traces.add("session", handler);
    if (visit % 500 === 499) await handler.clean(0).catch((error: unknown) => traces.error(error));
  }
  await new Promise(setImmediate); // a rejection is reported late
  for (const entry of readdirSync(fileDir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    traces.text("disk", entry.isFile() ? `${path} ${readFileSync(path, "latin1")}` : path);
  }
  return { ...traces.close(), tokens: traces.tokens.size, codes };
}
