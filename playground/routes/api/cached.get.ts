import { defineCachedEventHandler } from "#framework";
import { useVisitor } from "../../session.ts";

/**
 * One answer for everybody, for a minute. A session in it would be everybody's: there is none,
 * whoever asks.
 */
export default defineCachedEventHandler(
  async (event) => {
    const session = await useVisitor(event);
    return { id: session.id ?? null, pid: process.pid };
  },
  { maxAge: 60 },
);
