// Every order in which a few processes can make their system calls, tried on the code itself.
//
// Between two calls a process does nothing that others can see, and what it calls next follows from
// what its calls have given so far. So a process is asked once for every such past: the code is run
// from its beginning with those answers, up to the call that comes next. What is explored is then a
// graph of (disk, past of each process), each state visited once.
//
// Four things happen in any state: a process makes its next call; one that waits for a lock wakes
// up, when the lock has changed; one that waits comes to believe that the lock is stale, whether it
// is or not (a lie, as many as the scenario allows; when everybody waits for somebody who has died,
// time passes and it is none); a process dies.

import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import timers from "node:timers/promises";
import { intercept } from "../../_calls.mjs";
import { call, closeAll, contentOf, describeDisk, now } from "./disk.mjs";

export const directory = "/model";

class Suspended extends Error {}

/** Where the code under test is while it is asked; one process at a time. */
let run;

/** Takes the clocks, the dice and the disk from the code under test, for good. */
export function enterModel() {
  crypto.randomUUID = () => `${run.process}${run.dice++}`.padStart(32, "0");
  timers.setTimeout = (ms) => step({ name: "sleep", args: [ms] });
  syncBuiltinESMExports();
  Math.random = () => 0.6;
  Date.now = () => now;
  performance.now = () => run.passed;
  globalThis.setInterval = () => ({ unref: () => undefined });
  globalThis.clearInterval = () => undefined;
  process.emitWarning = () => undefined;
  intercept(directory, (made) => {
    if (made.path === directory && made.name !== "opendirSync") return place(made);
    if (made.name === "fchmodSync" || made.name === "fsyncSync") return undefined;
    return step(made);
  });
}

// The directory itself is always there.
function place({ name }) {
  if (name === "realpathSync") return directory;
  if (name === "readdirSync") return direntOf(run.entries.shift());
  if (name === "closeSync") return undefined;
  if (name === "mkdirSync") throw Object.assign(new Error(name), { code: "EEXIST" });
  return { isDirectory: () => true, isFile: () => false, mode: 0o40700, uid: 0, gid: 0 };
}

const direntOf = (name) => (name === undefined ? null : { name, isFile: () => true });

/** The next call of the code under test: answered from its past, or the end of this run. */
function step(made) {
  if (run.next !== undefined) throw new Suspended();
  if (run.index === run.past.length) {
    run.next = withOwnBytes(made);
    throw new Suspended();
  }
  const result = run.past[run.index++];
  if (made.name === "sleep") {
    run.passed += result.passed;
    return Promise.resolve();
  }
  if (result.error)
    throw Object.assign(new Error(`${result.error}: ${made.name}`), { code: result.error });
  if (result.stats) return stats(result.stats, made.args.at(-1)?.bigint === true);
  if (result.entries) {
    run.entries = [...result.entries];
    return { readSync: () => direntOf(run.entries.shift()), closeSync: () => undefined };
  }
  if (result.read !== undefined) {
    const [, buffer, offset] = made.args;
    const { position, length } = result;
    return contentOf(result.read).copy(buffer, offset, position, position + length);
  }
  return result.value;
}

/** The call is made later, when the code under test has long put something else into its memory. */
function withOwnBytes(made) {
  if (made.name !== "writeSync" || typeof made.args[1] === "string") return made;
  const [fd, bytes, ...rest] = made.args;
  return { ...made, args: [fd, Buffer.from(bytes), ...rest] };
}

function stats({ number, size, mtime, links }, asBigInt) {
  const given = { ino: number, dev: 1, size, mode: 0o100600, uid: 0, gid: 0, nlink: links };
  const times = { mtimeMs: mtime, ctimeMs: now, mtimeNs: mtime * 1e6 };
  const all = Object.entries({ ...given, ...times });
  return {
    ...Object.fromEntries(asBigInt ? all.map(([name, value]) => [name, BigInt(value)]) : all),
    isFile: () => true,
  };
}

/** One past of one process, and what it does next: a `call`, or an `outcome`. */
class Past {
  #next = new Map();

  constructor(program, parent, result) {
    this.id = program.count++;
    this.program = program;
    this.parent = parent;
    this.result = result;
    this.made = parent?.made ?? 0;
    this.opened = parent?.opened ?? 0;
    if (parent?.call.name === "openSync" && !result.error) {
      this.opened++;
      if (parent.call.args[1] & 0o100) this.made++;
    }
  }

  async ask() {
    const past = [];
    for (let here = this; here.parent; here = here.parent) past.unshift(here.result);
    run = { process: this.program.process, past, index: 0, dice: 0, passed: 0, entries: [] };
    const outcome = await this.program.start().then(
      (value) => ({ value }),
      (error) => ({ error: error.code ?? error.message, thrown: error }),
    );
    this.call = run.next;
    if (this.call === undefined) this.outcome = outcome;
    return this;
  }

  async after(result) {
    const key = JSON.stringify(result);
    let next = this.#next.get(key);
    if (next === undefined) {
      next = await new Past(this.program, this, result).ask();
      this.#next.set(key, next);
    }
    return next;
  }
}

// What no other process can see happens together with the step before it: closing, and whatever is
// done through its descriptor to a file that has not been linked or renamed to its place yet.
function isPrivate({ name, path }) {
  if (name === "closeSync") return true;
  if (name === "sleep") return false;
  if (path.endsWith(".new") || path.endsWith(".take"))
    return name === "fstatSync" || name === "writeSync" || name === "futimesSync";
  return name === "fstatSync" && path.endsWith(".lock");
}

/** Runs one program alone, from this disk on, until it `dies`. Gives the disk and the outcome. */
export async function runAlone(disk, process, start, dies = () => false) {
  let past = await new Past({ process, start, count: 0 }).ask();
  while (past.call && !dies(past.call)) {
    let result = { passed: 1e9 };
    if (past.call.name !== "sleep") [disk, result] = make(disk, process, past);
    past = await past.after(result);
  }
  return { disk: closeAll(disk, process), outcome: past.outcome };
}

function make(disk, process, past) {
  return call(disk, process, past.call, (process + 1) * 1000 + past.made, 100_000 + past.opened);
}

/**
 * Visits every state that can be reached. `programs[i]` starts process i; `check(disk, outcomes)`
 * is asked at each end, `look(disk)` at each state, and both give what is wrong, or nothing. It ends
 * after `limit` states, and, if it is to run `untilWrong`, with the first that is.
 */
export async function explore({
  disk,
  programs,
  lies,
  crashes,
  check,
  look,
  limit = Infinity,
  untilWrong = false,
}) {
  const figures = { states: 0, ends: 0, pasts: 0, complete: true };
  const seen = new HashSet();
  const kinds = programs.map((start, process) => ({ process, start, count: 0 }));
  const processes = [];
  for (const kind of kinds)
    processes.push({ past: await new Past(kind).ask(), watched: undefined, dead: false });
  const stack = [{ disk, processes, lies, crashes, trace: undefined }];
  const violations = new Map();
  const blame = (fault, state) => {
    const known = violations.get(fault);
    if (known) known.count++;
    else violations.set(fault, { count: 1, schedule: scheduleOf(state) });
  };

  while (stack.length > 0) {
    const state = stack.pop();
    if (!seen.add(keyOf(state))) continue;
    if (++figures.states >= limit || (untilWrong && violations.size > 0)) {
      figures.complete = false;
      break;
    }
    const fault = look?.(state.disk);
    if (fault) blame(fault, state);
    const before = stack.length;
    await expand(state, stack);
    if (stack.length > before) continue;
    figures.ends++;
    const outcomes = state.processes.map(outcomeOf);
    const wrong = await check(state.disk, outcomes, { lied: state.lies < lies });
    for (const what of wrong) blame(what, state);
  }
  figures.pasts = kinds.reduce((sum, { count }) => sum + count, 0);
  return { ...figures, violations: Object.fromEntries(violations) };
}

async function expand(state, stack) {
  const alive = state.processes
    .map((one, index) => ({ ...one, index }))
    .filter(({ dead, past }) => !dead && past.call);
  let moves = 0;
  for (const one of alive) {
    const { past, index } = one;
    if (past.call.name !== "sleep") {
      moves++;
      stack.push(await stepOf(state, index));
    } else if (hasChanged(state.disk, one)) {
      moves++;
      stack.push(await wake(state, index, 0));
    }
    if (state.crashes > 0) {
      stack.push(crash(state, index));
    }
  }
  const hasDied = state.processes.some(({ dead }) => dead);
  const isFree = moves === 0 && hasDied;
  for (const { past, index } of alive)
    if (past.call.name === "sleep" && (isFree || state.lies > 0)) {
      const next = await wake(state, index, 1e9);
      stack.push(isFree ? next : { ...next, lies: state.lies - 1 });
    }
}

async function stepOf(state, index) {
  let { disk } = state;
  let { past, watched } = state.processes[index];
  let trace = state.trace;
  do {
    const made = past.call;
    let result;
    [disk, result] = make(disk, index, past);
    trace = { before: trace, index, made, result };
    past = await past.after(result);
    if (made.name === "lstatSync" && made.path.endsWith(".lock")) watched = watch(disk, made.path);
  } while (past.call && isPrivate(past.call));
  return next(state, index, { past, watched, dead: false }, disk, trace);
}

async function wake(state, index, passed) {
  const one = state.processes[index];
  const past = await one.past.after({ passed });
  const trace = {
    before: state.trace,
    index,
    made: { name: passed ? "believes it stale" : "wakes", path: "" },
  };
  return next(state, index, { ...one, past }, state.disk, trace);
}

function crash(state, index) {
  const one = { ...state.processes[index], dead: true };
  const trace = { before: state.trace, index, made: { name: "dies", path: "" } };
  return {
    ...next(state, index, one, closeAll(state.disk, index), trace),
    crashes: state.crashes - 1,
  };
}

function next(state, index, one, disk, trace) {
  return { ...state, disk, trace, processes: state.processes.with(index, one) };
}

/** What somebody who looks at this lock sees; who waits then waits for it to be something else. */
function watch(disk, path) {
  const name = path.split("/").at(-1);
  const record = disk.names.get(name.replace(".lock", ""));
  return { path, lock: disk.names.get(name), record, content: disk.inodes.get(record)?.content };
}

function hasChanged(disk, { past, watched }) {
  const now = watch(disk, watched.path);
  if (now.lock === undefined || now.lock !== watched.lock) return true;
  // A reader who has seen a half-written record looks again a millisecond later; see `Math.random`.
  return (
    past.call.args[0] === 1 && (now.record !== watched.record || now.content !== watched.content)
  );
}

const outcomeOf = ({ past, dead }) => past.outcome ?? { error: dead ? "died" : "stuck" };

function keyOf({ disk, processes, lies, crashes }) {
  const each = processes.map(({ past, watched, dead }) => {
    if (dead) return "dead";
    const waits = past.call?.name === "sleep";
    return waits ? `${past.id},${watched.lock},${watched.record},${watched.content}` : past.id;
  });
  return `${describeDisk(disk)}#${each.join("#")}#${lies}${crashes}`;
}

function scheduleOf({ trace }) {
  const lines = [];
  for (let here = trace; here; here = here.before) {
    const { name, path, args } = here.made;
    const to =
      name === "renameSync" || name === "linkSync" ? ` -> ${args[1].split("/").at(-1)}` : "";
    const gave =
      here.result?.error ?? (here.result?.stats ? `inode ${here.result.stats.number}` : "");
    lines.unshift(
      `${here.index}: ${name.replace("Sync", "")} ${path.split("/").at(-1)}${to} ${gave}`.trimEnd(),
    );
  }
  return lines;
}

/** A set of texts that keeps 64 bits of each: for ten million, one false "seen" in 300,000 runs. */
class HashSet {
  #slots = new Uint32Array(2 << 20);
  #size = 0;

  add(text) {
    if (this.#size * 4 > this.#slots.length) this.#grow();
    const isNew = this.#put(...hash(text));
    if (isNew) this.#size++;
    return isNew;
  }

  #put(a, b) {
    const mask = this.#slots.length / 2 - 1;
    for (let at = a & mask; ; at = (at + 1) & mask) {
      const [x, y] = [this.#slots[2 * at], this.#slots[2 * at + 1]];
      if (x === a && y === b) return false;
      if (x === 0 && y === 0) {
        this.#slots[2 * at] = a;
        this.#slots[2 * at + 1] = b;
        return true;
      }
    }
  }

  #grow() {
    const old = this.#slots;
    this.#slots = new Uint32Array(old.length * 2);
    for (let at = 0; at < old.length; at += 2)
      if (old[at] || old[at + 1]) this.#put(old[at], old[at + 1]);
  }
}

// cyrb53's two halves, kept whole.
function hash(text) {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    a = Math.imul(a ^ code, 2654435761);
    b = Math.imul(b ^ code, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return [a >>> 0, b >>> 0];
}
