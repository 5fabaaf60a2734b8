// 50,000 sessions move to another place under the visitors of two instances, and the one that copies is
// killed in the midst of it, twice.

import { existsSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { FileHandler, type Handler, isRecord, type SessionRecord } from "../../src/index.ts";
import { RedisHandler } from "../../src/redis.ts";
import { keysOf } from "../../src/testing/place.ts";
import { tempDir } from "../_dir.ts";
import { has } from "../_needs.ts";
import { startRedis } from "../redis/_server.ts";
import { size } from "../_size.ts";
import { Instance } from "./_instance.ts";
import { report } from "./_report.ts";
import { leftovers } from "./_settle.ts";
import { idOfCookie, type Visitor, Visitors } from "./_visitors.ts";

interface Move {
  from: "files" | "Redis";
  sessions: number;
  mover: "filesession" | "overwriting" | "removing-first" | "old-place";
}

interface Outcome {
  /** What must not be, by its name. */
  violations: Record<string, number>;
  /** The first of them. */
  complaints: string[];
  acknowledged: number;
  kills: number;
}

/** What the app keeps; who has begun only now has no cart. */
interface Counted {
  user: string;
  n?: number;
  cart?: [user: number, what: string];
}

// So much has been copied when the copier is killed.
const deaths = [0.3, 0.6];
const crowd = 6;

async function moveHouse({ from, sessions, mover }: Move): Promise<Outcome> {
  const begun = performance.now();
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const fileDir = join(tempDir(roomFor(sessions)), "sessions");
  const files = new FileHandler({ fileDir });
  const strings = new RedisHandler({ url: redis.url, timeout: 20 });
  onTestFinished(() => files.close());
  onTestFinished(() => strings.close());
  const [old, next] = from === "files" ? [files, strings] : [strings, files];

  const orders = { fileDir, url: redis.url, from: from === "files" ? "files" : "redis", mover };
  const instances = [new Instance(2, orders), new Instance(1, orders)] as const;
  await Promise.all(instances.map((instance) => instance.start()));
  const half = sessions / 2;
  await Promise.all(
    instances.map(({ server }, index) =>
      server(`/settle?first=${index * half}&last=${(index + 1) * half}`),
    ),
  );
  const ids: string[] = [];
  for await (const id of old.keys()) ids.push(id); // in the order in which a copier has them
  expect(ids).toHaveLength(sessions);
  const settled = performance.now();

  const visitors = new Visitors(instances, ids);
  const [copier] = instances;
  let isOver = false;
  const move = async (): Promise<void> => {
    try {
      let before = 0;
      for (const share of deaths) before += await copyUpTo(share, copier, visitors, before);
      await copyUpTo(Infinity, copier, visitors, before);
    } finally {
      isOver = true;
    }
  };
  const traffic = Array.from({ length: crowd }, () => visitors.actWhile(() => !isOver));
  await Promise.all([move(), ...traffic]);
  const moved = performance.now();
  const violations = {
    ...visitors.violations,
    ...violationsIn(await recordsIn(next), visitors.all),
    leftBehind: (await keysOf(old)).length,
    // Where files are the new place, what a move with a grace has left stands there too.
    ...(from === "files" && { beside: (await leftovers(fileDir)).left.length }),
  };
  const acknowledged = visitors.all.reduce((sum, one) => sum + one.acknowledged, 0);
  const isTwin = mover !== "filesession";
  report(22, `${isTwin ? "twin: " : ""}moving house from ${from}, ${mover}`, {
    acknowledged,
    kills: copier.kills,
    violations: Object.values(violations).reduce((sum, count) => sum + count, 0),
    sessions,
    requests: visitors.requests,
    "cut off": visitors.cutOff,
    "s to settle": seconds(settled - begun),
    "s to move": seconds(moved - settled),
    "s to look": seconds(performance.now() - moved),
  });
  return { violations, complaints: visitors.complaints, acknowledged, kills: copier.kills };
}

/** In memory, if there is room: measured, it takes a third of the time that it does on a disk. */
function roomFor(sessions: number): string {
  const memory = "/dev/shm";
  if (!existsSync(memory)) return tmpdir();
  const { bavail, bsize } = statfsSync(memory);
  return bavail * bsize > 20_000 * sessions ? memory : tmpdir();
}

/** Copies until so much is done, and is killed then, unless it has ended. Gives how many it has dealt with. */
async function copyUpTo(
  share: number,
  copier: Instance,
  visitors: Visitors,
  before: number,
): Promise<number> {
  let count = 0;
  const copying = copier.server("/copy").then(
    ({ status, text }) => `${status} ${text}`,
    () => "killed",
  );
  while (visitors.share < share) {
    const news = await Promise.race([copier.count(), copying]);
    if (typeof news === "string") {
      if (!news.startsWith("200")) throw new Error(`/copy: ${news}`);
      return count; // it was faster
    }
    count = news;
    visitors.copied(before + count);
  }
  await copier.kill();
  expect(await copying).toBe("killed");
  await copier.start();
  return count;
}

/** The sessions in this place, by whose they are. */
async function recordsIn(place: Handler): Promise<Map<string, SessionRecord<Counted>[]>> {
  const byUser = new Map<string, SessionRecord<Counted>[]>();
  const ids = await keysOf(place);
  while (ids.length > 0) {
    const records = ids.splice(-200).map((id) => place.retrieve<Counted>(id, { blocking: false }));
    for (const record of await Promise.all(records)) {
      if (!isRecord(record)) continue;
      const { user } = record.data;
      byUser.set(user, [...(byUser.get(user) ?? []), record]);
    }
  }
  return byUser;
}

function violationsIn(
  byUser: Map<string, SessionRecord<Counted>[]>,
  visitors: readonly Visitor[],
): Record<string, number> {
  const found = {
    lost: 0,
    twice: 0,
    back: 0,
    lostUpdates: 0,
    tooMany: 0,
    damaged: 0,
    elsewhere: 0,
    strangers: byUser.size,
  };
  for (const { user, cookie, is, sent, acknowledged } of visitors) {
    const records = byUser.get(user) ?? [];
    if (records.length > 0) found.strangers--;
    if (records.length > 1) found.twice++;
    if (records.length > 0 && is === "out") found.back++;
    if (records.length === 0 && (is === "in" || is === "adrift")) found.lost++;
    for (const { id, data } of records) {
      const { n = 0, cart } = data;
      found.lostUpdates += Math.max(0, acknowledged - n);
      if (n > sent) found.tooMany++;
      if (!user.startsWith("new") && cart?.join() !== `${user},a book`) found.damaged++;
      if (is === "in" && id !== idOfCookie(cookie)) found.elsewhere++;
    }
  }
  return found;
}

const seconds = (ms: number): number => Math.round(ms / 100) / 10;

const none: unknown = expect.toSatisfy((counts: Record<string, number>) =>
  Object.values(counts).every((count) => count === 0),
);

describe.runIf(has("redis-server"))("moving house while the copier is killed", () => {
  it.each([
    ["files", "Redis", size(50_000, 500_000)],
    ["Redis", "files", size(2000, 50_000)],
  ] as const)(
    "from %s to %s loses no update and no session, doubles none, and logs nobody out",
    async (from, _, sessions) => {
      const { violations, complaints, acknowledged, kills } = await moveHouse({
        from,
        sessions,
        mover: "filesession",
      });
      expect({ violations, complaints }).toEqual({ violations: none, complaints: [] });
      expect(kills).toBe(deaths.length);
      expect(acknowledged).toBeGreaterThan(sessions / 20);
    },
  );

  it.each(["overwriting", "removing-first", "old-place"] as const)(
    "does harm by `%s`",
    async (mover) => {
      const { violations } = await moveHouse({ from: "files", sessions: 2000, mover });
      expect(violations).not.toEqual(none);
    },
  );
});
