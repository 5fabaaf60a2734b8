// Parallel requests of one visitor to four servers, two on each major of h3: nothing lost, nobody
// let in.

import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { tempDir } from "../_dir.ts";
import { type Answer, type Server, type Sessions, startFleet } from "./_fleet.ts";
import { report } from "./_report.ts";

const isLong = process.env.STORM === "long";

interface Figures extends Record<string, number> {
  rounds: number;
  requests: number;
  /** Keys that were added and are not there; sessions that were regenerated and are nowhere. */
  lost: number;
  /** Sessions that are there after they were destroyed. */
  resurrected: number;
  /** Sessions that are two after they were regenerated. */
  forked: number;
  /** Requests that were told that their session is gone. */
  refused: number;
  /** Answers that are neither 200 nor that. */
  failed: number;
  /** Files in the directory when every session has been destroyed. */
  left: number;
}

/** Rounds of three visitors each, who sign out at the end. */
async function play(
  sessions: Sessions,
  majors: readonly (1 | 2)[],
  rounds: number,
): Promise<Figures> {
  const fileDir = tempDir();
  const servers = await startFleet(majors, sessions, fileDir);
  const found = { lost: 0, resurrected: 0, forked: 0, refused: 0, failed: 0, left: 0 };
  const figures: Figures = { rounds, requests: 0, ...found };
  const counted =
    (server: Server): Server =>
    async (path, cookie) => {
      const answer = await server(path, cookie);
      figures.requests++;
      if (answer.status === 409) figures.refused++;
      else if (answer.status !== 200) figures.failed++;
      return answer;
    };
  const fleet = servers.map(counted);
  for (let round = 0; round < rounds; round++)
    await Promise.all([
      addKeys(fleet, figures),
      signOut(fleet, figures, round),
      sessions === "useSession" ? undefined : regenerateTwice(fleet, figures, round),
    ]);
  figures.left = readdirSync(fileDir).length;
  report(7, `requests, ${sessions} on h3 ${[...new Set(majors)].join(" and ")}`, figures);
  return figures;
}

const any = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)]!;

const setBy = (...answers: Answer[]): string[] =>
  answers.flatMap(({ cookie }) => (cookie && !cookie.endsWith("=") ? [cookie] : []));

async function begin(fleet: Server[], user: string): Promise<string> {
  const [cookie] = setBy(await any(fleet)(`/begin?user=${user}`));
  if (cookie === undefined) throw new Error("No session has begun");
  return cookie;
}

async function read(fleet: Server[], cookie: string): Promise<Record<string, unknown>> {
  const { text } = await any(fleet)("/", cookie);
  return JSON.parse(text) as Record<string, unknown>;
}

/** 20 requests at once, each of which adds a key. */
async function addKeys(fleet: Server[], figures: Figures): Promise<void> {
  const cookie = await begin(fleet, "adds");
  const keys = Array.from({ length: 20 }, (_, n) => `k${n}${n % 2 ? "&late" : ""}`);
  const answers = await Promise.all(keys.map((key) => any(fleet)(`/add?key=${key}`, cookie)));
  const newest = setBy(...answers).at(-1) ?? cookie;
  const data = await read(fleet, newest);
  figures.lost += 20 - Object.keys(data).filter((key) => key.startsWith("k")).length;
  await any(fleet)("/logout", newest);
}

/** One signs out while three other requests of theirs are on their way. */
async function signOut(fleet: Server[], figures: Figures, round: number): Promise<void> {
  const cookie = await begin(fleet, "signs-out");
  const held = any(fleet);
  const gate = `gate=out${round}`;
  const slow = [
    held(`/slow?${gate}`, cookie),
    any(fleet)(`/slow?ms=${Math.random() * 6}`, cookie),
    any(fleet)(`/slow-change?ms=${Math.random() * 6}`, cookie),
  ];
  await held(`/arrived?${gate}`);
  await sleep(Math.random() * 6);
  await any(fleet)("/logout", cookie);
  await held(`/open?${gate}`);
  // Who came after the end has begun a session of its own, with nothing of the old one in it.
  const others = setBy(...(await Promise.all(slow)));
  for (const one of [cookie, ...others]) {
    const data = await read(fleet, one);
    if (one === cookie ? Object.keys(data).length > 0 : "user" in data) figures.resurrected++;
    await any(fleet)("/logout", one);
  }
}

/** Two requests regenerate one session; every other time each has read it before the other acts. */
async function regenerateTwice(fleet: Server[], figures: Figures, round: number): Promise<void> {
  const cookie = await begin(fleet, "regenerates");
  const pair = [any(fleet), any(fleet)];
  const isHeld = round % 2 === 0;
  const gates = pair.map((_, n) => `gate=new${round}-${n}`);
  const answers = pair.map((server, n) =>
    server(`/regenerate?${isHeld ? gates[n] : `ms=${Math.random() * 3}`}`, cookie),
  );
  if (isHeld) {
    await Promise.all(pair.map((server, n) => server(`/arrived?${gates[n]}`)));
    await Promise.all(pair.map((server, n) => server(`/open?${gates[n]}`)));
  }
  let live = 0;
  for (const candidate of new Set([cookie, ...setBy(...(await Promise.all(answers)))])) {
    const { user } = await read(fleet, candidate);
    if (user !== undefined) live++;
    await any(fleet)("/logout", candidate);
  }
  if (live === 0) figures.lost++;
  if (live > 1) figures.forked++;
}

describe("parallel requests to 4 servers", () => {
  it("lose nothing, bring nothing back and fork nothing with useFileSession", async () => {
    const figures = await play("filesession", [1, 2, 1, 2], isLong ? 10_000 : 500);
    const { rounds, requests: _, refused, ...found } = figures;
    expect(found).toEqual({ lost: 0, resurrected: 0, forked: 0, failed: 0, left: 0 });
    // In every round the request that was held until the end, in every other one of the pair.
    expect(refused).toBeGreaterThanOrEqual(1.5 * rounds);
  });

  it.each([1, 2] as const)(
    "lose keys with h3 %i's useSession, and no end is one",
    async (major) => {
      const { lost, resurrected } = await play("useSession", [major, major, major, major], 5);
      expect(lost).toBeGreaterThan(0);
      expect(resurrected).toBeGreaterThan(0);
    },
  );

  it("bring back and fork what is not asked for whether it is there", async () => {
    const { resurrected, forked } = await play("careless", [1, 2, 1, 2], 20);
    expect(resurrected).toBeGreaterThan(0);
    expect(forked).toBeGreaterThan(0);
  });
});
