// The log of a storm, and what it proves.

/** One line of the log. */
export interface Event {
  kind: string;
  worker: string;
  /** The session its worker works on. */
  session: string;
  /** When, in milliseconds of a clock that all processes share. */
  at: number;
  /** `ack`, `read`, `end`, `seen` and `gone`: the session. `error`: the code. `open`: how many. */
  what: string;
  /** `ack`, `read` and `end`: the number in the session. */
  n: number;
}

/** The whole lines of `text`; what a kill has cut off is left out. */
export function parseLines(text: string): Event[] {
  return text
    .split("\n")
    .filter((line) => line.endsWith(";"))
    .map((line) => {
      const [kind = "", worker = "", session = "", at, what = "", n] = line.slice(0, -1).split(" ");
      return { kind, worker, session, at: Number(at), what, n: Number(n) };
    });
}

export interface Verdict {
  acknowledged: number;
  reads: number;
  removed: number;
  kills: number;
  pauses: number;
  /** Numbers that were acknowledged twice: each of them is an update that was lost. */
  twice: number;
  /** Reads that did not see what had been acknowledged before they began. */
  behind: number;
  /** Reads and updates that found a mixture. */
  torn: number;
  /** Sessions seen by who had begun after they were removed, or removed twice. */
  risen: number;
  /** Processes that had more files open in the end than after their first operations. */
  leaking: number;
  /** Milliseconds from the last blow against a session's workers to its next acknowledgement. */
  slowestRecovery: number;
  /** How often each error was met. */
  errors: Record<string, number>;
}

export function judge(events: readonly Event[]): Verdict {
  const byTime = events.toSorted((a, b) => a.at - b.at);
  const of = (...kinds: string[]): Event[] => byTime.filter(({ kind }) => kinds.includes(kind));
  const acks = of("ack");
  const errors: Record<string, number> = {};
  for (const { what } of of("error")) errors[what] = (errors[what] ?? 0) + 1;
  return {
    acknowledged: acks.length + of("seen").length,
    reads: of("read").length,
    removed: of("gone").length,
    kills: of("kill").length,
    pauses: of("stop").length,
    twice: acks.length - new Set(acks.map(({ what, n }) => `${what} ${n}`)).size,
    behind: readsBehind(byTime),
    torn: of("torn").length,
    risen: sessionsRisen(byTime),
    leaking: processesLeaking(of("open")),
    slowestRecovery: slowestRecovery(byTime),
    errors,
  };
}

/** Everything that must not be, but for errors and for being slow. */
export function violationsIn({ twice, behind, torn, risen, leaking }: Verdict): number {
  return twice + behind + torn + risen + leaking;
}

// A read is noted at the moment it began, an acknowledgement at the moment it was heard.
function readsBehind(byTime: readonly Event[]): number {
  const highest = new Map<string, number>();
  let behind = 0;
  for (const { kind, what, n } of byTime) {
    const seen = highest.get(what) ?? 0;
    if (kind === "ack" && n > seen) highest.set(what, n);
    if (kind === "read" && n < seen) behind++;
  }
  return behind;
}

function sessionsRisen(byTime: readonly Event[]): number {
  const removed = new Set<string>();
  let risen = 0;
  for (const { kind, what } of byTime) {
    if ((kind === "seen" || kind === "gone") && removed.has(what)) risen++;
    if (kind === "gone") removed.add(what);
  }
  return risen;
}

function processesLeaking(counts: readonly Event[]): number {
  const first = new Map<string, number>();
  const leaking = new Set<string>();
  for (const { worker, what } of counts) {
    const before = first.get(worker);
    if (before === undefined) first.set(worker, Number(what));
    else if (Number(what) > before) leaking.add(worker);
  }
  return leaking.size;
}

// From the last blow against the session's workers, for as long as one of them is left to go on.
function slowestRecovery(byTime: readonly Event[]): number {
  // How many pauses each worker that has begun to work has still to wake from.
  const asleep = new Map<string, number>();
  const living = new Map<string, Set<string>>();
  const since = new Map<string, number>();
  let slowest = 0;
  const recover = (session: string, at: number): void => {
    slowest = Math.max(slowest, at - (since.get(session) ?? at));
    since.delete(session);
  };
  for (const { kind, worker, session, at } of byTime) {
    if (kind === "over") {
      for (const session of since.keys()) recover(session, at);
      break;
    }
    const here = living.get(session) ?? new Set();
    living.set(session, here);
    if (kind === "ack") recover(session, at);
    const pauses = asleep.get(worker);
    if (kind === "up") asleep.set(worker, 0);
    if (kind === "stop" && pauses !== undefined) asleep.set(worker, pauses + 1);
    if (kind === "cont" && pauses !== undefined) asleep.set(worker, Math.max(0, pauses - 1));
    if (kind === "kill" || kind === "stop") {
      here.delete(worker);
      if (here.size > 0) since.set(session, at);
      else since.delete(session);
    }
    if ((kind === "up" || kind === "cont") && asleep.get(worker) === 0) {
      if (here.size === 0) since.set(session, at);
      here.add(worker);
    }
  }
  return Math.round(slowest);
}
