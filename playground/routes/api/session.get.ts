import { defineEventHandler } from "#framework";
import { useVisitor } from "../../session.ts";
import { typedRows } from "../../typed-rows.ts";

/**
 * The session of this request, told in JSON. Looks, and stores nothing: a stranger stays a
 * stranger.
 */
export default defineEventHandler(async (event) => {
  const { id, isNew, time, touched, expires, data } = await useVisitor(event);
  return { id: id ?? null, isNew, time, touched, expires, data: typedRows(data), pid: process.pid };
});
