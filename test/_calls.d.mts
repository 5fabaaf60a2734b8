export interface Call {
  /** As in node:fs, `openSync` for one. */
  name: string;
  args: unknown[];
  /** What it concerns: the first path it is given, or the one its descriptor was opened by. */
  path: string;
}

export const callNames: readonly string[];

export function intercept(
  dir: string,
  between: (call: Call, proceed: (...args: unknown[]) => unknown) => unknown,
): () => void;

export function systemError(code: string, call: Call): NodeJS.ErrnoException;
