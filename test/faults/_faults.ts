// Making one system call fail, or all from there on, or cutting a read or a write short.

import { closeSync } from "node:fs";
import { type Call, intercept, systemError } from "../_calls.mjs";

export const errnos = [
  "EIO",
  "ENOSPC",
  "EDQUOT",
  "EMFILE",
  "ENFILE",
  "EACCES",
  "EPERM",
  "EROFS",
  "EBUSY",
  "EINTR",
  "EAGAIN",
  "ENOENT",
  "EEXIST",
  "ENOTEMPTY",
  "ESTALE",
  "ENAMETOOLONG",
] as const;

export type Errno = (typeof errnos)[number];

/** What goes wrong from call number `at` of an operation on; calls are counted from 0. */
export type Fault = { at: number } & (
  | {
      kind: "fails";
      errno: Errno;
      /**
       * - `once`: that call alone;
       * - `that call`: from then on every call of its name;
       * - `every call`: from then on every call at all;
       * - `once, done`: that call alone, and what it was to do is done all the same.
       */
      mode: "once" | "that call" | "every call" | "once, done";
    }
  | {
      kind: "short";
      /** How many bytes that read or write transfers at most. */
      bytes: number;
      /**
       * - `once`: it alone;
       * - `always`: and every later one;
       * - `then full`: and every later write finds the disk full.
       */
      mode: "once" | "always" | "then full";
    }
);

/** One call that an operation has made. */
export interface Made {
  name: string;
  path: string;
  /** Bytes that it was to read or write. */
  bytes?: number;
  /** How it was made to fail. */
  error?: Error;
  /** Whether it was made to fail or cut short. */
  isFaulty: boolean;
  /** It was made to fail, and has done what it was to do. */
  isDone?: true;
}

// No operation makes a hundredth of them, even one byte at a time: it would go on for ever.
const enoughCalls = 5_000;

/** Stands between an operation and its system calls. */
export class Saboteur {
  /** What has been made since the last `begin`. */
  made: Made[] = [];
  isRunaway = false;
  readonly stop: () => void;
  #fault: Fault | undefined;
  #name = "";
  #isOn = false;

  constructor(dir: string) {
    this.stop = intercept(dir, (call, proceed) =>
      this.#isOn ? this.#between(call, proceed) : proceed(),
    );
  }

  begin(fault?: Fault): void {
    this.made = [];
    this.isRunaway = false;
    this.#fault = fault;
    this.#isOn = true;
  }

  end(): void {
    this.#isOn = false;
  }

  #between(call: Call, proceed: (...args: unknown[]) => unknown): unknown {
    const index = this.made.length;
    if (index > enoughCalls) {
      this.isRunaway = true;
      throw new Error("it goes on for ever");
    }
    const bytes = bytesOf(call);
    const made: Made = {
      name: call.name,
      path: call.path,
      isFaulty: false,
      ...(bytes !== undefined && { bytes }),
    };
    this.made.push(made);
    const fault = this.#fault;
    if (fault === undefined || index < fault.at) return proceed();
    if (index === fault.at) this.#name = call.name;
    if (fault.kind === "fails") {
      const isHit =
        index === fault.at ||
        fault.mode === "every call" ||
        (fault.mode === "that call" && call.name === this.#name);
      return isHit
        ? fail(fault.errno, fault.mode === "once, done", call, made, proceed)
        : proceed();
    }
    const isHit = index === fault.at || (fault.mode === "always" && call.name === this.#name);
    if (isHit && bytes !== undefined && bytes > fault.bytes) {
      made.isFaulty = true;
      return proceed(...shortened(call, fault.bytes));
    }
    if (fault.mode === "then full" && call.name === "writeSync")
      return fail("ENOSPC", false, call, made, proceed);
    return proceed();
  }
}

function fail(
  errno: Errno,
  isDone: boolean,
  call: Call,
  made: Made,
  proceed: (...args: unknown[]) => unknown,
): unknown {
  made.isFaulty = true;
  // close(2) gives the descriptor back whatever it says.
  const isClose = call.name === "closeSync";
  if (isDone) made.isDone = true;
  if (isDone || isClose) {
    const result = proceed();
    if (call.name === "openSync") closeSync(result as number);
    if (call.name === "opendirSync") (result as { closeSync: () => void }).closeSync();
  }
  const options = call.args[1] as { throwIfNoEntry?: boolean } | undefined;
  if (errno === "ENOENT" && options?.throwIfNoEntry === false) return undefined;
  made.error = systemError(errno, call);
  throw made.error;
}

/** Of a read or a write: how many bytes it is to transfer. */
function bytesOf({ name, args }: Call): number | undefined {
  if (name !== "readSync" && name !== "writeSync") return undefined;
  return typeof args[1] === "string" ? args[1].length : (args[3] as number);
}

/** The arguments of a read or a write that transfers no more than `bytes`. */
function shortened({ args }: Call, bytes: number): unknown[] {
  if (typeof args[1] === "string") return [args[0], args[1].slice(0, bytes), ...args.slice(2)];
  return [...args.slice(0, 3), bytes, ...args.slice(4)];
}
