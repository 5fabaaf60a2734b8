// Plants something under every name that an operation is about to use, right before each system
// call that uses it, and sees what comes of it. Says so in its last line, as JSON.
//
// In a process of its own: who waits for a planted pipe inside a system call hangs for good.

import {
  chownSync,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { basename, dirname, join } from "node:path";
import { execFileSync } from "node:child_process";
import { FileHandler } from "filesession";
import { intercept } from "../_calls.mjs";
import { NaiveHandler } from "../_naive-handler.mjs";

const [, , handlerName, kind, base] = process.argv;
const Handler = handlerName === "naive" ? NaiveHandler : FileHandler;

const outside = join(base, "outside");
const somebody = 65534;
const token = "0".repeat(32);

// What is planted. The records are whole sessions: whoever takes one has been had.
const pipe = join(base, "pipe");
const socket = join(base, "socket");
execFileSync("mkfifo", [pipe]);
const server = createServer().listen(socket);
const plant = {
  "a symbolic link": (path) => symlinkSync(recordOf(path), path),
  "a symbolic link to a text": (path) => symlinkSync(join(outside, "text"), path),
  "a symbolic link to a directory": (path) => symlinkSync(join(outside, "directory"), path),
  "a dangling link": (path) => symlinkSync(join(outside, "nowhere"), path),
  "a pipe": (path) => linkSync(pipe, path),
  "a socket": (path) => linkSync(socket, path),
  "a directory": (path) => mkdirSync(path),
  "another user's file": (path) => {
    copyFileSync(recordOf(path), path);
    chownSync(path, somebody, somebody);
  },
  "a hard link": (path) => linkSync(recordOf(path), path),
  "a hard link to a text": (path) => linkSync(join(outside, "text"), path),
}[kind];

/** Whether it is none of ours. Nobody can tell a record of ours with a second name from another. */
const isFake = !kind.startsWith("a hard link");

/** The record outside that would fit this name. */
function recordOf(path) {
  return join(outside, basename(path).startsWith("sess_b") ? "b" : "a");
}

mkdirSync(join(outside, "directory"), { recursive: true });
writeFileSync(join(outside, "text"), "outside");
const maker = new FileHandler({ fileDir: join(base, "made"), filePrefix: "", threads: 0 });
for (const id of ["a", "b"]) {
  await maker.store(id, "outside");
  copyFileSync(join(base, "made", id), join(outside, id));
}
for (const name of readdirSync(outside)) utimesSync(join(outside, name), 1e9, 1e9);

const nothing = () => {};
const store = (handler) => handler.store("a", "inside");

/** What is done beforehand, and what is done while somebody plants. */
const operations = {
  "store, new": [nothing, (handler) => handler.store("b", "inside")],
  store: [nothing, store],
  "store, larger": [nothing, (handler) => handler.store("a", "inside".repeat(2000))],
  "store, durable": [nothing, store, { durability: "full" }],
  "store over a damaged record": [damage, store],
  update: [nothing, (handler) => handler.update("a", () => "inside")],
  retrieve: [nothing, (handler) => handler.retrieve("a")],
  "retrieve, not waiting": [nothing, (handler) => handler.retrieve("a", { blocking: false })],
  "retrieve, damaged": [damage, (handler) => handler.retrieve("a")],
  touch: [nothing, (handler) => handler.touch("a")],
  move: [nothing, (handler) => handler.store("b", "inside", { oldId: "a" })],
  "move onto one": [
    (handler) => handler.store("b", "inside"),
    (handler) => handler.store("b", "inside", { oldId: "a" }),
  ],
  remove: [nothing, (handler) => handler.remove("a")],
  "clean, all": [nothing, (handler) => handler.clean(0)],
  "clean, leftovers": [leave, (handler) => handler.clean(1000), { staleAfter: 0 }],
  keys: [
    nothing,
    async (handler) => {
      for await (const id of handler.keys()) if (id === "") throw new Error("no id");
    },
  ],
  "take over": [
    (handler) => {
      const lock = `${handler._sessionFile("a")}.lock`;
      writeFileSync(lock, token);
      utimesSync(lock, 1e9, 1e9);
    },
    async (handler) => {
      await handler._acquireLock("a", false);
      await handler._releaseLock("a");
    },
  ],
};

function damage(handler) {
  writeFileSync(handler._sessionFile("a"), "damaged");
}

function leave({ fileDir }) {
  for (const name of [`sess_a.${token}.gone`, `sess_a.${token}.new`, "sess_a.1-2.heir"])
    writeFileSync(join(fileDir, name), "");
}

const report = {
  plants: 0,
  followed: 0,
  adopted: 0,
  outside: 0,
  hung: 0,
  done: 0,
  refused: 0,
  codes: [],
  unclear: [],
};
const before = look();
for (const name of Object.keys(operations)) {
  // Before it begins, under the names that anybody can know.
  for (const planted of ["sess_a", "sess_a.lock", "sess_b", "sess_b.lock"])
    await attack(name, (call, at) => at === 0 && planted, /remove it|chown|removed by hand/);
  // Before each of its calls, under the names that this call is about to use.
  const calls = [];
  await run(name, (call) => void calls.push(namesIn(call)));
  for (let at = 0; at < calls.length; at++)
    for (const which of calls[at].keys())
      await attack(name, (call, now) => now === at && namesIn(call)[which], /./);
}
server.close();
process.stdout.write(
  `${JSON.stringify({ ...report, codes: [...new Set(report.codes)].sort() })}\n`,
);
process.exit(0); // whatever still hangs

/** The names of ours that a call is about to use. */
function namesIn({ name, args, path }) {
  if (typeof args[0] !== "string") return [];
  const paths = name === "renameSync" || name === "linkSync" ? [args[0], args[1]] : [path];
  return paths.map((path) => basename(path)).filter((name) => name.startsWith("sess_"));
}

async function attack(name, whereTo, clear) {
  report.plants++;
  process.stdout.write("alive\n");
  let planted = "nothing";
  const outcome = await run(name, (call, at) => {
    const target = whereTo(call, at);
    if (!target) return;
    planted = `${target} before call ${at}`;
    const path = join(base, "sessions", target);
    rmSync(path, { recursive: true, force: true });
    plant(path);
  });
  const where = `${name}, ${planted}`;
  if (outcome === "hung") report.hung++;
  else if (outcome instanceof Error) {
    report.refused++;
    report.codes.push(outcome.code);
    const isOurs = outcome.name === "SessionError";
    const isBusy = outcome.code === "ERR_SESSION_LOCK_TIMEOUT"; // somebody's lock, for all we know
    if (!isOurs || (!isBusy && !clear.test(outcome.message)))
      report.unclear.push(`${where}: ${outcome.message}`);
  } else {
    report.done++;
    if (outcome?.data === "outside" && isFake) report.followed++;
  }
  if (isFake && (await isAdopted())) report.adopted++;
  if (look() === before) return;
  report.outside++;
  repair();
}

/** Whether what was planted, or a copy of it, counts as a session by now. */
async function isAdopted() {
  const handler = new Handler({ fileDir: join(base, "sessions"), lockTimeout: 0.02, threads: 0 });
  for (const id of ["a", "b"]) {
    // It is refused where it still stands.
    const record = await handler.retrieve(id, { blocking: false }).catch(() => ({}));
    if (record.data === "outside") return true;
  }
  return false;
}

/** Runs an operation on a directory of its own with a session in it. */
async function run(name, between) {
  const [prepare, operate, options] = operations[name];
  const fileDir = join(base, "sessions");
  rmSync(fileDir, { recursive: true, force: true });
  mkdirSync(fileDir, { mode: 0o700 });
  const handler = new Handler({ fileDir, lockTimeout: 0.02, threads: 0, ...options });
  await handler.store("a", "inside");
  await prepare(handler);
  let index = 0;
  const stop = intercept(fileDir, (call, proceed) => {
    between(call, index++);
    return proceed();
  });
  try {
    const late = new Promise((resolve) => setTimeout(resolve, 10_000, "hung").unref());
    return await Promise.race([operate(handler), late]);
  } catch (error) {
    return error;
  } finally {
    stop();
  }
}

/** All there is to see outside, but for the number of names a file has. */
function look() {
  return JSON.stringify(
    readdirSync(outside, { recursive: true }).map((name) => {
      const path = join(outside, name);
      const { mode, uid, gid, size, mtimeMs } = lstatSync(path);
      const text = size < 100_000 && lstatSync(path).isFile() ? readFileSync(path, "latin1") : "";
      return [dirname(name), name, mode, uid, gid, size, mtimeMs, text];
    }),
  );
}

function repair() {
  const was = new Map(JSON.parse(before).map(([, name, , , , , , text]) => [name, text]));
  for (const name of readdirSync(outside)) {
    if (!was.has(name)) rmSync(join(outside, name), { recursive: true });
    else if (name === "directory")
      for (const inside of readdirSync(join(outside, name))) rmSync(join(outside, name, inside));
    else writeFileSync(join(outside, name), was.get(name), "latin1");
  }
  for (const name of was.keys()) utimesSync(join(outside, name), 1e9, 1e9);
}
