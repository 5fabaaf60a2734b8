import { defineEventHandler, httpError, readBody, seeOther } from "#framework";
import { readDevices } from "../../devices.ts";
import { allVisitors, useVisitor } from "../../session.ts";

/** Logs one other device of this user out. */
export default defineEventHandler(async (event) => {
  const body = await readBody<{ id?: unknown } | undefined>(event);
  const session = await useVisitor(event);
  const devices = await readDevices(session);
  // An id can be anybody's: only those of this user are theirs to end.
  const device = devices.find(({ id, isThis }) => id === body?.id && !isThis);
  if (!device) {
    throw httpError(404, "None of your other devices has this session.");
  }

  // Said before it is done: a request with the cookie from before a log-in may only look, and is
  // refused here.
  await session.flash("notice", `${device.name} is logged out.`);
  await allVisitors().destroy(device.id);
  return seeOther(event, "/?after=devices");
});
