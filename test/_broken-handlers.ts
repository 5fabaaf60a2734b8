// Handlers that are broken on purpose, each in one way. The suite must fail for each of them in the
// tests that are meant for that way and in no other, and every test of the suite must fail for one
// of them at least.

import { writeFile } from "node:fs/promises";
import { badId, gone, tooLarge } from "../src/core/error.ts";
import {
  type Change,
  type EmptyRecord,
  isRecord,
  type SessionRecord,
  type WriteOptions,
} from "../src/core/handler.ts";
import { FilesHandler, FilesPlace } from "./_files-handler.ts";
import { MemoryHandler } from "../src/testing/memory-handler.ts";
import { StillPlace } from "./_still-place.ts";

export interface Broken {
  /** What is wrong. */
  fault: string;
  /** The titles of the tests that must fail. */
  fails: string[];
  /** A new place, which handlers share. */
  newPlace: () => StillPlace;
  /** A new handler with the fault. */
  open: (place: StillPlace) => MemoryHandler;
}

export const brokenHandlers: Broken[] = [];

/** Replaces methods of `handler`; `real` has those from before. */
type Sabotage<H, P> = (handler: H, real: H, place: P) => void;

function inMemory(
  fault: string,
  fails: string | string[],
  sabotage: Sabotage<MemoryHandler, StillPlace>,
): void {
  brokenHandlers.push({
    fault,
    fails: [fails].flat(),
    newPlace: () => new StillPlace(),
    open(place) {
      const handler = new MemoryHandler(place);
      sabotage(handler, originalsOf(handler), place);
      return handler;
    },
  });
}

function inFiles(
  fault: string,
  fails: string | string[],
  sabotage: Sabotage<FilesHandler, FilesPlace>,
): void {
  brokenHandlers.push({
    fault,
    fails: [fails].flat(),
    newPlace: () => new FilesPlace(),
    open(place) {
      const handler = new FilesHandler(place as FilesPlace);
      sabotage(handler, originalsOf(handler), place as FilesPlace);
      return handler;
    },
  });
}

/** `handler` as it was before any method was replaced. */
function originalsOf<H extends object>(handler: H): H {
  return new Proxy(handler, {
    get(target, key) {
      const value: unknown = Reflect.get(Object.getPrototypeOf(target) as object, key);
      return typeof value === "function" ? value.bind(target) : Reflect.get(target, key);
    },
  });
}

// Records

inMemory(
  "moments are no whole milliseconds",
  "store() gives the record that retrieve() finds",
  (handler, real) => {
    handler.now = () => real.now() + 0.5;
  },
);

const begunElsewhere =
  "`time` says when a session was begun elsewhere; one that is there keeps its own";
const tagGiven = "`tagTime` says when a session was given its tag elsewhere";

inMemory("a session is always begun now", begunElsewhere, (handler, real) => {
  handler.facts = (options, old, verb) =>
    real.facts({ ...options, time: handler.now() }, old, verb);
});

const usedElsewhere = "`touched` says when a session was last used elsewhere";
const goesOn = "clean() goes by when a session was last used, also if that was elsewhere";

inMemory(
  "a session that is created was always used just now",
  [usedElsewhere, goesOn],
  (handler, real) => {
    handler.facts = (options, old, verb) => {
      const { touched: _, ...rest } = options;
      return real.facts(rest, old, verb);
    };
  },
);

inMemory("a moment may be anything", [usedElsewhere, tagGiven, begunElsewhere], (handler) => {
  handler.checkMoment = () => {};
});

inMemory(
  "`touched` ages a session that is there",
  "`touched` has no effect on a session that is there",
  (handler, real) => {
    handler.facts = (options, old, verb) => {
      const facts = real.facts(options, old, verb);
      return { ...facts, touched: options.touched ?? facts.touched };
    };
  },
);

inMemory("store() merges", "store() replaces all of what was there", (handler, real) => {
  const isPlain = (data: unknown): boolean =>
    typeof data === "object" && data !== null && !Array.isArray(data);
  handler.store = async (id, data, options) => {
    const { data: before } = await real.retrieve(id, { blocking: false });
    const merged = isPlain(before) && isPlain(data) ? { ...(before as object), ...data } : data;
    return real.store(id, merged, options);
  };
});

inMemory(
  "store() forgets `time`",
  ["store() keeps `time` and moves `touched`", begunElsewhere],
  (handler, real, place) => {
    handler.store = async (id, data, options) => {
      const record = await real.store(id, data, options);
      return options?.oldId ? record : amend(place, record, { time: record.touched });
    };
  },
);

inMemory(
  "store() forgets `ip`",
  "store() keeps `ip` unless given another",
  (handler, real, place) => {
    handler.store = async (id, data, options) => {
      const record = await real.store(id, data, options);
      return options?.oldId ? record : amend(place, record, { ip: options?.ip ?? "" });
    };
  },
);

inMemory(
  "`cookieName` is lost",
  "`cookieName` is kept unless given another, also by update(), touch() and a move",
  (handler, real) => {
    handler.save = (id, stored) => {
      const { cookieName: _, ...rest } = stored;
      return real.save(id, rest);
    };
  },
);

inMemory(
  "store() takes mustExist for mustNotExist",
  [
    "store() with mustExist replaces a session",
    "store() with mustExist creates none: ERR_SESSION_GONE",
  ],
  (handler, real, place) => {
    handler.store = async (id, data, options) => {
      if (!options?.mustExist || options.oldId) return real.store(id, data, options);
      if (place.sessions.has(id)) throw gone(id);
      return real.store(id, data);
    };
  },
);

inMemory(
  "a miss is remembered",
  [
    "store(), touch() and remove() are seen by other handlers at once",
    "a move with grace leaves a miss that leads to the new id",
  ],
  (handler, real) => {
    const misses = new Set<string>();
    handler.store = (id, data, options) => {
      misses.delete(id);
      return real.store(id, data, options);
    };
    handler.retrieve = async (id, options) => {
      if (misses.has(id)) return {};
      const record = await real.retrieve<never>(id, options);
      if (!isRecord(record)) misses.add(id);
      return record;
    };
  },
);

inMemory(
  "a miss has properties",
  [
    "retrieve() gives {} for a miss, and creates nothing",
    "a move with grace leaves a miss that leads to the new id",
    "a move without grace leaves nothing",
    "clean() removes what a move with grace left, and counts it as no session",
    "what a move with grace leaves of a lasting session stays until its ttl has run out",
  ],
  (handler, real) => {
    handler.retrieve = async (id, options) => {
      const record = await real.retrieve<never>(id, options);
      return isRecord(record) ? record : { data: undefined };
    };
  },
);

inMemory("retrieve() touches", "retrieve() does not move `touched`", (handler, real, place) => {
  handler.retrieve = async (id, options) => {
    const record = await real.retrieve<never>(id, options);
    if (isRecord(record) && place.now() - record.touched > 1_000)
      amend(place, record, { touched: place.now() });
    return record;
  };
});

inMemory(
  "touch() forgets `ip`",
  "touch() moves `touched` and nothing else",
  (handler, real, place) => {
    handler.touch = async (id) => {
      const record = await real.retrieve(id);
      if (isRecord(record)) amend(place, record, { ip: "" });
      return real.touch(id);
    };
  },
);

inMemory(
  "touch() creates",
  "touch() gives false for a miss, and creates nothing",
  (handler, real, place) => {
    handler.touch = async (id) => {
      const touched = await real.touch(id);
      if (!place.sessions.has(id)) await real.store(id, {});
      return touched;
    };
  },
);

inMemory(
  "remove() throws for a miss",
  ["remove() says whether there was a session", "what a move with grace leaves is no session"],
  (handler, real) => {
    handler.remove = async (id) => {
      if (!(await real.remove(id))) throw new Error("ENOENT");
      return true;
    };
  },
);

inMemory(
  "remove() leaves the creation time behind",
  "store() after remove() is a new session",
  (handler, real, place) => {
    const times = new Map<string, number>();
    handler.remove = async (id) => {
      const { time } = await real.retrieve(id);
      if (time !== undefined) times.set(id, time);
      return real.remove(id);
    };
    handler.store = async (id, data, options) => {
      const record = await real.store(id, data, options);
      const time = times.get(id);
      return time === undefined ? record : amend(place, record, { time });
    };
  },
);

inMemory(
  "keys() lists a session as often as it was stored",
  [
    "keys() lists the sessions there are",
    "clean() removes what was last touched more than `timeout` seconds ago",
  ],
  (handler, real) => {
    const stored: string[] = [];
    handler.store = async (id, data, options) => {
      const record = await real.store(id, data, options);
      stored.push(id);
      return record;
    };
    handler.keys = async function* () {
      for await (const id of real.keys()) {
        yield id;
        for (const again of stored.filter((other) => other === id).slice(1)) yield again;
      }
    };
  },
);

// Data

inMemory("strings are normalised", "strings come back as they went in", (handler, real) => {
  handler.pickle = (data) => real.pickle(typeof data === "string" ? data.normalize() : data);
});

inMemory(
  "500,000 bytes are the limit",
  "900,000 bytes come back as they went in",
  (handler, real) => {
    handler.pickle = (data) => {
      const pickled = real.pickle(data);
      if (pickled.text.length > 500_000) throw tooLarge(pickled.text.length, 500_000);
      return pickled;
    };
  },
);

inMemory("null is an empty object", "plain data comes back as it went in", (handler, real) => {
  handler.pickle = (data) => real.pickle(data === null ? {} : data);
});

inMemory(
  "data is JSON",
  [
    "what JSON has no word for comes back as it went in",
    "URLs come back as they went in",
    "typed arrays come back as they went in",
    "repeated and cyclic references come back as they went in",
    "what cannot be stored is refused by its path, and the data is as before",
  ],
  (handler) => {
    handler.pickle = (data) => ({ encoding: "json", text: JSON.stringify(data) ?? "null" });
  },
);

inMemory(
  "what cannot be stored is left out",
  "what cannot be stored is refused by its path, and the data is as before",
  (handler, real) => {
    handler.pickle = (data) => {
      try {
        return real.pickle(data);
      } catch {
        return real.pickle(JSON.parse(JSON.stringify(data)));
      }
    };
  },
);

inMemory("a record is shared by who reads it", "a record is a private copy", (handler, real) => {
  const data = new WeakMap<object, unknown>();
  handler.unpickle = (stored) => {
    if (!data.has(stored)) data.set(stored, real.unpickle(stored));
    return data.get(stored);
  };
});

// Moves

inMemory(
  "a move leaves the old id behind",
  [
    "store() with oldId moves the session: the old id is a miss, `time` and `ip` stay",
    "a move with grace leaves a miss that leads to the new id",
    "a move without grace leaves nothing",
    "clean() removes what a move with grace left, and counts it as no session",
    "tagged() follows a session that moves",
    "what a move with grace leaves is no session",
    "what a move with grace leaves of a lasting session stays until its ttl has run out",
  ],
  (handler, real, place) => {
    handler.store = async (id, data, options) => {
      const { oldId = id, mustExist } = options ?? {};
      const old = place.sessions.get(oldId);
      const record = await real.store(id, data, options);
      if (old && oldId !== id && !mustExist) place.sessions.set(oldId, old);
      return record;
    };
  },
);

inMemory(
  "a move needs an old session",
  "store() with an unknown oldId stores a new session",
  (handler, real) => {
    handler.store = async (id, data, options) =>
      real.store(id, data, options?.oldId ? { ...options, mustExist: true } : options);
  },
);

inMemory(
  "a move onto itself removes the session",
  "store() with oldId the same as id is a plain store",
  (handler, real) => {
    handler.store = async (id, data, options) => {
      const record = await real.store(id, data, options);
      if (options?.oldId === id) await real.remove(id);
      return record;
    };
  },
);

inMemory(
  "a move takes the time of the session it replaces",
  "store() with oldId onto an id that is taken replaces what is there",
  (handler, real, place) => {
    handler.store = async (id, data, options) => {
      const { time } = await real.retrieve(id, { blocking: false });
      const record = await real.store(id, data, options);
      return time === undefined ? record : amend(place, record, { time });
    };
  },
);

inMemory(
  "mustExist is content with a session under the new id",
  "store() with oldId and mustExist moves only what is there: ERR_SESSION_GONE",
  (handler, real, place) => {
    handler.store = async (id, data, options) =>
      real.store(
        id,
        data,
        options?.oldId && place.sessions.has(id) ? { ...options, mustExist: false } : options,
      );
  },
);

inMemory(
  "locks are taken in the order of the arguments",
  "two opposite moves at once both end",
  (handler) => {
    handler.lockOrder = (ids) => [...new Set(ids)];
  },
);

inMemory(
  "mustExist of a move is checked before the lock",
  "two moves of one session at once do not fork it: one wins, the other is ERR_SESSION_GONE",
  (handler, real) => {
    handler.store = async (id, data, options) => {
      if (!options?.oldId || !options.mustExist) return real.store(id, data, options);
      const old = await real.retrieve(options.oldId, { blocking: false });
      if (!isRecord(old)) throw gone(options.oldId);
      return real.store(id, data, { ...options, mustExist: false });
    };
  },
);

inMemory(
  "a move knows no grace",
  [
    "a move with grace leaves a miss that leads to the new id",
    "what a move with grace leaves is no session",
    "clean() removes what a move with grace left, and counts it as no session",
    "what a move with grace leaves of a lasting session stays until its ttl has run out",
  ],
  (handler, real) => {
    handler.leave = (oldId, old, to) => real.leave(oldId, old, to);
  },
);

inMemory("every move leaves a trace", ["a move without grace leaves nothing"], (handler, real) => {
  handler.leave = (oldId, old, to, grace) => real.leave(oldId, old, to, grace || 5);
});

inMemory(
  "what a move with grace leaves is a session",
  "what a move with grace leaves is no session",
  (handler, real) => {
    handler.remove = async (id) => {
      const { moved } = await real.retrieve(id, { blocking: false });
      return (await real.remove(id)) || moved !== undefined;
    };
  },
);

inMemory(
  "what a move with grace leaves counts as a session",
  "clean() removes what a move with grace left, and counts it as no session",
  (handler, real) => {
    handler.cleanOne = async (id, timeout, blocking) => {
      const { moved } = await real.retrieve(id, { blocking: false });
      const done = await real.cleanOne(id, timeout, blocking);
      const isGone = moved && !(await real.retrieve(id, { blocking: false })).moved;
      return isGone ? "removed" : done;
    };
  },
);

inMemory(
  "what a move with grace leaves of a lasting session is cleaned as any",
  "what a move with grace leaves of a lasting session stays until its ttl has run out",
  (handler, real) => {
    handler.leave = (oldId, old, to, grace) => {
      const { lasting, ...rest } = old;
      return real.leave(oldId, lasting ? rest : old, to, grace);
    };
  },
);

// Updates

inMemory(
  "update() changes what this handler has stored last",
  ["update() changes the record as it is now", "what a move with grace leaves is no session"],
  (handler, real) => {
    const own = new Map<string, SessionRecord<never> | EmptyRecord>();
    handler.store = async (id, data, options) => {
      const record = await real.store(id, data, options);
      if (!options?.ttl) own.set(id, await real.retrieve(id, { blocking: false }));
      return record;
    };
    handler.update = (id, change, options) => {
      const mine = own.get(id);
      own.delete(id);
      return real.update(id, (record) => change(mine ?? record), options);
    };
  },
);

inMemory(
  "a miss is an empty object to update()",
  [
    "update() gets {} for a miss, and creates the session",
    "what a move with grace leaves is no session",
  ],
  (handler, real) => {
    handler.update = (id, change, options) =>
      real.update(id, (record) => change(isRecord(record) ? record : { id: undefined }), options);
  },
);

inMemory(
  "update() forgets `time`",
  [
    "update() keeps `time` and `ip`, and moves `touched`",
    "`time` says when a session was begun elsewhere; one that is there keeps its own",
  ],
  (handler, real, place) => {
    handler.update = async (id, change, options) => {
      const before = place.sessions.get(id);
      const record = await real.update(id, change, options);
      if (!isRecord(record) || place.sessions.get(id) === before || options?.oldId) return record;
      return amend(place, record, { time: record.touched });
    };
  },
);

inMemory(
  "update() touches though there is nothing to write",
  "update() writes nothing for undefined",
  (handler, real, place) => {
    handler.update = async (id, change, options) => {
      const before = place.sessions.get(id);
      const record = await real.update(id, change, options);
      if (before && place.sessions.get(id) === before) await real.touch(id);
      return record;
    };
  },
);

inMemory(
  "update() gives the record from before a promised change",
  "update() waits for a promised change",
  (handler, real) => {
    handler.update = async <T>(id: string, change: Change<T>, options?: WriteOptions) => {
      let before: SessionRecord<T> | EmptyRecord = {};
      let isPromised = false;
      const record = await real.update<T>(
        id,
        (found) => {
          before = found;
          const data = change(found);
          isPromised = data instanceof Promise;
          return data;
        },
        options,
      );
      return isPromised && isRecord(before) ? before : record;
    };
  },
);

inMemory(
  "update() wraps what its change has thrown",
  "update() whose change throws writes nothing, and frees the session",
  (handler, real) => {
    handler.update = async <T>(id: string, change: Change<T>, options?: WriteOptions) =>
      real.update<T>(
        id,
        async (record) => {
          try {
            return await change(record);
          } catch (cause) {
            throw new Error("update failed", { cause });
          }
        },
        options,
      );
  },
);

inMemory(
  "update() keeps the lock when its change throws",
  "update() whose change throws writes nothing, and frees the session",
  (handler, real, place) => {
    handler.update = async (id, change, options) => {
      try {
        return await real.update(id, change, options);
      } catch (error) {
        if (error instanceof Error && error.message === "no") await place.lock(id);
        throw error;
      }
    };
  },
);

inMemory(
  "update() leaves the old id behind",
  "update() with oldId changes the record there, and moves it",
  (handler, real, place) => {
    handler.update = async (id, change, options) => {
      const old = options?.oldId === undefined ? undefined : place.sessions.get(options.oldId);
      const record = await real.update(id, change, options);
      if (old && options?.oldId) place.sessions.set(options.oldId, old);
      return record;
    };
  },
);

inMemory(
  "update() takes mustExist for satisfied by the new id",
  "update() with mustExist changes only what is there: ERR_SESSION_GONE",
  (handler, real, place) => {
    handler.update = async (id, change, options) =>
      real.update(
        id,
        change,
        options?.oldId && place.sessions.has(id) ? { ...options, mustExist: false } : options,
      );
  },
);

inMemory(
  "update() ignores mustExist",
  [
    "update() with mustExist changes only what is there: ERR_SESSION_GONE",
    "update() with mustExist brings no removed session back",
    "a session whose ttl has run out is a miss at once",
  ],
  (handler, real) => {
    handler.update = (id, change, options) =>
      real.update(id, change, { ...options, mustExist: false });
  },
);

// Locks

inMemory(
  "update() reads before it locks",
  "100 updates at once, from two handlers, lose none",
  (handler, real) => {
    handler.update = async (id, change, options) => {
      const seen = await real.retrieve<never>(options?.oldId ?? id, { blocking: false });
      return real.update(id, () => change(seen), options);
    };
  },
);

inMemory(
  "update() does not lock",
  [
    "100 updates at once, from two handlers, lose none",
    "store() waits for an update under way",
    "retrieve() waits for an update under way",
    "remove() waits for an update under way",
    "update() with mustExist brings no removed session back",
    "clean() skips a session under way, and counts it",
    "clean() with blocking waits for a session under way",
  ],
  (handler, real) => {
    handler.update = async (id, change, options) => {
      handler.locked = unlocked(real);
      const done = real.update(id, change, options);
      handler.locked = real.locked;
      return done;
    };
  },
);

inMemory(
  "all sessions have one lock",
  [
    "a session under way holds up no other",
    "store() waits for an update under way",
    "retrieve() waits for an update under way",
    "retrieve() without blocking gives the last whole version at once",
    "remove() waits for an update under way",
    "update() with mustExist brings no removed session back",
    "clean() skips a session under way, and counts it",
    "clean() with blocking waits for a session under way",
    "close() waits for what is under way",
  ],
  (handler) => {
    handler.lockOrder = () => ["*"];
  },
);

inMemory("store() does not lock", "store() waits for an update under way", (handler, real) => {
  handler.store = (id, data, options) => {
    if (options?.oldId) return real.store(id, data, options);
    handler.locked = unlocked(real);
    const done = real.store(id, data, options);
    handler.locked = real.locked;
    return done;
  };
});

inMemory("retrieve() never waits", "retrieve() waits for an update under way", (handler, real) => {
  handler.retrieve = (id) => real.retrieve(id, { blocking: false });
});

inMemory(
  "retrieve() always waits",
  "retrieve() without blocking gives the last whole version at once",
  (handler, real) => {
    handler.retrieve = (id) => real.retrieve(id);
  },
);

inMemory(
  "remove() does not lock",
  [
    "remove() waits for an update under way",
    "update() with mustExist brings no removed session back",
  ],
  (handler, real) => {
    handler.remove = (id) => {
      handler.locked = unlocked(real);
      const done = real.remove(id);
      handler.locked = real.locked;
      return done;
    };
  },
);

inMemory(
  "mustExist of an update is checked before the lock",
  "update() with mustExist brings no removed session back",
  (handler, real) => {
    handler.update = async (id, change, options) => {
      const from = options?.oldId ?? id;
      const old = await real.retrieve(from, { blocking: false });
      if (options?.mustExist && !isRecord(old)) throw gone(from);
      return real.update(id, change, { ...options, mustExist: false });
    };
  },
);

inFiles("files are written in place", "a reader never sees half a write", (handler) => {
  handler.put = (file, text) => writeFile(file, text);
});

// Lifetimes

inMemory("a ttl is a tenth too long", "`expires` says when a ttl runs out", (handler, real) => {
  handler.store = (id, data, options) =>
    real.store(id, data, options?.ttl ? { ...options, ttl: options.ttl * 1.1 } : options);
});

inMemory(
  "retrieve() gives what has expired until it is cleaned",
  "a session whose ttl has run out is a miss at once",
  (handler, real) => {
    handler.retrieve = (id, options) => {
      handler.isExpired = () => false;
      const record = real.retrieve<never>(id, options);
      return record.finally(() => {
        handler.isExpired = real.isExpired;
      });
    };
  },
);

inMemory(
  "an expired session lends its time to the next",
  "store() after a ttl has run out is a new session",
  (handler, real, place) => {
    handler.store = async (id, data, options) => {
      const time = place.sessions.get(id)?.time;
      const record = await real.store(id, data, options);
      return time === undefined || options?.oldId ? record : amend(place, record, { time });
    };
  },
);

inMemory(
  "store() keeps a ttl",
  [
    "store() ends an earlier ttl unless given another",
    "update() and a move keep `lasting` with the ttl; a new ttl ends it",
  ],
  (handler) => {
    handler.keepsTtl.store = true;
  },
);

inMemory(
  "update() ends a ttl",
  [
    "update() keeps an earlier ttl unless given another",
    "update() and a move keep `lasting` with the ttl; a new ttl ends it",
  ],
  (handler) => {
    handler.keepsTtl.update = false;
  },
);

inMemory(
  "a ttl that makes no sense is none",
  "a ttl that makes no sense is refused: ERR_SESSION_OPTION",
  (handler, real) => {
    handler.checkSeconds = (name, value) => void (name === "ttl" || real.checkSeconds(name, value));
  },
);

inMemory(
  "a grace that makes no sense is none",
  "a move without grace leaves nothing",
  (handler, real) => {
    handler.checkSeconds = (name, value) =>
      void (name === "grace" || real.checkSeconds(name, value));
  },
);

inMemory(
  "clean() knows no lasting sessions",
  [
    "clean() leaves a lasting session alone until its ttl has run out",
    "what a move with grace leaves of a lasting session stays until its ttl has run out",
  ],
  (handler) => {
    handler.isOld = (stored, timeout) =>
      timeout === 0 || handler.now() - stored.touched > timeout * 1000;
  },
);

inMemory(
  "`lasting` is lost",
  "update() and a move keep `lasting` with the ttl; a new ttl ends it",
  (handler, real) => {
    handler.facts = (options, old, verb) => {
      const { lasting, ...facts } = real.facts(options, old, verb);
      return lasting && options.lasting ? { ...facts, lasting } : facts;
    };
  },
);

// Tags

inMemory(
  "tagged() looks at the beginning of a tag, in any case",
  "tagged() gives the ids of the sessions that have the tag",
  (handler, _, place) => {
    handler.tagged = async (tag) => {
      handler.checkTag(tag);
      const has = (other = ""): boolean => other.toLowerCase() === tag.toLowerCase();
      const ids = [...place.sessions.keys()];
      const live = await Promise.all(ids.map((id) => handler.load(id)));
      return ids.filter((_, index) => has(live[index]?.tag));
    };
  },
);

inMemory(
  "store() and update() without a tag remove it",
  [
    "a tag is kept unless given another, also by store(), update() and touch()",
    "tagged() follows a session that moves",
    tagGiven,
  ],
  (handler, real) => {
    handler.facts = (options, old, verb) => {
      const { tag, tagTime, ...facts } = real.facts(options, old, verb);
      return tag && tagTime && options.tag ? { ...facts, tag, tagTime } : facts;
    };
  },
);

inMemory("a tag is always given now", tagGiven, (handler, real) => {
  handler.facts = (options, old, verb) => {
    const { tagTime: _, ...rest } = options;
    return real.facts(rest, old, verb);
  };
});

inMemory(
  "a tag is for ever",
  "a session has one tag: another one takes its place, `null` removes it",
  (handler, real) => {
    handler.facts = ({ tag, ...options }, old, verb) => {
      const given = tag === undefined ? {} : { tag: old?.tag && !options.oldId ? old.tag : tag };
      return real.facts({ ...options, ...given }, old, verb);
    };
  },
);

inMemory(
  "tagged() gives what a ttl has ended",
  "tagged() gives live sessions only",
  (handler, real) => {
    handler.tagged = async (tag) => {
      handler.isExpired = () => false;
      return real.tagged(tag).finally(() => {
        handler.isExpired = real.isExpired;
      });
    };
  },
);

inMemory(
  "a tag may be anything",
  "a tag is any text of 1 to 1024 characters: ERR_SESSION_OPTION",
  (handler) => {
    handler.checkTag = () => {};
  },
);

// Cleaning

inMemory(
  "clean() goes by `time`",
  [
    "clean() removes what was last touched more than `timeout` seconds ago",
    "clean() removes what a move with grace left, and counts it as no session",
    "tagged() gives live sessions only",
    goesOn,
  ],
  (handler, real) => {
    handler.isOld = (stored, timeout) => real.isOld({ ...stored, touched: stored.time }, timeout);
  },
);

inMemory(
  "clean(0) keeps what has a ttl",
  [
    "clean(0) removes everything",
    "clean() leaves a lasting session alone until its ttl has run out",
  ],
  (handler, real) => {
    handler.isOld = (stored, timeout) => !stored.expires && real.isOld(stored, timeout);
  },
);

inMemory(
  "clean() knows no ttl",
  [
    "clean() removes what a ttl has ended",
    "clean() leaves a lasting session alone until its ttl has run out",
    "what a move with grace leaves of a lasting session stays until its ttl has run out",
  ],
  (handler, real) => {
    handler.cleanOne = (id, timeout, blocking) => {
      handler.isExpired = () => false;
      return real.cleanOne(id, timeout, blocking).finally(() => {
        handler.isExpired = real.isExpired;
      });
    };
  },
);

inMemory(
  "clean() does not lock",
  "clean() skips a session under way, and counts it",
  (handler, real) => {
    handler.cleanOne = (id, timeout, blocking) => {
      if (blocking) return real.cleanOne(id, timeout, blocking);
      handler.locked = unlocked(real);
      const done = real.cleanOne(id, timeout, true);
      handler.locked = real.locked;
      return done;
    };
  },
);

inMemory(
  "clean() always waits",
  "clean() skips a session under way, and counts it",
  (handler, real) => {
    handler.clean = (timeout, options) => real.clean(timeout, { ...options, blocking: true });
  },
);

inMemory(
  "clean() never waits",
  "clean() with blocking waits for a session under way",
  (handler, real) => {
    handler.clean = (timeout, options) => real.clean(timeout, { ...options, blocking: false });
  },
);

inMemory(
  "clean() has no ear for its signal",
  "clean() ends with the reason of its signal",
  (handler, real) => {
    const { signal } = new AbortController();
    handler.clean = (timeout, options) => real.clean(timeout, { ...options, signal });
  },
);

inMemory(
  "clean() says nothing",
  "clean() reports counts that grow to its result",
  (handler, real) => {
    handler.clean = (timeout, options) => real.clean(timeout, { ...options, onProgress: () => {} });
  },
);

inMemory(
  "clean() counts down",
  "clean() reports counts that grow to its result",
  (handler, real) => {
    handler.clean = (timeout, options) => {
      let left = 50;
      return real.clean(timeout, {
        ...options,
        onProgress: (counts) => options?.onProgress?.({ ...counts, removed: left-- }),
      });
    };
  },
);

inMemory(
  "a timeout that makes no sense is 0",
  "clean() refuses a timeout that makes no sense: ERR_SESSION_OPTION",
  (handler, real) => {
    handler.clean = (timeout, options) => real.clean(timeout >= 0 ? Number(timeout) : 0, options);
  },
);

// Ids

const long = "a long id is stored or refused, and never taken for another";
const shapes = "an id of any shape is a session of its own, and keys() gives it back as it was";

inFiles("an id is a file name", shapes, (handler) => {
  handler.nameOf = (id) => {
    if (Buffer.byteLength(id) > 255) throw badId(id, "it is too long");
    return id;
  };
});

inFiles("an id is a file name, but for slashes", shapes, (handler) => {
  handler.nameOf = (id) => {
    const name = encodeURIComponent(Buffer.from(id).toString());
    if (name.length > 255) throw badId(id, "it is too long");
    return name;
  };
});

inMemory("ids ignore case", [shapes, long], (handler, real) => {
  handler.read = (id) => real.read(id.toLowerCase());
  handler.save = (id, stored) => real.save(id.toLowerCase(), stored);
  handler.delete = (id) => real.delete(id.toLowerCase());
});

inMemory("ids end after 200 characters", long, (handler, real) => {
  handler.read = (id) => real.read(id.slice(0, 200));
  handler.save = (id, stored) => real.save(id.slice(0, 200), stored);
  handler.delete = (id) => real.delete(id.slice(0, 200));
});

inMemory("an id that is too long is just an error", long, (handler, real) => {
  handler.checkId = (id) => {
    real.checkId(id);
    if (id.length > 128) throw new Error("ENAMETOOLONG");
  };
});

inMemory(
  "what is no string is an id as well",
  "'' and what is no string is refused: ERR_SESSION_ID",
  (handler, real) => {
    handler.checkId = (id) => {
      if (id === "") real.checkId(id);
    };
  },
);

// The end

const failing = "a place that fails is no miss: ERR_SESSION_DIR with its cause";

inMemory("retrieve() gives the system's error as a value", failing, (handler, real) => {
  handler.retrieve = async (id, options) => {
    try {
      return await real.retrieve<never>(id, options);
    } catch (error) {
      if (error instanceof Error && error.cause) return error.cause;
      throw error;
    }
  };
});

inMemory("touch() takes a failing place for a miss", failing, (handler, real) => {
  handler.touch = async (id) => {
    try {
      return await real.touch(id);
    } catch (error) {
      if (error instanceof Error && error.cause) return false;
      throw error;
    }
  };
});

inMemory("close() waits for nothing", "close() waits for what is under way", (handler, real) => {
  handler.close = async () => void real.close();
});

inMemory(
  "a closed handler still lists its sessions",
  "close() makes later calls reject, and no other handler's",
  (handler, real) => {
    handler.keys = async function* () {
      for (const id of await real.ids()) if (await real.load(id)) yield id;
    };
  },
);

inMemory(
  "close() closes the place",
  [
    "close() waits for what is under way",
    "close() makes later calls reject, and no other handler's",
  ],
  (handler, real, place) => {
    handler.close = async () => {
      place.break();
      await real.close();
    };
  },
);

inMemory(
  "close() rejects when it is called again",
  [
    "close() waits for what is under way",
    "close() makes later calls reject, and no other handler's",
    "close() may be called again",
    "Symbol.asyncDispose closes",
  ],
  (handler, real) => {
    let isClosed = false;
    handler.close = async () => {
      if (isClosed) throw new Error("closed already");
      isClosed = true;
      await real.close();
    };
  },
);

inMemory("Symbol.asyncDispose does nothing", "Symbol.asyncDispose closes", (handler) => {
  handler[Symbol.asyncDispose] = async () => {};
});

/** What replaces `locked` of a handler that does not lock. */
function unlocked(real: MemoryHandler): MemoryHandler["locked"] {
  return async (ids, work) => {
    for (const id of ids) real.checkId(id);
    return work();
  };
}

/** The record with something else in it, which is then in the place, too. */
function amend<T>(
  place: StillPlace,
  record: SessionRecord<T>,
  part: Partial<Pick<SessionRecord, "ip" | "time" | "touched">>,
): SessionRecord<T> {
  const stored = place.sessions.get(record.id);
  if (stored) place.sessions.set(record.id, { ...stored, ...part });
  return { ...record, ...part };
}
