// A real master with a replica, watched by three sentinels, on the loopback.

import { argsOf, type RedisServer, startRedis, until } from "./_server.ts";

export interface RedisSentinel extends AsyncDisposable {
  /** What the sentinels call the master. */
  readonly name: string;
  readonly sentinels: RedisServer[];
  /** The one that begins as the master, and its replica. */
  readonly servers: [RedisServer, RedisServer];
  /** The one that all sentinels name as the master. */
  master(): Promise<RedisServer>;
  /**
   * Kills the master and waits until all sentinels name the other one, which takes 1 to 5 seconds.
   * Gives the new one. The old one becomes its replica when it is restarted. `kill` does more than that.
   */
  failOver(
    kill?: (master: RedisServer, replica: RedisServer) => Promise<void>,
  ): Promise<RedisServer>;
  /** Kills all and removes their directories. */
  close(): Promise<void>;
}

const name = "sessions";

/** Resolves when each sentinel knows of the others and of the replica, after 2 to 5 seconds. */
export async function startSentinel(): Promise<RedisSentinel> {
  const all: RedisServer[] = [];
  const start = async (...how: Parameters<typeof startRedis>): Promise<RedisServer> => {
    const server = await startRedis(...how);
    all.push(server);
    return server;
  };
  const close = async (): Promise<void> => {
    await Promise.all(all.map((server) => server.close()));
  };
  try {
    const first = await start();
    const second = await start({ args: argsOf({ replicaof: `127.0.0.1 ${first.port}` }) });
    await until(() => hasReplica(first));
    const sentinels: RedisServer[] = [];
    for (let n = 0; n < 3; n++)
      sentinels.push(await start({ conf: confOf(first), args: ["--sentinel"] }));
    await until(async () => (await Promise.all(sentinels.map(knowsAll))).every(Boolean));
    const master = (): Promise<RedisServer> => masterAmong([first, second], sentinels);
    return {
      name,
      sentinels,
      servers: [first, second],
      master,
      async failOver(kill = (old) => old.kill()) {
        const old = await master();
        await kill(old, old === first ? second : first);
        await until(async () => {
          const ports = await Promise.all(sentinels.map(masterPort));
          return ports.every((port) => port !== old.port);
        });
        return master();
      },
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const confOf = (master: RedisServer): string => `
sentinel monitor ${name} 127.0.0.1 ${master.port} 2
sentinel down-after-milliseconds ${name} 500
sentinel failover-timeout ${name} 2000
`;

const hasReplica = async (master: RedisServer): Promise<boolean> =>
  /^slave0:.*state=online/m.test(String(await master.call("INFO", "replication")));

async function knowsAll(sentinel: RedisServer): Promise<boolean> {
  const info = String(await sentinel.call("INFO", "sentinel"));
  return /name=sessions,status=ok,.*slaves=1,sentinels=3/.test(info);
}

async function masterAmong(servers: RedisServer[], sentinels: RedisServer[]): Promise<RedisServer> {
  const ports = new Set(await Promise.all(sentinels.map(masterPort)));
  const named = servers.filter(({ port }) => ports.has(port));
  if (ports.size !== 1 || named.length !== 1) throw new Error("The sentinels are of two minds.");
  return named[0]!;
}

async function masterPort(sentinel: RedisServer): Promise<number> {
  const [, port] = (await sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)) as string[];
  return Number(port);
}
