// Real servers that speak WebSocket: h3 1 with the crossws it comes with, wired as nitropack 2 does
// it, and h3 2 with that of its own, on srvx.

import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { plugin as websocket } from "crossws/server/node";
import NodeWebSocket from "crossws/websocket";
import nodeAdapter from "crossws-v03/adapters/node";
import * as h3v1 from "h3-v1";
import * as h3v2 from "h3-v2";
import { afterEach, beforeEach, describe, vi } from "vitest";
import type { H3EventLike } from "../src/session/event.ts";
import type { PeerLike, RequestLike } from "../src/session/session-event.ts";
import { appOne, appTwo, close, type Routes, sendOverNode, Site, type Visitor } from "./_h3.ts";

export interface Hooks {
  /** Is given the event of the upgrade, which only h3 2 has. */
  event?(event: H3EventLike): Promise<void>;
  /** May refuse with a Response, or give the handshake headers and the peer a context. */
  upgrade?(request: UpgradeRequest): Promise<Response | { headers: Headers } | undefined>;
  /** What it gives is sent. */
  message?(peer: PeerLike & { context: object }, text: string): unknown;
}

export type UpgradeRequest = RequestLike & { url: string };

export interface WebSocketH3 {
  readonly major: 1 | 2;
  /** Serves these routes, and these hooks at `/ws`, until the test is over. */
  serve(routes: Routes, hooks: Hooks): Promise<WebSocketSite>;
}

/** Runs the same facts on each server. */
export function describeWebSocket(name: string, facts: (h3: WebSocketH3) => void): void {
  const cleanups: (() => unknown)[] = [];
  beforeEach(() => void vi.spyOn(console, "error").mockReturnValue()); // h3 1 reports what is thrown
  afterEach(async () => {
    vi.restoreAllMocks();
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });
  const siteOn = (port: number): WebSocketSite => {
    const clients: Client[] = [];
    cleanups.push(() => clients.forEach((client) => client.close()));
    return new WebSocketSite(port, clients);
  };

  const serveOne = async (routes: Routes, hooks: Hooks): Promise<WebSocketSite> => {
    const app = appOne(routes).use("/ws", h3v1.defineWebSocketHandler(crosswsHooks(hooks)));
    const server = createServer(h3v1.toNodeListener(app));
    const { handleUpgrade } = nodeAdapter(app.websocket as object);
    server.on("upgrade", (...args) => void handleUpgrade(...args));
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    cleanups.push(() => close(server));
    return siteOn((server.address() as AddressInfo).port);
  };
  const serveTwo = async (routes: Routes, hooks: Hooks): Promise<WebSocketSite> => {
    const handler = h3v2.defineWebSocketHandler(async (event) => {
      await hooks.event?.(event);
      return crosswsHooks(hooks);
    });
    const app = appTwo(routes).get("/ws", handler);
    const server = h3v2.serve(app, {
      port: 0,
      hostname: "127.0.0.1",
      silent: true,
      plugins: [websocket({})],
    });
    await server.ready();
    cleanups.push(() => server.close(true));
    return siteOn(Number(new URL(server.url ?? "").port));
  };
  describe.each<[string, WebSocketH3]>([
    ["h3 1", { major: 1, serve: serveOne }],
    ["h3 2", { major: 2, serve: serveTwo }],
  ])(`${name} (%s)`, (_, h3) => facts(h3));
}

function crosswsHooks({ upgrade, message }: Hooks): object {
  return {
    upgrade,
    message: async (peer: PeerLike & Talker, said: { text(): string }) => {
      try {
        peer.send(JSON.stringify(await message?.(peer, said.text())));
      } catch (error) {
        const { code = String(error) } = error as { code?: string };
        peer.send(JSON.stringify(code));
      }
    },
  };
}

interface Talker {
  context: object;
  send(text: string): unknown;
}

/** A served app that is visited, and connected to. */
export class WebSocketSite extends Site {
  readonly #port: number;
  readonly #clients: Client[];
  constructor(port: number, clients: Client[]) {
    super((path, headers) => sendOverNode(port, path, headers));
    this.#port = port;
    this.#clients = clients;
  }

  /** Connects as this visitor does, with its cookies. */
  async connect(visitor: Visitor): Promise<Client> {
    const cookie = [...visitor.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const socket = new (NodeWebSocket as unknown as NodeSocketClass)(
      `ws://127.0.0.1:${this.#port}/ws`,
      [],
      { headers: cookie ? { cookie } : {} },
    );
    const handshake = await new Promise<IncomingMessage>((resolve, reject) => {
      socket.once("upgrade", (response) => socket.once("open", () => resolve(response)));
      socket.once("unexpected-response", (_, response) => resolve(response));
      socket.once("error", reject);
    });
    const client = new Client(socket, handshake);
    this.#clients.push(client);
    return client;
  }
}

/** The client's end of a WebSocket. */
export class Client {
  readonly status: number;
  /** The Set-Cookie headers of the handshake. */
  readonly cookies: string[];
  readonly #socket: NodeSocket;
  constructor(socket: NodeSocket, { statusCode = 0, headers }: IncomingMessage) {
    this.#socket = socket;
    this.status = statusCode;
    this.cookies = headers["set-cookie"] ?? [];
  }

  /** Sends a message, and gives what is sent back. */
  async say(text: string): Promise<unknown> {
    const answer = new Promise<string>((resolve) =>
      this.#socket.once("message", (data) => resolve(String(data))),
    );
    this.#socket.send(text);
    return JSON.parse(await answer) as unknown;
  }

  close(): void {
    if (this.status === 101) this.#socket.terminate();
  }
}

// What is used of the client of `ws`, which crossws holds for Node.
interface NodeSocket {
  once(name: "upgrade", listener: (response: IncomingMessage) => void): void;
  once(
    name: "unexpected-response",
    listener: (request: unknown, response: IncomingMessage) => void,
  ): void;
  once(name: "error", listener: (error: Error) => void): void;
  once(name: "message", listener: (data: Buffer) => void): void;
  once(name: "open", listener: () => void): void;
  send(text: string): void;
  terminate(): void;
}

type NodeSocketClass = new (
  url: string,
  protocols: string[],
  options: { headers: Record<string, string> },
) => NodeSocket;
