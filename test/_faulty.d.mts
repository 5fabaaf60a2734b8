import type { FileHandler } from "../src/index.ts";

export type Fault =
  | "moves by removing first"
  | "moves by copying first"
  | "truncates and rewrites"
  | "forgets a temporary file"
  | "never takes over"
  | "one lock for all"
  | "waits again";

export const faults: Record<Fault, (base: typeof FileHandler) => typeof FileHandler>;
