// interleavings/scenarios.mjs <scenario> [limit]: explores it, and prints what it found as JSON.

import { emptyDisk, contentOf } from "./disk.mjs";
import { directory, enterModel, explore, runAlone } from "./explore.mjs";

enterModel();
const { FileHandler } = await import("filesession");
const { parseRecord } = await import(new URL("../../../dist/file/record.js", import.meta.url));

const handlers = new Map();
const handlerOf = (process, durability) => {
  const key = `${process} ${durability}`;
  if (!handlers.has(key))
    handlers.set(key, new FileHandler({ fileDir: directory, lockTimeout: 1e12, durability }));
  return handlers.get(key);
};

const add = (name) => (record) => ({ by: [...(record.data?.by ?? []), name] });
const large = "x".repeat(3000);

// What a process can do. Each leaves its name in the session.
const doings = {
  update: (handler, name) => handler.update("a", add(name)),
  updateLate: (handler, name) => handler.update("a", async (record) => add(name)(record)),
  updateMust: (handler, name) => handler.update("a", add(name), { mustExist: true }),
  grow: (handler, name) =>
    handler.update("a", (record) => ({ ...add(name)(record), large })),
  remove: (handler) => handler.remove("a"),
  touch: (handler) => handler.touch("a"),
  moveB: (handler, name) => handler.update("b", add(name), { oldId: "a", mustExist: true }),
  moveC: (handler, name) => handler.update("c", add(name), { oldId: "a", mustExist: true }),
  updateB: (handler, name) => handler.update("b", add(name), { mustExist: true }),
  moveBA: (handler, name) => handler.update("a", add(name), { oldId: "b", mustExist: true }),
  read: (handler) => handler.retrieve("a", { blocking: false }),
};

// lies, crashes, what each process does one after the other; `new`: there is no session yet.
export const scenarios = {
  "2 updates, 2 lies, 1 death": { lies: 2, crashes: 1, does: ["update", "update"] },
  "2 updates, 3 lies": { lies: 3, crashes: 0, does: ["update", "update"] },
  "2 × 2 updates, 1 lie": { lies: 1, crashes: 0, does: ["update update", "update update"] },
  "3 updates, 1 lie": { lies: 1, crashes: 0, does: ["update", "update", "update"] },
  "3 updates, 1 death": { lies: 0, crashes: 1, does: ["update", "update", "update"] },
  "3 updates, 1 lie, 1 death": { lies: 1, crashes: 1, does: ["update", "update", "update"] },
  "3 updates, 2 lies": { lies: 2, crashes: 0, does: ["update", "update", "update"] },
  "2 first updates, 2 lies, 1 death": { new: true, lies: 2, crashes: 1, does: ["update", "update"] },
  "3 first updates, 1 lie": { new: true, lies: 1, crashes: 0, does: ["update", "update", "update"] },
  "grow, update, 2 lies, 1 death": { lies: 2, crashes: 1, does: ["grow", "update"] },
  "grow, 2 updates, 1 lie": { lies: 1, crashes: 0, does: ["grow", "update", "update"] },
  "2 updates by file, 2 lies, 1 death": { durability: "file", lies: 2, crashes: 1, does: ["update", "update"] },
  "remove, update, 2 lies, 1 death": { lies: 2, crashes: 1, does: ["remove", "updateMust"] },
  "remove, 2 updates, 1 lie": { lies: 1, crashes: 0, does: ["remove", "updateMust", "updateMust"] },
  "2 moves, 1 lie, 1 death": { lies: 1, crashes: 1, does: ["moveB", "moveC"] },
  "2 moves, 2 lies": { lies: 2, crashes: 0, does: ["moveB", "moveC"] },
  "move, update, 2 lies": { lies: 2, crashes: 0, does: ["moveB", "updateMust"] },
  "move, update, 1 lie, 1 death": { lies: 1, crashes: 1, does: ["moveB", "updateMust"] },
  "move, remove, 1 lie, 1 death": { lies: 1, crashes: 1, does: ["moveB", "remove"] },
  "move, move back, 1 lie": { lies: 1, crashes: 0, does: ["moveB", "moveBA"] },
  "move, remove, update, 1 lie": { lies: 1, crashes: 0, does: ["moveB", "remove", "updateMust"] },
  "update, touch, read": { lies: 1, crashes: 1, does: ["update update", "touch read"] },
};

const sessions = new Map();
/** What a record file holds: text that tells a miss, damage and a session apart. */
function sessionIn(disk, id) {
  const number = disk.names.get(`sess_${id}`);
  if (number === undefined) return undefined;
  const { content } = disk.inodes.get(number);
  let found = sessions.get(content);
  if (found === undefined) {
    const parsed = parseRecord(contentOf(content));
    found = parsed === "damaged" ? parsed : { meta: parsed.current.meta, data: JSON.parse(parsed.current.text) };
    sessions.set(content, found);
  }
  return found;
}

function liveIn(disk) {
  const live = [];
  for (const id of ["a", "b", "c"]) {
    const found = sessionIn(disk, id);
    if (found === undefined || found === "damaged" || found.meta.gone !== undefined) continue;
    const { pending } = found.meta;
    if (pending) {
      const old = sessionIn(disk, pending.from);
      if ((old?.meta?.gone ?? old?.meta?.was) !== pending.token) continue;
    }
    live.push({ id, by: found.data.by });
  }
  return live;
}

function look(disk) {
  for (const id of ["a", "b", "c"]) if (sessionIn(disk, id) === "damaged") return "torn";
  if (liveIn(disk).length > 1) return "forked";
  return undefined;
}

function judge({ does }) {
  const names = does.map((_, process) => String(process));
  const removes = does.some((what) => what.includes("remove"));
  return (disk, outcomes, { lied }) => {
    const wrong = [];
    const died = outcomes.some(({ error }) => error === "died");
    const live = liveIn(disk);
    const by = live.flatMap((session) => session.by);
    if (live.length === 0 && !removes) wrong.push("gone");
    if (new Set(by).size < by.length && !does.some((what) => what.includes(" "))) wrong.push("twice");
    outcomes.forEach(({ value, error }, process) => {
      const what = does[process];
      const times = by.filter((name) => name === names[process]).length;
      if (error === "stuck") wrong.push("stuck");
      else if (error === "ERR_SESSION_LOCK_LOST") lied || died || wrong.push("lost its lock to nobody");
      else if (error === "ERR_SESSION_GONE") removes || /move/.test(does.join()) || wrong.push("gone for one");
      else if (error !== undefined && error !== "died") wrong.push(error);
      else if (error === undefined && what === "remove") {
        if (value === true && live.length > 0 && !/move/.test(does.join())) wrong.push("resurrected");
      } else if (error === undefined && /update|move|grow/.test(what) && !removes) {
        if (times < what.split(" ").filter((one) => /update|move|grow/.test(one)).length) wrong.push("lost an acknowledged write");
      }
    });
    if (!lied && !died && [...disk.names.keys()].some((name) => name.includes("."))) wrong.push("left something behind");
    return wrong;
  };
}

async function main([, , name, limit = "Infinity"]) {
  const scenario = scenarios[name];
  const { durability = "process", lies, crashes, does } = scenario;
  // The handlers look at their directory when they are made: nothing of that is part of a past.
  const setup = handlerOf(8, durability);
  does.forEach((_, process) => handlerOf(process, durability));
  let disk = emptyDisk;
  if (!scenario.new) ({ disk } = await runAlone(disk, 8, () => setup.store("a", { by: [] })));
  const programs = does.map((what, process) => async () => {
    let last;
    for (const one of what.split(" ")) last = await doings[one](handlerOf(process, durability), String(process));
    return last;
  });
  const begun = process.hrtime.bigint();
  const found = await explore({ disk, programs, lies, crashes, check: judge(scenario), look, limit: Number(limit) });
  const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
  console.log(JSON.stringify({ name, ...found, seconds: Math.round(seconds * 10) / 10 }));
}

if (process.argv[2]) await main(process.argv);
