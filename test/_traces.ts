// Everything that filesession lets out while it works, kept, and searched for tokens.

import { type InspectOptions, inspect } from "node:util";
import { vi } from "vitest";
import { intercept, systemError } from "./_calls.mjs";

/** Where something can come out. */
export type Outlet =
  | "console"
  | "disk"
  | "error"
  | "output"
  | "rejection nobody waits for"
  | "response"
  | "session"
  | "warning";

// A piece at every fifth place, so that any 16 characters in a row, 96 of a token's 256 bits, have
// one in them.
const pieceLength = 12;
const pieceEvery = 5;

/** Opened, it listens; closed, it says what has come out. */
export class Traces {
  readonly tokens: Set<string> = new Set();
  readonly #counts: Partial<Record<Outlet, number>> = {};
  readonly #texts: Map<string, Outlet> = new Map();
  readonly #ends: (() => void)[] = [];
  /** Whether the next calls to the disk fail, and how. */
  failure: { code: string; after: number } | undefined;

  constructor(fileDir: string) {
    for (const name of ["debug", "dir", "error", "info", "log", "trace", "warn"] as const)
      vi.spyOn(console, name).mockImplementation((...args: unknown[]) =>
        args.forEach((arg) => this.add("console", arg)),
      );
    for (const stream of [process.stdout, process.stderr])
      vi.spyOn(stream, "write").mockImplementation((text) => {
        this.text("output", String(text));
        return true;
      });
    vi.spyOn(process, "emitWarning").mockImplementation((...args: unknown[]) =>
      args.forEach((arg) => this.add("warning", arg)),
    );
    const listen = (error: unknown): void => this.add("rejection nobody waits for", error);
    process.on("unhandledRejection", listen);
    // Every path and every byte that is handed to the system.
    const stop = intercept(fileDir, (call, proceed) => {
      this.text("disk", call.path);
      for (const arg of call.args)
        if (typeof arg === "string") this.text("disk", arg);
        else if (call.name === "writeSync" && Buffer.isBuffer(arg))
          this.text("disk", arg.toString("latin1"));
      if (this.failure && this.failure.after-- <= 0) throw systemError(this.failure.code, call);
      return proceed();
    });
    this.#ends.push(stop, () => process.off("unhandledRejection", listen));
  }

  text(outlet: Outlet, text: string): void {
    this.#counts[outlet] = (this.#counts[outlet] ?? 0) + 1;
    this.#texts.set(text, outlet); // much of it comes again and again
  }

  /** What can be seen of a value by any of the ways in which values come to be logged. */
  add(outlet: Outlet, value: unknown): void {
    const deep = { depth: Infinity, showHidden: true, getters: true };
    const ways: InspectOptions[] = [deep, { ...deep, customInspect: false }];
    for (const way of ways) this.text(outlet, inspect(value, { maxStringLength: null, ...way }));
    this.text(outlet, `${String(value)} ${JSON.stringify(value)}`);
    if (typeof value !== "object" || value === null) return;
    for (const key in value) this.text(outlet, `${key}=${String(Reflect.get(value, key))}`);
  }

  /** An error, and all that has caused it. */
  error(error: unknown): void {
    this.add("error", error);
    if (!(error instanceof Error)) return;
    for (const name of Object.getOwnPropertyNames(error))
      this.text("error", `${name}=${String(Reflect.get(error, name))}`);
    if (error.cause !== undefined) this.error(error.cause);
  }

  /** Ends the listening. Where tokens came out, and how much there was to search. */
  close(): { leaks: Partial<Record<Outlet, number>>; texts: Partial<Record<Outlet, number>> } {
    for (const end of this.#ends) end();
    vi.restoreAllMocks();
    const pieces = new Set<string>();
    for (const token of this.tokens)
      for (const form of formsOf(token))
        for (let at = 0; at + pieceLength <= form.length; at += pieceEvery)
          pieces.add(form.slice(at, at + pieceLength));
    const leaks: Partial<Record<Outlet, number>> = {};
    for (const [text, outlet] of this.#texts)
      if (hasPiece(text, pieces)) leaks[outlet] = (leaks[outlet] ?? 0) + 1;
    return { leaks, texts: this.#counts };
  }
}

/** A token as it is, and as it may come out: its bytes in hex, its text in hex or base64. */
function formsOf(token: string): string[] {
  const bytes = Buffer.from(token, "base64url");
  const text = Buffer.from(token);
  return [token, bytes.toString("hex"), text.toString("hex"), text.toString("base64url")];
}

function hasPiece(text: string, pieces: Set<string>): boolean {
  for (const [run] of text.matchAll(/[\w-]{16,}/g))
    for (let at = 0; at + pieceLength <= run.length; at++)
      if (pieces.has(run.slice(at, at + pieceLength))) return true;
  return false;
}
