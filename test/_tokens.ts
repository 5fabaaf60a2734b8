// Tokens of every kind that must open nothing, made as they come to be: by using sessions.

import { createHash, randomBytes } from "node:crypto";
import { lutimesSync } from "node:fs";
import { vi } from "vitest";
import type { FileHandler } from "../src/file/handler.ts";
import type { FileSessionConfig } from "../src/session/config.ts";
import type { H3V1Event } from "../src/session/event.ts";
import type { FileSession } from "../src/session/file-session.ts";
import { useFileSession } from "../src/session/use.ts";

/** A request by its shape alone: what h3 would hand us, without the cost of a server. */
export class BareRequest implements H3V1Event {
  readonly node: H3V1Event["node"];
  readonly context: object = {};
  readonly setCookies: string[] = [];

  constructor(cookie?: string) {
    const headers: Record<string, string> = cookie === undefined ? {} : { cookie };
    this.node = {
      req: {
        headers: { host: "shop.example", ...headers },
        socket: { remoteAddress: "192.0.2.1" },
      },
      res: {
        headersSent: false,
        getHeader: (name) => (name === "set-cookie" ? this.setCookies : undefined),
        setHeader: (name, value) => {
          if (name === "set-cookie") this.setCookies.splice(0, Infinity, ...[value].flat());
        },
      },
    };
  }

  /** The token that the response gives out. */
  get token(): string {
    return /=([\w-]+);/.exec(this.setCookies.at(-1) ?? "")?.[1] ?? "";
  }
}

export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

const dayMs = 86_400_000;

/** A new session, and its token. */
export async function begin(
  config: FileSessionConfig,
): Promise<{ token: string; session: FileSession }> {
  const request = new BareRequest();
  const session = await useFileSession(request, config);
  await session.update({ user: "Ada" });
  return { token: request.token, session };
}

/** Whether a token opens a session, and what is tried with it beside. */
export async function tokenAfter(
  config: FileSessionConfig,
  token: string,
  change: (session: FileSession) => Promise<unknown>,
): Promise<string> {
  const request = new BareRequest(`${config.name ?? "session"}=${token}`);
  await change(await useFileSession(request, config));
  return request.token;
}

/**
 * For each kind of token that opens nothing under the cookie `session` some of that kind; all of
 * their sessions are kept by `handler`. The live ones are the only ones that open anything.
 */
export async function makeTokens(
  handler: FileHandler,
  each: number,
): Promise<{ live: string[]; dead: Record<string, string[]> }> {
  const config = { handler };
  const make = async (one: () => Promise<string>): Promise<string[]> => {
    const tokens: string[] = [];
    while (tokens.length < each) tokens.push(await one());
    return tokens;
  };
  const fresh = async (): Promise<string> => (await begin(config)).token;
  const used = (at: number) => (token: string) =>
    lutimesSync(handler._sessionFile(sha256(token)), at / 1000, at / 1000);

  const live = await make(fresh);
  const loggedOut = await make(async () => {
    const token = await fresh();
    await tokenAfter(config, token, (session) => session.clear());
    return token;
  });
  const rotated = await make(async () => {
    const token = await fresh();
    await tokenAfter(config, token, (session) => session.regenerate());
    return token;
  });
  const idle = await make(fresh);
  idle.forEach(used(Date.now() - 1.01 * dayMs));
  const now = Date.now();
  vi.useFakeTimers({ toFake: ["Date"], now: now - 7.01 * dayMs });
  const old = await make(fresh);
  vi.useRealTimers();
  old.forEach(used(now));
  return {
    live,
    dead: {
      "never given out": await make(async () => randomBytes(32).toString("base64url")),
      "a record's id, which is its token's hash": live.map(sha256),
      "the hash in base64url": live.map((token) =>
        createHash("sha256").update(token).digest("base64url"),
      ),
      "logged out": loggedOut,
      "from before the session got another token": rotated,
      "unused for too long": idle,
      "older than maxAge": old,
      "of another cookie": await make(async () => (await begin({ handler, name: "basket" })).token),
    },
  };
}
