// The clients that people have, by the few members that are used: those of ioredis and of node-redis, for
// one server, for Sentinels and for a Cluster.

import { slotOf } from "./slot.ts";

/** What all of them have. */
interface Emitter {
  on(event: "error", listener: (error: Error) => void): unknown;
  off(event: "error", listener: (error: Error) => void): unknown;
  connect(): Promise<unknown>;
}

/** What is used of a socket. */
export interface Corkable {
  cork(): void;
  uncork(): void;
}

/** An instance of `Redis` or `Cluster` of ioredis 5 or 6. */
export interface IoredisLike extends Emitter {
  readonly status: string;
  readonly options?: { readonly keyPrefix?: string | undefined };
  call(command: string, ...args: string[]): Promise<unknown>;
  disconnect(): void;
  /** While it is connected. A Cluster has none of its own. */
  readonly stream?: Corkable | undefined;
  /** A Cluster has them. */
  nodes?(role: "master"): IoredisLike[];
}

/** What `createClient` of node-redis 5 or 6 gives. */
export interface NodeRedisLike extends Emitter {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  sendCommand(args: string[]): Promise<unknown>;
  destroy(): unknown;
}

/** What `createSentinel` of node-redis 5 or 6 gives. */
export interface NodeRedisSentinelLike extends Emitter {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  sendCommand(isReadonly: boolean | undefined, args: string[]): Promise<unknown>;
  getMasterNode(): unknown;
  destroy(): unknown;
}

/** What `createCluster` of node-redis 5 or 6 gives. */
export interface NodeRedisClusterLike extends Emitter {
  readonly isOpen: boolean;
  readonly masters: readonly object[];
  readonly slots: readonly { readonly master: object }[];
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean | undefined,
    args: string[],
  ): Promise<unknown>;
  nodeClient(node: never): NodeRedisLike | Promise<NodeRedisLike>;
  destroy(): unknown;
}

/** A client of yours: of ioredis or node-redis, one server's, Sentinels' or a Cluster's. */
export type RedisClient =
  | IoredisLike
  | NodeRedisLike
  | NodeRedisSentinelLike
  | NodeRedisClusterLike;

/** Sends a command, whole, to one server. */
export type Send = (command: string[]) => Promise<unknown>;

/** A client, whichever it is. */
export interface Link {
  /** Whether a command that is sent now goes out now. */
  isReady(): boolean;
  /** Connects a client that nobody has connected. */
  open(): Promise<unknown>;
  /** Sends a command to the server that has `key`. */
  send(key: string, command: string[]): Promise<unknown>;
  /** Each server that has keys of its own. */
  masters(): Promise<Send[]>;
  close(): void;
  onError(listener: (error: Error) => void): () => void;
  /** What the client puts before each key by itself. */
  readonly keyPrefix: string;
}

/** Whether it looks like one of them. */
export function isClient(client: unknown): client is RedisClient {
  return (
    typeof client === "object" && client !== null && ("call" in client || "sendCommand" in client)
  );
}

export function linkOf(client: RedisClient): Link {
  return {
    ...partsOf(client),
    onError(listener) {
      client.on("error", listener);
      return () => void client.off("error", listener);
    },
  };
}

function partsOf(client: RedisClient): Omit<Link, "onError"> {
  if ("call" in client) return ofIoredis(client);
  if ("masters" in client) return ofNodeRedisCluster(client);
  if ("getMasterNode" in client)
    return ofNodeRedis(client, (command) => client.sendCommand(false, command));
  return ofNodeRedis(client, (command) => client.sendCommand(command));
}

function ofIoredis(client: IoredisLike): Omit<Link, "onError"> {
  const send = (to: IoredisLike): Send => {
    let corked: Corkable | undefined;
    return ([name = "", ...args]) => {
      const { stream } = to;
      // It makes a system call for each command, which is a third of what a command costs. So those of
      // one turn of the event loop go out together.
      if (stream && stream !== corked) {
        corked = stream;
        stream.cork();
        setImmediate(() => {
          corked = undefined;
          stream.uncork();
        });
      }
      return to.call(name, ...args);
    };
  };
  const sendTo = send(client);
  return {
    isReady: () => client.status === "ready",
    open: async () => (client.status === "wait" ? client.connect() : undefined),
    send: (_, command) => sendTo(command),
    masters: async () => (client.nodes ? client.nodes("master").map(send) : [sendTo]),
    close: () => client.disconnect(),
    keyPrefix: client.options?.keyPrefix ?? "",
  };
}

/** Of one server: its own, or the one that the Sentinels name. */
function ofNodeRedis(
  client: NodeRedisLike | NodeRedisSentinelLike,
  send: Send,
): Omit<Link, "onError"> {
  return {
    isReady: () => client.isReady,
    open: async () => (client.isOpen ? undefined : client.connect()),
    send: (_, command) => send(command),
    masters: async () => [send],
    close: () => void client.destroy(),
    keyPrefix: "",
  };
}

function ofNodeRedisCluster(client: NodeRedisClusterLike): Omit<Link, "onError"> {
  const sendTo = async (node: object | undefined, command: string[]): Promise<unknown> => {
    if (!node) throw new Error("no node is known that has this slot");
    return (await client.nodeClient(node as never)).sendCommand(command);
  };
  return {
    isReady: () => client.isOpen && client.masters.length > 0, // it is open before it knows them
    open: async () => (client.isOpen ? undefined : client.connect()),
    // 6 asks every master what has no key in it, and gives the least that one of them says.
    send: (key, command) =>
      command[0] === "WAIT"
        ? sendTo(client.slots[slotOf(key)]?.master, command)
        : client.sendCommand(key, false, command),
    masters: async () => client.masters.map((node) => (command) => sendTo(node, command)),
    close: () => void client.destroy(),
    keyPrefix: "",
  };
}
