import { defineEventHandler } from "#framework";
import { useVisitor } from "../../session.ts";
import { readMount } from "../../mount.ts";

/** What the mounted storage says about the directory. */
export default defineEventHandler(async (event) => {
  const session = await useVisitor(event);
  return readMount(session.id, session.data);
});
