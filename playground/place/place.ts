import { useRuntimeConfig } from "#framework";
import { filesIn } from "./files.ts";
import { redisAt } from "./redis.ts";

/** Where the sessions are, looked at by a program that knows nothing of filesession. */
export interface Place {
  kind: "files" | "redis";
  /** The same in words, for whoever has started the server. */
  where: string;
  /** What is there of session `id`; `undefined` when nothing is. */
  read(id: string): Promise<Kept | undefined>;
}

/** What is kept of a session. */
export interface Kept {
  /** What it is called there. */
  name: string;
  /** What shows it in a terminal. */
  command: string;
  text: string;
  bytes: number;
  /** As `ls -l` writes it: `-rw-------`. Redis has none. */
  mode?: string;
  /** When the file was last written, or when Redis will drop the key. */
  changed?: Date;
  expires?: Date;
}

/** In files, unless the environment says where a Redis is. */
export const place: Place = placeOf(useRuntimeConfig()["fileSession"]);

function placeOf(options: { fileDir?: string; redis?: { url?: string } }): Place {
  const { fileDir, redis } = options;
  return redis?.url ? redisAt(redis.url) : filesIn(fileDir || ".data/sessions");
}
