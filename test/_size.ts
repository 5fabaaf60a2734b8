/** How much of a test that can go on for ever is run: `STORM=long` asks for the long size. */
export function size(short: number, long: number): number {
  return process.env.STORM === "long" ? long : short;
}
