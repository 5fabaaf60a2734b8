// run.mjs <scenario> [states]: explores it, and prints what it found as JSON. With BROKEN=<guard>,
// without that guard.

import { linkSync, unlinkSync } from "node:fs";
import "./broken.mjs";
import { emptyDisk, forbidLinks } from "./disk.mjs";
import { directory, enterModel, explore, runAlone } from "./explore.mjs";
import { atB, judge, look } from "./judge.mjs";
import { scenarios } from "./scenarios.mjs";

enterModel();
const { FileHandler } = await import("filesession");

const handlers = new Map();
const handlerOf = (process, durability = "process") => {
  const key = `${process} ${durability}`;
  if (!handlers.has(key))
    handlers.set(
      key,
      new FileHandler({ fileDir: directory, lockTimeout: 1e12, cacheBytes: 0, durability }),
    );
  return handlers.get(key);
};

const add = (name) => (record) => ({ by: [...(record.data?.by ?? []), name] });
const large = "x".repeat(3000);

// What a process can do. Each leaves its name in the session.
const doings = {
  update: (handler, name) => handler.update("a", add(name)),
  updateMust: (handler, name) => handler.update("a", add(name), { mustExist: true }),
  updateB: (handler, name) => handler.update("b", add(name), { mustExist: true }),
  grow: (handler, name) => handler.update("a", (record) => ({ ...add(name)(record), large })),
  moveBWithTtl: (handler, name) =>
    handler.update("b", add(name), { oldId: "a", mustExist: true, ttl: 1e9 }),
  remove: (handler) => handler.remove("a"),
  touch: (handler) => handler.touch("a"),
  moveB: (handler, name) => handler.update("b", add(name), { oldId: "a", mustExist: true }),
  moveBWithGrace: (handler, name) =>
    handler.update("b", add(name), { oldId: "a", mustExist: true, grace: 1e6 }),
  moveCWithGrace: (handler, name) =>
    handler.update("c", add(name), { oldId: "a", mustExist: true, grace: 1e6 }),
  moveC: (handler, name) => handler.update("c", add(name), { oldId: "a", mustExist: true }),
  moveBA: (handler, name) => handler.update("a", add(name), { oldId: "b", mustExist: true }),
  own: async (handler, name) => {
    if (!(await handler._acquireLock("a", false))) return;
    try {
      linkSync(`${directory}/sess_a`, `${directory}/owner-${name}`);
      unlinkSync(`${directory}/owner-${name}`);
    } finally {
      await handler._releaseLock("a");
    }
  },
  // The last step of somebody whose lock was taken over while he was about to give it back.
  releaseLate: async () => unlinkSync(`${directory}/sess_a.lock`),
  read: (handler) => handler.retrieve("a", { blocking: false }),
};

/** The disk when this process has died with the lock. */
async function leaveLocked(disk, process) {
  const handler = handlerOf(process);
  const left = await runAlone(disk, process, () => handler._acquireLock("a"));
  await runAlone(left.disk, process, () => handler._releaseLock("a")); // in a world that is thrown away
  return withStaleLocks(left.disk);
}

/** The same disk, 60 s later. */
function withStaleLocks(disk) {
  const inodes = new Map(disk.inodes);
  for (const [name, number] of disk.names)
    if (name.endsWith(".lock")) inodes.set(number, { ...inodes.get(number), mtime: 0 });
  return { ...disk, inodes };
}

/** The disk when this process has died in a move, right before the old session ends. */
async function leaveMoving(disk, process) {
  const isEnd = ({ name, path }) => name === "writeSync" && path === `${directory}/sess_a`;
  const move = () => doings.moveB(handlerOf(process), "dead");
  return withStaleLocks((await runAlone(disk, process, move, isEnd)).disk);
}

/** The disk after somebody took a dead lock over, and gave it back. */
async function onceTakenOver(disk) {
  disk = await leaveLocked(await leaveLocked(disk, 8), 7);
  const names = new Map(disk.names);
  names.delete("sess_a.lock");
  return { ...disk, names };
}

const [, , name, limit = "Infinity"] = process.argv;
const scenario = scenarios[name];
const { durability = "process", lies, crashes, does } = scenario;
if (scenario.linkless) forbidLinks();
// The handlers look at their directory when they are made: nothing of that is part of a past.
const setup = handlerOf(8, durability);
does.forEach((_, process) => handlerOf(process, durability));
for (const process of [7, 8, 9]) handlerOf(process);
let disk = emptyDisk;
if (scenario.start !== "new")
  ({ disk } = await runAlone(disk, 8, () => setup.store("a", { by: [] })));
if (scenario.start === "two sessions" || scenario.start === "half a move")
  ({ disk } = await runAlone(disk, 7, () => setup.store("b", { by: [atB] })));
if (scenario.start === "half a move") disk = await leaveMoving(disk, 9);
if (scenario.start === "dead lock") disk = await leaveLocked(disk, 8);
if (scenario.start === "wary") disk = await onceTakenOver(disk);
const programs = does.map((what, process) => async () => {
  let last;
  for (const one of what.split(" "))
    last = await doings[one](handlerOf(process, durability), String(process));
  return last;
});
const begun = process.hrtime.bigint();
const found = await explore({
  disk,
  programs,
  lies,
  crashes,
  check: (...end) => judge(scenario, ...end),
  look: (state) => look(scenario, state),
  limit: Number(limit),
  untilWrong: process.env.BROKEN !== undefined,
});
const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
console.log(JSON.stringify({ name, ...found, seconds: Math.round(seconds * 10) / 10 }));
