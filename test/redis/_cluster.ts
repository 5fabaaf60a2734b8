// A real Redis Cluster on the loopback.

import { argsOf, type RedisServer, startRedis, until } from "./_server.ts";

export interface RedisCluster extends AsyncDisposable {
  /** The three that begin as masters, after them the replicas. */
  readonly nodes: RedisServer[];
  readonly urls: string[];
  /** The slot of a key, of 16384. */
  slotOf(key: string): Promise<number>;
  /** The node that takes itself for the master of this slot. */
  masterOf(slot: number): Promise<RedisServer>;
  /**
   * Has the master of this slot killed by `kill`, and its replica take over at once, which the others
   * would else vote for when they have missed the master for some seconds. Resolves when all know the
   * new one, and gives the old one, which becomes its replica when it is restarted.
   */
  failOver(
    slot: number,
    kill: (master: RedisServer, replica: RedisServer) => Promise<void>,
  ): Promise<RedisServer>;
  /** Moves a slot and its keys to the master with this index, as `redis-cli --cluster reshard` does. */
  moveSlot(slot: number, toIndex: number): Promise<void>;
  /** Kills all and removes their directories. */
  close(): Promise<void>;
}

const masterCount = 3;
const slotCount = 16_384;
/** How long, in milliseconds, a node is not heard of until it is taken for dead. */
const nodeTimeoutMs = 2000;

/**
 * Three masters that share the slots evenly, and that many replicas, the first one of the first master.
 * Resolves when every node says that all is well, after 2 to 4 seconds: a master does not write in its
 * first two.
 */
export async function startCluster(options: { replicas?: number } = {}): Promise<RedisCluster> {
  const count = masterCount + (options.replicas ?? 0);
  const nodes: RedisServer[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.close()));
  };
  try {
    for (let n = 0; n < count; n++) nodes.push(await startRedis({ args }));
    await join(nodes);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    nodes,
    urls: nodes.map(({ url }) => url),
    slotOf: async (key) => Number(await nodes[0]!.call("CLUSTER", "KEYSLOT", key)),
    masterOf: (slot) => masterOf(nodes, slot),
    failOver: (slot, kill) => failOver(nodes, slot, kill),
    moveSlot: async (slot, toIndex) =>
      moveSlot(slot, await masterOf(nodes, slot), nodes[toIndex]!, nodes),
    close,
    [Symbol.asyncDispose]: close,
  };
}

const args = argsOf({
  "cluster-enabled": "yes",
  "cluster-node-timeout": String(nodeTimeoutMs),
  // Without it the node that asked the others to meet does not know its own address.
  "cluster-announce-ip": "127.0.0.1",
});

/** What `redis-cli --cluster create` does. */
async function join(nodes: RedisServer[]): Promise<void> {
  for (const [n, node] of nodes.entries()) {
    // Different ones from the start, or nodes would have to settle who is the newer.
    await node.call("CLUSTER", "SET-CONFIG-EPOCH", String(n + 1));
    if (n < masterCount) await node.call("CLUSTER", "ADDSLOTSRANGE", ...slotsOfMaster(n));
    if (n > 0) await nodes[0]!.call("CLUSTER", "MEET", "127.0.0.1", String(node.port));
  }
  const [masters, replicas] = [nodes.slice(0, masterCount), nodes.slice(masterCount)];
  await until(() => every(nodes, (node) => knows(node, nodes.length)));
  for (const [n, replica] of replicas.entries())
    await replica.call("CLUSTER", "REPLICATE", await idOf(masters[n % masterCount]!));
  await until(() => every(nodes, isWell));
  await until(() => every(replicas, hasItsMastersData));
}

function slotsOfMaster(n: number): [string, string] {
  const boundary = (index: number): number => Math.floor((slotCount * index) / masterCount);
  return [String(boundary(n)), String(boundary(n + 1) - 1)];
}

async function every(
  nodes: RedisServer[],
  isSo: (node: RedisServer) => Promise<boolean>,
): Promise<boolean> {
  return (await Promise.all(nodes.map(isSo))).every(Boolean);
}

/** Whether it knows that many nodes by their names: those it is about to meet have passing ones. */
/** All nodes as this one knows them, a line each. */
async function nodesBy(node: RedisServer): Promise<string[]> {
  return String(await node.call("CLUSTER", "NODES"))
    .trim()
    .split("\n");
}

async function knows(node: RedisServer, count: number): Promise<boolean> {
  const lines = await nodesBy(node);
  return lines.length === count && !lines.some((line) => line.includes("handshake"));
}

const isWell = async (node: RedisServer): Promise<boolean> =>
  /^cluster_state:ok/m.test(String(await node.call("CLUSTER", "INFO")));

const hasItsMastersData = async (replica: RedisServer): Promise<boolean> =>
  /^master_link_status:up/m.test(String(await replica.call("INFO", "replication")));

const idOf = async (node: RedisServer): Promise<string> =>
  String(await node.call("CLUSTER", "MYID"));

async function masterOf(nodes: RedisServer[], slot: number): Promise<RedisServer> {
  let n = -1;
  // On a busy machine they may take a moment to agree.
  await until(async () => {
    // One that does not run does not answer.
    const answers = await Promise.allSettled(nodes.map((node) => isMasterOf(node, slot)));
    n = answers.findIndex((answer) => answer.status === "fulfilled" && answer.value);
    return n !== -1;
  });
  return nodes[n]!;
}

type SlotRange = [first: number, last: number, master: [ip: string, port: number]];

const isMasterOf = (node: RedisServer, slot: number): Promise<boolean> =>
  namesMaster(node, slot, node);

async function namesMaster(node: RedisServer, slot: number, master: RedisServer): Promise<boolean> {
  const ranges = (await node.call("CLUSTER", "SLOTS")) as SlotRange[];
  return ranges.some(
    ([first, last, [, port]]) => first <= slot && slot <= last && port === master.port,
  );
}

async function failOver(
  nodes: RedisServer[],
  slot: number,
  kill: (master: RedisServer, replica: RedisServer) => Promise<void>,
): Promise<RedisServer> {
  const old = await masterOf(nodes, slot);
  const oldId = await idOf(old);
  const others = nodes.filter((node) => node !== old);
  const areItsReplicas = await Promise.all(others.map((node) => isReplicaOf(node, oldId)));
  const replica = others[areItsReplicas.indexOf(true)];
  if (!replica) throw new Error(`The master of slot ${slot} has no replica.`);
  await kill(old, replica);
  // https://redis.io/docs/latest/commands/cluster-failover: it asks nobody.
  await replica.call("CLUSTER", "FAILOVER", "TAKEOVER");
  await until(() => every(others, (node) => namesMaster(node, slot, replica)));
  return old;
}

async function isReplicaOf(node: RedisServer, masterId: string): Promise<boolean> {
  return (await nodesBy(node)).some((line) => / myself,slave (\S+)/.exec(line)?.[1] === masterId);
}

async function moveSlot(
  slot: number,
  from: RedisServer,
  to: RedisServer,
  nodes: RedisServer[],
): Promise<void> {
  if (from === to) return;
  const setSlot = (node: RedisServer, ...state: string[]): Promise<unknown> =>
    node.call("CLUSTER", "SETSLOT", String(slot), ...state);
  const newOwner = await idOf(to);
  await setSlot(to, "IMPORTING", await idOf(from));
  await setSlot(from, "MIGRATING", newOwner);
  for (;;) {
    const keys = (await from.call("CLUSTER", "GETKEYSINSLOT", String(slot), "100")) as string[];
    if (keys.length === 0) break;
    await from.call("MIGRATE", "127.0.0.1", String(to.port), "", "0", "5000", "KEYS", ...keys);
  }
  // The new owner first: if this ended here, no node would think that nobody has the slot.
  await setSlot(to, "NODE", newOwner);
  await setSlot(from, "NODE", newOwner);
  for (const node of nodes)
    if (node !== from && node !== to && (await isMaster(node)))
      await setSlot(node, "NODE", newOwner);
  // Whoever has not heard of its new epoch yet may take the slot for another's when it is moved again.
  const epoch = await epochOf(to, newOwner);
  await until(() => every(nodes, async (node) => (await epochOf(node, newOwner)) === epoch));
}

/** The configuration epoch of the node with this id, as `node` knows it. */
async function epochOf(node: RedisServer, id: string): Promise<string | undefined> {
  return (await nodesBy(node)).find((line) => line.startsWith(id))?.split(" ")[6];
}

const isMaster = async (node: RedisServer): Promise<boolean> =>
  /^role:master/m.test(String(await node.call("INFO", "replication")));
