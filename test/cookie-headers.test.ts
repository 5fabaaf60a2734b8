// What anybody may write into a Cookie header, against real sessions on a real disk. Nothing but a
// live token opens one, nothing is made, and what cannot be a token does not reach the disk.

import { readdirSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { isRecord } from "../src/core/handler.ts";
import { FileHandler } from "../src/file/handler.ts";
import { useFileSession } from "../src/session/use.ts";
import { type Call, intercept } from "./_calls.mjs";
import { tempDir } from "./_dir.ts";
import { describeH3 } from "./_h3.ts";
import { BareRequest, makeTokens, sha256 } from "./_tokens.ts";

const isLong = process.env.STORM === "long";
const headers = isLong ? 1_000_000 : 100_000;
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);

/** What a session layer makes of a request: the id of the session that it opened, if any. */
type Layer = (request: BareRequest, handler: FileHandler) => Promise<string | undefined>;

const ours: Layer = async (request, handler) => (await useFileSession(request, { handler })).id;

describe("a Cookie header", () => {
  it(
    `opens nothing with ${headers} of them, makes no file, and costs no system call when it is junk`,
    { timeout: 6 * headers },
    async () => {
      const report = await attack(ours, headers);
      expect(report).toEqual({ ...nothing, headers, junk: expect.any(Number), seed });
      expect(report.junk).toBeGreaterThan(headers / 10);
      expect(report.junk).toBeLessThan(headers);
    },
  );

  it("opens the session of a live token wherever it stands among junk", async () => {
    const { handler, live, dead } = await place();
    const header = fc.tuple(headerOf(dead, 3), fc.constantFrom(...live), headerOf(dead, 20));
    await fc.assert(
      fc.asyncProperty(header, async ([before, token, after]) => {
        const cookie = `${before};session=${token};${after}`;
        expect(await ours(new BareRequest(cookie), handler)).toBe(sha256(token));
      }),
      { numRuns: 2000, seed },
    );
  });

  it("is looked at for four tokens, so that a long one costs no more than that", async () => {
    const { handler, live, dead } = await place();
    const unknown = `session=${dead["never given out"]![0]}`;
    const open = async (count: number) =>
      ours(
        new BareRequest(`${`${unknown}; `.repeat(count)}session="; session=${live[0]}`),
        handler,
      );
    expect(await open(3)).toBe(sha256(live[0]!));
    expect(await open(4)).toBeUndefined();
    const calls = callsDuring(handler.fileDir);
    expect(await open(20_000)).toBeUndefined();
    expect(calls.end().filter(({ name }) => name === "openSync")).toHaveLength(4);
  });
});

// The same attack must find what is wrong, in each way in which it can be.
describe("the attack", () => {
  it("finds a session layer that takes the cookie for the record's id and makes what is not there", async () => {
    const naive: Layer = async ({ node }, handler) => {
      const id = /session=([^;]*)/.exec(String(node.req.headers.cookie))?.[1];
      if (!id || !/^[\x20-\x7e]{1,64}$/.test(id)) return undefined;
      const record = await handler.retrieve(id);
      if (isRecord(record)) return record.id;
      await handler.store(id, {});
      return undefined;
    };
    const report = await attack(naive, 2000);
    expect(report.accepted).toHaveProperty(["a record's id, which is its token's hash"]);
    expect(report.callsForJunk).toBeGreaterThan(100);
    expect(report.writes).toBeGreaterThan(100);
    expect(report.filesMade).toBeGreaterThan(10);
  });

  it.each<[fault: string, kind: string, sabotage: (handler: FileHandler) => void]>([
    [
      "a handler that has a session for everybody",
      "never given out",
      (handler) => {
        const retrieve = handler.retrieve.bind(handler);
        handler.retrieve = async (id) => {
          const record = await retrieve<never>(id);
          const now = Date.now();
          const made = { id, ip: "", time: now, touched: now, data: {} as never };
          return isRecord(record) ? record : made;
        };
      },
    ],
    [
      "a log-out that leaves the record",
      "logged out",
      (handler) => {
        handler.remove = async () => true;
      },
    ],
    [
      "a regenerate that leaves the old record",
      "from before the session got another token",
      (handler) => {
        const update = handler.update.bind(handler);
        handler.update = async (id, change, { oldId = id, ...options } = {}) => {
          const old = await handler.retrieve(oldId);
          const rest = oldId === id ? options : { ...options, mustExist: false };
          return update(id, oldId === id ? change : () => change(old as never), rest);
        };
      },
    ],
    [
      "a record that was always used just now",
      "unused for too long",
      (handler) => amend(handler, () => ({ touched: Date.now() })),
    ],
    [
      "a record that has just begun",
      "older than maxAge",
      (handler) => amend(handler, () => ({ time: Date.now() })),
    ],
    [
      "a handler that does not keep the cookie's name",
      "of another cookie",
      (handler) => amend(handler, () => ({ cookieName: undefined })),
    ],
  ])("finds %s", async (_, kind, sabotage) => {
    const { accepted } = await attack(ours, 2000, sabotage);
    expect(Object.keys(accepted)).toContain(kind);
  });
});

describeH3("a Cookie header, sent to a server", (h3) => {
  const runs = isLong ? 20_000 : 150;
  const timeout = 20_000 + 20 * runs;

  it(
    "opens nothing, makes no file, and costs no system call when it is junk",
    { timeout },
    async () => {
      const { handler, kindOf, dead } = await place();
      const site = await h3.serve({
        "/": async (event) => ({ id: (await useFileSession(event, { handler })).id ?? null }),
      });
      const files = readdirSync(handler.fileDir);
      const report: Report = { ...nothing, accepted: {}, seed };
      const check = async (text: string): Promise<void> => {
        const cookie = text.replace(/[^\t\x20-\x7e\x80-\xff]/g, "?"); // more cannot be sent
        const calls = callsDuring(handler.fileDir);
        const answer = await site.visitor().get("/", { cookie });
        count(report, cookie, calls.end());
        const { id } = answer.json as { id: string | null };
        if (id !== null) accept(report, kindOf(id));
        expect([answer.status, answer.cookies]).toEqual([200, []]);
      };
      await fc.assert(fc.asyncProperty(headerOf(dead, 20), check), { numRuns: runs, seed });
      await check("session=".padEnd(2 ** 20, "A"));
      await check(`session=${dead["logged out"]![0]}; `.repeat(10_000));
      report.filesMade = readdirSync(handler.fileDir).length - files.length;
      const { junk } = report;
      expect(report).toEqual({ ...nothing, headers: runs + 2, junk, seed });
      expect(junk).toBeGreaterThan(runs / 10);
    },
  );
});

interface Report {
  headers: number;
  /** How many of them had nothing that could be a token. */
  junk: number;
  /** Sessions that were opened, by what their token was. */
  accepted: Record<string, number>;
  filesMade: number;
  /** System calls in the sessions' directory for junk. */
  callsForJunk: number;
  /** System calls there that change something, or were more than four tokens are worth. */
  writes: number;
  seed: number;
}

const nothing: Report = {
  headers: 0,
  junk: 0,
  accepted: {},
  filesMade: 0,
  callsForJunk: 0,
  writes: 0,
  seed: 0,
};

/** Sends so many headers to a session layer, over sessions of every kind. */
async function attack(
  layer: Layer,
  runs: number,
  sabotage: (handler: FileHandler) => void = () => undefined,
): Promise<Report> {
  const { handler, kindOf, dead } = await place(sabotage);
  const files = readdirSync(handler.fileDir);
  const report: Report = { ...nothing, accepted: {}, seed };
  const calls = callsDuring(handler.fileDir);
  const visit = async (cookie: string): Promise<void> => {
    const request = new BareRequest(cookie);
    const id = await layer(request, handler);
    if (id !== undefined || request.setCookies.length > 0) accept(report, kindOf(id));
    count(report, cookie, calls.take());
  };
  await fc.assert(fc.asyncProperty(headerOf(dead, 20), visit), { numRuns: runs, seed });
  calls.end();
  report.filesMade = readdirSync(handler.fileDir).filter((name) => !files.includes(name)).length;
  return report;
}

async function place(sabotage: (handler: FileHandler) => void = () => undefined) {
  vi.useRealTimers();
  const handler = new FileHandler({ fileDir: tempDir() });
  sabotage(handler);
  const { live, dead } = await makeTokens(handler, 8);
  const kinds = new Map<string, string>(live.map((token) => [token, "live"]));
  for (const [kind, tokens] of Object.entries(dead))
    for (const token of tokens) kinds.set(sha256(token), kind).set(token, kind);
  const kindOf = (id: string | undefined): string => kinds.get(id ?? "") ?? "nobody's";
  return { handler, live, dead, kindOf };
}

function accept(report: Report, kind: string): void {
  report.accepted[kind] = (report.accepted[kind] ?? 0) + 1;
}

function count(report: Report, cookie: string, calls: Call[]): void {
  const candidates = candidatesIn(cookie);
  report.headers++;
  if (candidates === 0) {
    report.junk++;
    report.callsForJunk += calls.length;
  }
  const reads = ["openSync", "fstatSync", "readSync", "closeSync", "lstatSync"];
  const opened = calls.filter(({ name }) => name === "openSync");
  const isRead = ({ name, args }: Call): boolean =>
    reads.includes(name) && (name !== "openSync" || (Number(args[1]) & 0o103) === 0);
  report.writes += calls.filter((call) => !isRead(call)).length;
  report.writes += Math.max(0, opened.length - Math.min(candidates, 4));
}

/** How many values of the cookie `session` could be tokens, found out in another way than ours. */
function candidatesIn(cookie: string): number {
  return cookie.split(";").filter((part) => {
    const [name = "", ...rest] = part.split("=");
    const value = rest.join("=").replace(/^[ \t]+|[ \t]+$/g, "");
    if (!/^[ \t]*session[ \t]*$/.test(name) || value.length !== 43) return false;
    return Buffer.from(value, "base64url").toString("base64url") === value;
  }).length;
}

function callsDuring(dir: string): { take: () => Call[]; end: () => Call[] } {
  let calls: Call[] = [];
  const stop = intercept(dir, (call, proceed) => {
    calls.push(call);
    return proceed();
  });
  const take = (): Call[] => {
    const taken = calls;
    calls = [];
    return taken;
  };
  return {
    take,
    end() {
      stop();
      return take();
    },
  };
}

/** Has the handler find its records changed like this. */
function amend(handler: FileHandler, amendment: () => object): void {
  const retrieve = handler.retrieve.bind(handler);
  handler.retrieve = async (id, options) => {
    const record = await retrieve<never>(id, options);
    return isRecord(record) ? { ...record, ...amendment() } : record;
  };
}

/** Headers with up to `most` dead tokens in them, and now and then a huge one. */
function headerOf(dead: Record<string, string[]>, most: number): fc.Arbitrary<string> {
  const token = fc.constantFrom(...Object.values(dead).flat());
  const others = ["Session", "session2", "__proto__", "constructor", "basket", "", "$session"];
  const ours = fc.constantFrom("session", " session ");
  const name = fc.oneof(ours, fc.constantFrom(...others, '"session"', "__Host-session"));
  // Alike, and none.
  const almost = token.chain((token) =>
    fc.constantFrom(
      `"${token}"`,
      `${token}=`,
      `${token}A`,
      token.slice(1),
      `${token.slice(0, -1)}B`, // the same bytes in another spelling
      ` ${token.slice(0, 20)} ${token.slice(20)}`,
      `%${token.charCodeAt(0).toString(16)}${token.slice(1)}`,
      `${token},${token}`,
      Buffer.from(token).toString("base64"),
      Buffer.from(token, "base64url").toString("base64").replace(/=+$/, "+/"),
    ),
  );
  const junk = fc.oneof(
    fc.constantFrom("", "null", "undefined", "../../etc/passwd", "__proto__", "[object Object]"),
    fc.constantFrom("A".repeat(44), "A".repeat(42), "\u0000".repeat(43), "é".repeat(43)),
    fc.string({ maxLength: 60 }),
    fc.string({ maxLength: 60, unit: "binary" }),
    fc.base64String({ maxLength: 60 }),
  );
  const pair = fc
    .tuple(
      name,
      fc.oneof(
        { weight: 1, arbitrary: token },
        { weight: 3, arbitrary: almost },
        { weight: 3, arbitrary: junk },
      ),
    )
    .map(([name, value]) => `${name}=${value}`);
  const bare = fc.oneof(junk, token, fc.constantFrom("session", "=", "==", "session=session="));
  const part = fc.oneof({ weight: 4, arbitrary: pair }, { weight: 1, arbitrary: bare });
  const separator = fc.constantFrom("; ", "; ", ";", ";;", " ;\t");
  const usual = fc
    .tuple(fc.array(part, { maxLength: Math.min(most, 8) }), separator)
    .map(([parts, separator]) => parts.join(separator));
  const huge = fc
    .tuple(part, fc.constantFrom(10_000, 200_000))
    .map(([part, times]) => `${part};`.repeat(times).slice(0, 2 ** 20));
  return most < 20
    ? usual
    : fc.oneof({ weight: 999, arbitrary: usual }, { weight: 1, arbitrary: huge });
}
