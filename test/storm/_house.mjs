// A house that is moved out of: sessions in two places, what finds them there, and what brings those
// over that nobody asks for. As the package does it, or as people build it.

import { createHash } from "node:crypto";
import { copySessions, FileHandler, isRecord, migratingHandler } from "filesession";
import { RedisHandler } from "filesession/redis";

const idleTimeout = 86_400;

/** The token of the visitor with this number, as it stands in the cookie. */
export function secretOf(user) {
  return createHash("sha256").update(`secret ${user}`).digest("base64url");
}

/** The id of the session that this token opens. */
export function idOf(secret) {
  return createHash("sha256").update(secret).digest("hex");
}

/**
 * Opens both places. The handler, what copies, and what puts visitors into the old place. `mover` is
 * `filesession`, or one of these faults:
 *
 * - `overwriting`: sessions are copied as they were when it began, over what has become of them;
 * - `removing-first`: all are taken out of the old place before they are put into the new one;
 * - `old-place`: the app writes each session where it finds it.
 */
export function openHouse({ fileDir, url, from, mover }) {
  // Who is killed before it has said who it is, in its lock, is waited for so long: as long as in Redis.
  const files = new FileHandler({ fileDir, staleAfter: 10 });
  const redis = new RedisHandler({ url, timeout: 20 });
  const [old, next] = from === "files" ? [files, redis] : [redis, files];
  const { handler, copy } = movers[mover](old, next);
  return { handler, copy, settle: (first, last) => settle(old, first, last) };
}

const migrating = (from, to) => migratingHandler({ from, to, idleTimeout });

const copying = (from, to) => (onProgress) =>
  copySessions(from, to, {
    remove: true,
    rate: Infinity,
    concurrency: 32,
    idleTimeout,
    onProgress,
  });

const movers = {
  filesession: (from, to) => ({ handler: migrating(from, to), copy: copying(from, to) }),
  overwriting: (from, to) => ({
    handler: migrating(from, to),
    copy: exportAndImport(from, async ({ id, data }) => {
      await to.store(id, data, { idleTimeout });
      await from.remove(id);
    }),
  }),
  "removing-first": (from, to) => ({
    handler: migrating(from, to),
    copy: exportAndImport(
      from,
      ({ id, data }) => to.store(id, data, { idleTimeout }),
      ({ id }) => from.remove(id),
    ),
  }),
  "old-place": (from, to) => ({ handler: whereItIs(from, to), copy: copying(from, to) }),
};

/** Reads all sessions of `from`, has all of them prepared, and then moves fifty at a time. */
const exportAndImport = (from, move, prepare) => async (onProgress) => {
  const records = [];
  for await (const id of from.keys()) records.push(await from.retrieve(id));
  const sessions = records.filter(isRecord);
  if (prepare) await Promise.all(sessions.map(prepare));
  const counts = { copied: 0, present: 0, gone: records.length - sessions.length };
  while (sessions.length > 0) {
    const batch = sessions.splice(0, 50);
    await Promise.all(batch.map(move));
    counts.copied += batch.length;
    onProgress(counts);
  }
  return counts;
};

function whereItIs(from, to) {
  const placeOf = async (id) => (isRecord(await from.retrieve(id)) ? from : to);
  return {
    retrieve: async (id, options) => (await placeOf(id)).retrieve(id, options),
    touch: async (id) => (await placeOf(id)).touch(id),
    remove: async (id) => (await placeOf(id)).remove(id),
    update: async (id, change, options) =>
      (await placeOf(options.oldId ?? id)).update(id, change, options),
  };
}

async function settle(place, first, last) {
  const users = Array.from({ length: last - first }, (_, index) => first + index);
  while (users.length > 0)
    await Promise.all(
      users.splice(0, 100).map((user) => {
        const data = { user: String(user), n: 0, cart: [user, "a book"] };
        return place.store(idOf(secretOf(user)), data, { cookieName: "session", idleTimeout });
      }),
    );
}
