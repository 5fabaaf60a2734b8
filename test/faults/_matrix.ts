// Runs an operation once for every fault at every one of its system calls, and judges each time
// what it said, what is on the disk, and what is left behind.

import {
  mkdirSync,
  mkdtempSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import {
  FileHandler,
  type FileHandlerOptions,
  isRecord,
  SessionError,
  type SessionRecord,
} from "../../src/index.ts";
import { type Errno, errnos, type Fault, type Made, Saboteur } from "./_faults.ts";

/** Something a handler does, and what it finds. */
export interface Operation {
  name: string;
  options?: FileHandlerOptions;
  /** The sessions it is about. Each of them is judged. */
  ids: string[];
  /** Makes what is there before, an hour ago. */
  given?: (handler: FileHandler) => Promise<void> | void;
  /** Makes what cannot be copied from `given`. */
  arrange?: (fileDir: string) => void;
  run: (handler: FileHandler) => Promise<unknown>;
  /** It runs two minutes later: whoever has left something behind is dead by then. */
  isLater?: true;
  /** Each session is changed by itself: some may be as before, others as after. */
  isPiecemeal?: true;
  /** Once it is decided, tidying up may fail in silence: `clean` does it. */
  tidiesUp?: true;
  /**
   * A session that is lost when the disk fails for good in the middle: of the two that a move is
   * about, one is whole.
   */
  replaces?: string;
  /** It puts its lock in the place of one that is stale. */
  takesOver?: true;
  /** It reads and writes no file. */
  transfersNothing?: true;
  /** A new handler for each cell, since it closes it. */
  closes?: true;
}

export interface Violation {
  operation: string;
  /** The call and what it concerned, without tokens: `unlinkSync sess_a.lock`. */
  call: string;
  fault: string;
  /** Which promise is broken. */
  broken: Promised;
  detail: string;
}

export type Promised =
  | "an error is a SessionError with the right code, status and cause"
  | "nothing is swallowed"
  | "a miss is a session that is not there"
  | "old or new, whole"
  | "what is acknowledged is there"
  | "a failed fsync is never acknowledged"
  | "a damaged record is kept"
  | "no lock is left behind"
  | "no descriptor is left behind"
  | "the session can be used again"
  | "clean collects what is left behind"
  | "it ends";

export interface Outcome {
  cells: number;
  violations: Violation[];
  /** The names of the calls it makes when nothing fails. */
  calls: string[];
}

type World = Record<string, string>;
type Told = { value: string } | { error: unknown };

const hourMs = 3_600_000;
const laterMs = 120_000;
const settled = new Set<Errno>(["ENOENT", "EEXIST"]);

/** Where the cells are played: in memory, if there is such a place. */
const playground = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

const isLong = process.env.STORM === "long";

/**
 * Every call, every errno, once and for good. For good, unless `STORM=long`: those that anybody
 * could tell apart, and one of the others at each call.
 */
export function failures(calls: readonly Made[]): Fault[] {
  const faults: Fault[] = [];
  calls.forEach(({ name }, at) => {
    const some = new Set<Errno>(["EIO", "ENOENT", "EEXIST"]).add(
      errnos[at % errnos.length] ?? "EIO",
    );
    for (const errno of errnos) {
      faults.push({ kind: "fails", at, errno, mode: "once" });
      if (!isLong && !some.has(errno)) continue;
      for (const mode of ["that call", "every call"] as const)
        faults.push({ kind: "fails", at, errno, mode });
    }
    if (changesSomething.has(name))
      faults.push({ kind: "fails", at, errno: "EIO", mode: "once, done" });
  });
  return faults;
}

// What a network or a dying disk may have done although it says that it has not.
const changesSomething = new Set([
  "openSync",
  "writeSync",
  "renameSync",
  "linkSync",
  "unlinkSync",
  "mkdirSync",
  "fsyncSync",
  "futimesSync",
]);

/**
 * Every read and write, cut short: by each length within the head of a slot, and by every `step`-th
 * beyond it; by every one with `STORM=long`.
 */
export function cuts(calls: readonly Made[], step = 401): Fault[] {
  const faults: Fault[] = [];
  calls.forEach(({ name, bytes }, at) => {
    if (bytes === undefined) return;
    const lengths = new Set([bytes - 1]);
    for (let length = 0; length < bytes; length += length < headBytes || isLong ? 1 : step)
      lengths.add(length);
    for (const length of lengths) {
      faults.push({ kind: "short", at, bytes: length, mode: "once" });
      if (name === "writeSync")
        faults.push({ kind: "short", at, bytes: length, mode: "then full" });
    }
    for (const length of [0, 7, 39, 1000].filter((length) => length < bytes))
      faults.push({ kind: "short", at, bytes: length, mode: "always" });
  });
  return faults;
}

// See record.ts.
const headBytes = 40;

/**
 * Runs `operation` under each fault that `faultsFor` gives for the calls it makes. `open` makes the
 * handler; what is left on the disk is judged through the real one.
 */
export async function play(
  operation: Operation,
  faultsFor: (calls: readonly Made[]) => Fault[],
  open: (options: FileHandlerOptions) => FileHandler = (options) => new FileHandler(options),
): Promise<Outcome> {
  const root = mkdtempSync(join(playground, "filesession-"));
  const stage = new Stage(operation, root, open);
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0; // a third of the time goes into stacks that nobody reads
  try {
    return await stage.play(faultsFor);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    stage.saboteur.stop();
    rmSync(root, { recursive: true });
  }
}

class Stage {
  readonly saboteur: Saboteur;
  readonly #operation: Operation;
  readonly #open: (options: FileHandlerOptions) => FileHandler;
  readonly #root: string;
  #fileDir = "";
  /** Reads, and uses the sessions again, when no lock was left behind. */
  #judge!: FileHandler;
  /** The same when a lock was: to this one every lock is stale. */
  #patient!: FileHandler;
  #handler: FileHandler | undefined;
  #descriptors = 0;
  #files: { name: string; bytes: Buffer; mtime: Date }[] = [];
  #before: World = {};
  #after: World = {};
  #value = "";
  #dry: Made[] = [];
  readonly #asMissing = new Map<string, { world: World; told: Told }>();
  readonly #violations: Violation[] = [];

  constructor(
    operation: Operation,
    root: string,
    open: (options: FileHandlerOptions) => FileHandler,
  ) {
    this.#operation = operation;
    this.#open = open;
    this.#root = root;
    this.#moveOut();
    this.saboteur = new Saboteur(root);
  }

  async play(faultsFor: (calls: readonly Made[]) => Fault[]): Promise<Outcome> {
    await this.#prepare();
    const faults = faultsFor(this.#dry);
    this.#descriptors = countDescriptors();
    for (const fault of faults) {
      const before = this.#violations.length;
      await this.#cell(fault);
      if (this.#violations.length === before) continue;
      this.#moveOut();
      this.#descriptors = countDescriptors();
    }
    const calls = this.#dry.map(({ name, path }) => label(name, path));
    return { cells: faults.length, violations: this.#violations, calls };
  }

  /** To another directory: what one cell has spoilt must not spoil the next. */
  #moveOut(): void {
    this.#fileDir = mkdtempSync(join(this.#root, "x"));
    this.#judge = new FileHandler({ fileDir: this.#fileDir, lockTimeout: 0.02 });
    this.#patient = new FileHandler({ fileDir: this.#fileDir, lockTimeout: 1, staleAfter: 0 });
    this.#handler = undefined;
    this.#asMissing.clear();
  }

  async #prepare(): Promise<void> {
    const { given } = this.#operation;
    await shifted(-hourMs, async () => given?.(this.#judge));
    if (existsSync(this.#fileDir))
      for (const entry of readdirSync(this.#fileDir, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue; // a directory is made for what is in it
        const path = join(entry.parentPath, entry.name);
        const name = relative(this.#fileDir, path);
        this.#files.push({ name, bytes: readFileSync(path), mtime: statSync(path).mtime });
      }
    this.#restore();
    this.#before = await this.#world(this.#patient);
    this.#restore();
    const told = await this.#run();
    if ("error" in told) throw told.error;
    this.#dry = this.saboteur.made.map((call) => ({
      ...call,
      path: relative(this.#fileDir, call.path),
    }));
    this.#value = told.value;
    this.#after = await this.#world(this.#judge);
  }

  /** Puts the directory into the state from before. */
  #restore(): void {
    const { given, arrange, options, closes } = this.#operation;
    if (this.#handler === undefined || closes)
      this.#handler = this.#open({ fileDir: this.#fileDir, lockTimeout: 0.02, ...options });
    if (given === undefined && arrange === undefined) {
      rmSync(this.#fileDir, { recursive: true, force: true });
      return;
    }
    if (existsSync(this.#fileDir))
      for (const name of readdirSync(this.#fileDir))
        rmSync(join(this.#fileDir, name), { recursive: true });
    else mkdirSync(this.#fileDir, 0o700);
    for (const { name, bytes, mtime } of this.#files) {
      const path = join(this.#fileDir, name);
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      writeFileSync(path, bytes, { mode: 0o600 });
      utimesSync(path, mtime, mtime);
    }
    arrange?.(this.#fileDir);
  }

  async #run(fault?: Fault): Promise<Told> {
    const { run, isLater } = this.#operation;
    const handler = this.#handler;
    if (handler === undefined) throw new Error("nothing is prepared");
    this.saboteur.begin(fault);
    try {
      const value = await shifted(isLater ? laterMs : 0, () => inTime(run(handler)));
      return { value: withoutMoments(value) };
    } catch (error) {
      return { error };
    } finally {
      this.saboteur.end();
    }
  }

  async #cell(fault: Fault): Promise<void> {
    const path = join(this.#fileDir, this.#dry[fault.at]?.path ?? "");
    if (fault.kind === "fails" && fault.errno === "ENOENT" && this.#isSession(path))
      await this.#playMissing(path);
    this.#restore();
    const told = await this.#run(fault);
    const made = this.saboteur.made;
    const report = (broken: Promised, detail: string): void =>
      void this.#violations.push({
        operation: this.#operation.name,
        call: label(this.#dry[fault.at]?.name ?? "", this.#dry[fault.at]?.path ?? ""),
        fault: `${fault.at} ${describe(fault)}`,
        broken,
        detail,
      });
    if (this.saboteur.isRunaway) report("it ends", "it makes calls for ever");
    if ("error" in told && told.error === endless) report("it ends", endless.message);
    if (!made.some(({ isFaulty }) => isFaulty)) report("it ends", "the call was never made");
    if (countDescriptors() !== this.#descriptors)
      for (const left of this.#descriptorsLeft()) report("no descriptor is left behind", left);

    const names = existsSync(this.#fileDir) ? readdirSync(this.#fileDir) : [];
    const isLocked = names.some((name) => name.endsWith(".lock"));
    if (isLocked && !this.#mayLeaveLock(made)) report("no lock is left behind", names.join(" "));
    if (fault.kind === "short" || fault.errno !== "ENOENT") this.#lookForDamaged(names, report);

    const judge = isLocked ? this.#patient : this.#judge;
    const world = await this.#world(judge).catch((error: unknown) => String(error));
    if (typeof world === "string") {
      report("the session can be used again", world);
      return;
    }
    this.#judgeWorld(world, fault, path, report);
    if ("error" in told) this.#judgeError(told.error, fault, made, report);
    else this.#judgeValue(told.value, world, fault, path, made, report);
    await this.#useAgain(judge, names, report);
  }

  /** What it does where a session is not there: what ENOENT of its file has to come to. */
  async #playMissing(path: string): Promise<void> {
    if (this.#asMissing.has(path)) return;
    this.#restore();
    rmSync(path, { force: true });
    const told = await this.#run();
    this.#asMissing.set(path, { world: await this.#world(this.#judge), told });
  }

  #judgeWorld(world: World, fault: Fault, path: string, report: Report): void {
    const worlds = [this.#before, this.#after];
    const isTransient = fault.mode.startsWith("once");
    if (this.#operation.replaces && !isTransient)
      worlds.push({ ...this.#before, [this.#operation.replaces]: "miss" });
    if (fault.kind === "fails" && fault.errno === "ENOENT") {
      // It is still there, since it was not missing.
      const missing = this.#asMissing.get(path);
      const id = basename(path).slice("sess_".length);
      if (missing)
        worlds.push(missing.world, { ...missing.world, [id]: this.#before[id] ?? "miss" });
    }
    // A write that was cut off has moved the mtime.
    const [seen, ...may] = [world, ...worlds].map(withoutTouched) as [World, ...World[]];
    const isOne = this.#operation.isPiecemeal
      ? Object.keys(seen).every((id) => may.some((one) => one[id] === seen[id]))
      : may.some((one) => same(one, seen));
    if (!isOne) report("old or new, whole", JSON.stringify(world));
  }

  #judgeError(error: unknown, fault: Fault, made: Made[], report: Report): void {
    const wrong = (detail: string): void =>
      report("an error is a SessionError with the right code, status and cause", detail);
    if (!(error instanceof SessionError)) return wrong(String(error));
    const { code, status, statusCode } = error;
    if (error.message.includes("secret")) wrong(`it tells data: ${error.message}`);
    if (status !== statusCode) wrong(`status ${status}, statusCode ${statusCode}`);
    if (code === "ERR_SESSION_DIR") {
      if (status !== 503) wrong(`status ${status}`);
      if (fault.kind !== "fails") return;
      const first = made.find((call) => call.error !== undefined)?.error;
      if (first === undefined || settled.has(fault.errno) || this.#operation.tidiesUp) return;
      for (let one: unknown = error; one instanceof Error; one = one.cause)
        if (one === first) return;
      return wrong(`its cause is not what failed first: ${error.message}`);
    }
    const isSettled = fault.kind === "fails" && settled.has(fault.errno);
    const may = ["ERR_SESSION_LOCK_LOST", "ERR_SESSION_LOCK_TIMEOUT", "ERR_SESSION_GONE"];
    if (!isSettled || !may.includes(code)) wrong(`${code}: ${error.message}`);
  }

  #judgeValue(
    value: string,
    world: World,
    fault: Fault,
    path: string,
    made: Made[],
    report: Report,
  ): void {
    const { isPiecemeal, tidiesUp } = this.#operation;
    if (value === this.#value && same(world, this.#after)) {
      if (fault.kind !== "fails" || settled.has(fault.errno)) return;
      const failed = made.find((call) => call.error !== undefined);
      if (failed?.name === "fsyncSync" && !(tidiesUp && this.#isDecided(made)))
        report("a failed fsync is never acknowledged", failed.path);
      else if (failed && !tidiesUp && fault.mode !== "once, done")
        report("nothing is swallowed", `${failed.name} failed, and it gives ${value}`);
      return;
    }
    const isSettled = fault.kind === "fails" && settled.has(fault.errno);
    // Somebody else was faster, as far as it could see.
    if (isSettled && isPiecemeal) return;
    const isBusy = value === "false" && /\.(lock|take|heir)$/.test(path);
    if (isBusy && (isSettled || fault.kind === "short")) return;
    const missing = fault.kind === "fails" && fault.errno === "ENOENT" && this.#asMissing.get(path);
    if (missing && "value" in missing.told && missing.told.value === value) return;
    const isMiss = ["{}", "false", "[]"].includes(value);
    report(
      isMiss ? "a miss is a session that is not there" : "what is acknowledged is there",
      `it gives ${value} and there is ${JSON.stringify(world)}`,
    );
  }

  /** Whether the end of the old session has reached the disk. */
  #isDecided(made: Made[]): boolean {
    return made.some(
      ({ name, path, isFaulty }) => name === "fsyncSync" && this.#isSession(path) && !isFaulty,
    );
  }

  // A lock stays when it cannot be seen or cannot be removed, and when the taker could not move the
  // session to a new inode: until that is done the one from before can still write.
  #mayLeaveLock(made: Made[]): boolean {
    return made.some(
      ({ name, path, isFaulty, isDone }) =>
        isFaulty &&
        (this.#operation.takesOver ||
          (path.endsWith(".lock") &&
            (name === "lstatSync" || name === "unlinkSync" || (name === "openSync" && isDone)))),
    );
  }

  #lookForDamaged(names: string[], report: Report): void {
    for (const { name, bytes } of this.#files)
      if (name.startsWith("sess_damaged"))
        if (
          !names.some(
            (one) => one.startsWith(name) && readFileSync(join(this.#fileDir, one)).equals(bytes),
          )
        )
          report("a damaged record is kept", names.join(" "));
  }

  async #useAgain(judge: FileHandler, names: string[], report: Report): Promise<void> {
    const { ids } = this.#operation;
    try {
      for (const id of ids) {
        await judge.store(id, "again");
        const { data } = await judge.retrieve(id);
        if (data !== "again") report("the session can be used again", `${id}: ${String(data)}`);
      }
    } catch (error) {
      report("the session can be used again", String(error));
    }
    const isClean = (name: string): boolean => !/^sess_[^.]+\.(?![0-9a-f]{32}\.bad$)/.test(name);
    if (names.every(isClean)) return;
    try {
      await shifted(laterMs, () => this.#patient.clean(1e9));
      await shifted(laterMs, () => this.#patient.clean(1e9)); // what the first has taken over, the second finds free
      const left = readdirSync(this.#fileDir).filter((name) => !isClean(name));
      if (left.length > 0) report("clean collects what is left behind", left.join(" "));
    } catch (error) {
      report("clean collects what is left behind", String(error));
    }
  }

  async #world(handler: FileHandler): Promise<World> {
    const world: World = {};
    if (!existsSync(this.#fileDir)) mkdirSync(this.#fileDir, 0o700);
    for (const id of this.#operation.ids) {
      const record = await handler.retrieve(id, { blocking: false });
      const age = (moment: number): string => (Date.now() - moment > hourMs / 2 ? "old" : "new");
      world[id] = isRecord(record)
        ? `${JSON.stringify(record.data)} ${record.ip} ${await tagOf(record, handler)}time ${age(record.time)} touched ${age(record.touched)}`
        : "miss";
    }
    return world;
  }

  #descriptorsLeft(): string[] {
    return readdirSync("/proc/self/fd").flatMap((fd) => {
      let path = "";
      try {
        path = readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return []; // the one that the directory was read by
      }
      return path.startsWith(this.#fileDir) ? [path] : [];
    });
  }

  #isSession(path: string): boolean {
    return /\/sess_[^./]+$/.test(path);
  }
}

type Report = (broken: Promised, detail: string) => void;

/** What `work` gives while the clock is `ms` off. */
async function shifted<T>(ms: number, work: () => Promise<T>): Promise<T> {
  if (ms === 0) return work();
  const { now } = Date;
  Date.now = () => now() + ms;
  try {
    return await work();
  } finally {
    Date.now = now;
  }
}

const endless = new Error("it waits for ever");

/** What `work` gives, unless it takes for ever. */
async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(endless), 5000);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function label(name: string, path: string): string {
  return `${name} ${path.replace(/\.[a-z0-9-]{6,}\./, ".*.")}`.trim();
}

/** The record's tag, and whether it can be found by it. */
async function tagOf({ id, tag }: SessionRecord, handler: FileHandler): Promise<string> {
  if (tag === undefined) return "";
  const isFound = (await handler.tagged(tag)).includes(id);
  return `tag ${tag} ${isFound ? "" : "not found by it "}`;
}

function countDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

function withoutMoments(value: unknown): string {
  return (
    JSON.stringify(value, (key, one: unknown) =>
      ["time", "touched", "expires", "tagTime"].includes(key) ? undefined : one,
    ) ?? "undefined"
  );
}

function withoutTouched(world: World): World {
  const entries = Object.entries(world);
  return Object.fromEntries(entries.map(([id, one]) => [id, one.replace(/ touched \w+$/, "")]));
}

function same(one: World, other: World): boolean {
  return Object.keys(one).every((id) => one[id] === other[id]);
}

function describe(fault: Fault): string {
  if (fault.kind === "fails") return `${fault.errno} ${fault.mode}`;
  return `${fault.bytes} bytes ${fault.mode}`;
}
