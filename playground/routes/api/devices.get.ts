import { defineEventHandler } from "#framework";
import { readDevices } from "../../devices.ts";
import { useVisitor } from "../../session.ts";

/** The devices of this user, in JSON. `[]` for who is not logged in. */
export default defineEventHandler(async (event) => readDevices(await useVisitor(event)));
