// What the operator is told, and fails no request. It can be seen with `process.on("warning")`.

/** Says it every time. */
export function warn(message: string, code?: string): void {
  process.emitWarning(message, { type: "SessionWarning", ...(code !== undefined && { code }) });
}

const said = new Set<string>();

// Of sessions that a warning may name there is no end.
const maxSaid = 10_000;

/**
 * Says it, unless this process has said just that before, and not too much else since. Whether it
 * was said.
 */
export function warnOnce(message: string, code: string): boolean {
  if (said.has(message)) return false;
  if (said.size >= maxSaid) said.clear();
  said.add(message);
  warn(message, code);
  return true;
}

/** Says that something could not be done, and why. */
export function warnOf(action: string, error: unknown): void {
  const why = error instanceof Error ? error.message : String(error);
  warn(`Cannot ${action}: ${why}`);
}
