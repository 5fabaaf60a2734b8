// What the options of `store` and `update` may be, for every handler that keeps more than memory does.

import { badOption } from "./error.ts";
import type { WriteOptions } from "./handler.ts";
import { milliseconds, seconds } from "./seconds.ts";

// Far more than either needs, and less than a record has room for beside its data.
const maxWordLength = 1024;

/** Throws `ERR_SESSION_OPTION` for an option of `store` and `update` that makes no sense. */
export function checkWriteOptions(options: WriteOptions): void {
  const { ip, cookieName, ttl, idleTimeout, tag, grace, time, touched, tagTime } = options;
  if (ttl !== undefined) seconds("ttl", ttl);
  if (idleTimeout !== undefined) milliseconds("idleTimeout", idleTimeout);
  if (grace !== undefined) seconds("grace", grace);
  checkMoment("time", time);
  checkMoment("touched", touched);
  checkMoment("tagTime", tagTime);
  checkWord("ip", ip);
  checkWord("cookieName", cookieName);
  if (tag !== null) checkTag(tag);
}

function checkMoment(name: string, value: number | undefined): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) return;
  throw badOption(name, value, "whole milliseconds since the epoch");
}

/** Throws `ERR_SESSION_OPTION` for what cannot be a tag. */
export function checkTag(tag: string | undefined): void {
  if (tag === "") throw badOption("tag", tag, "a text of at least one character");
  checkWord("tag", tag);
}

function checkWord(name: string, value: string | undefined): void {
  if (value === undefined || (typeof value === "string" && value.length <= maxWordLength)) return;
  throw badOption(name, value, `a text of at most ${maxWordLength} characters`);
}
