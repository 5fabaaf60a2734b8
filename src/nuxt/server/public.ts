// The one place where a session becomes what the browser may see of it.

import { publicKeys } from "#filesession/nuxt";
import type { FileSession } from "../../index.ts";
import type { PublicSession } from "../public-session.ts";
import { ownBytes } from "./own-bytes.ts";

/** `null` when there is no session. */
export function publicOf({ id, data }: Pick<FileSession, "id" | "data">): PublicSession | null {
  if (id === undefined) return null;
  const keys = publicKeys.filter((key) => Object.hasOwn(data, key));
  const copies = new Map<object, object>(); // what two keys share they go on sharing
  return Object.fromEntries(keys.map((key) => [key, ownBytes(data[key], copies)]));
}
