import type { FileHandler } from "../src/index.ts";

export type Sessions = Record<string, { v: string }>;

export interface Operation {
  name: string;
  before: Sessions;
  /** What a crash may leave besides, when a part of `before` was to be replaced anyway. */
  between?: Sessions[];
  /** Stored as well, but nothing that can be read: `lay` damages it. */
  hidden?: Sessions;
  /** What else is there before: a stale lock, damage, age. */
  lay?: (fileDir: string) => void;
  /** For its handler: so that it takes over at once, and makes the same calls each time. */
  staleAfter?: number;
  run: (handler: FileHandler) => Promise<unknown>;
  after: Sessions;
}

export const operations: Operation[];
export const timeout: number;

export function prepare(operation: Operation, handler: FileHandler): Promise<void>;
