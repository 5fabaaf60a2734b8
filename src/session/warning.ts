/**
 * Tells the operator of something that went wrong and fails no request. It can be seen with
 * `process.on("warning")`.
 */
export function warn(action: string, error: unknown): void {
  const why = error instanceof Error ? error.message : String(error);
  process.emitWarning(`Cannot ${action}: ${why}`, { type: "SessionWarning" });
}
