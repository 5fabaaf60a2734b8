// What Redis does in one go: each script is one round trip, and nobody comes between its steps. The
// words of a session's first line are told in record.ts. A script answers with a list, the first of which
// says how it ended.

/** A script, as it is sent the first time. */
export interface Script {
  readonly lua: string;
  /** What it is called by from then on. Made when it is first needed. */
  sha?: string;
}

// Of the text the first 16 KiB: the words have room in them, and large data need not be copied.
const parse = `
local function parse(key)
  local text = redis.call('GETRANGE', key, 0, 16383)
  if text == '' then return nil end
  local s = { line = string.match(text, '^[^\\n]*') }
  s.touched, s.rev, s.time, s.expires, s.idle, s.lasting, s.encoding,
    s.ip, s.cookie, s.tag, s.tagTime, s.is = string.match(text,
    '^fs1 (%d+) ([^ ]+) (%d+) ([^ ]+) ([^ ]+) ([01]) (%a+) ([^ ]*) ([^ ]+) ([^ ]+) ([^ ]+) (%a+)')
  return s
end
local function isOver(s, now)
  return s.expires ~= '*' and tonumber(s.expires) <= now
end
local function expire(key, s, touched, now)
  local last = math.huge
  if s.expires ~= '*' then last = tonumber(s.expires) end
  if s.idle ~= '*' and s.lasting == '0' then last = math.min(last, touched + tonumber(s.idle)) end
  if last == math.huge then redis.call('PERSIST', key)
  else redis.call('PEXPIRE', key, string.format('%.0f', math.max(1, last - now))) end
end
`;

/**
 * Stores a session whatever is there, and keeps of that what is not given.
 *
 * KEYS session, lock. ARGV now, rev, mustExist, expires, lasting, idle, ip, cookie, tag, time,
 * touched, tagTime, encoding, data; a word that is not given is `*`, a tag that is taken away `!`.
 * Gives `ok` and the first line, or `gone`, `locked`, `coming`, `damaged`.
 */
export const storing: Script = {
  lua: `${parse}
local now, rev, mustExist, expires, lasting, idle, ip, cookie, tag, time, touched, tagTime, encoding, data = unpack(ARGV)
if redis.call('EXISTS', KEYS[2]) == 1 then return {'locked'} end
local old = parse(KEYS[1])
if old and not old.rev then return {'damaged'} end
if old and old.rev == rev then return {'ok', old.line} end
if old and old.is == 'coming' then return {'coming'} end
if old and (old.is ~= 'live' or isOver(old, tonumber(now))) then old = nil end
if not old and mustExist == '1' then return {'gone'} end
local function pick(given, kept, none)
  if given ~= '*' then return given end
  return old and old[kept] or none
end
local s = {
  touched = (old or touched == '*') and now or touched,
  time = old and old.time or (time == '*' and now or time),
  expires = expires, lasting = lasting, idle = pick(idle, 'idle', '*'),
  ip = pick(ip, 'ip', ''), cookie = pick(cookie, 'cookie', '*'),
}
if tag == '!' then s.tag, s.tagTime = '*', '*'
elseif tag ~= '*' then s.tag, s.tagTime = tag, tagTime == '*' and now or tagTime
else s.tag, s.tagTime = pick('*', 'tag', '*'), pick('*', 'tagTime', '*') end
local line = string.format('fs1 %s %s %s %s %s %s %s %s %s %s %s live',
  s.touched, rev, s.time, s.expires, s.idle, s.lasting, encoding, s.ip, s.cookie, s.tag, s.tagTime)
redis.call('SET', KEYS[1], line .. '\\n' .. data)
expire(KEYS[1], s, tonumber(s.touched), tonumber(now))
return {'ok', line}`,
};

/**
 * Replaces what is stored by `text`, or removes it where that is empty, unless somebody else has
 * written meanwhile.
 *
 * KEYS session, lock. ARGV expected: the rev that is there, empty for none; rev: the new one, which it
 * may have already if this was sent twice; token: of the lock that is held, empty for none; release:
 * whether to give it back; milliseconds to live, 0 for ever; text. Gives `ok`, `locked`, `lost`, or
 * `conflict` and what is stored.
 */
export const replacing: Script = {
  lua: `
local expected, rev, token, release, ttl, text = unpack(ARGV)
local held = redis.call('GET', KEYS[2])
if token == '' and held then return {'locked'} end
if token ~= '' and held ~= token then return {'lost'} end
local head = redis.call('GETRANGE', KEYS[1], 0, 99)
local found = head == '' and '' or string.match(head, '^fs1 %d+ ([^ ]+) ')
if found ~= rev then
  if found ~= expected then return {'conflict', redis.call('GET', KEYS[1])} end
  if text == '' then redis.call('DEL', KEYS[1])
  elseif ttl == '0' then redis.call('SET', KEYS[1], text)
  else redis.call('SET', KEYS[1], text, 'PX', ttl) end
end
if release == '1' then redis.call('DEL', KEYS[2]) end
return {'ok'}`,
};

/**
 * Moves `touched` to now. KEYS session, lock. ARGV now. Gives `ok` and the first line from
 * before, or `none`, `locked`, `coming`, `damaged`.
 */
export const touching: Script = {
  lua: `${parse}
if redis.call('EXISTS', KEYS[2]) == 1 then return {'locked'} end
local now = tonumber(ARGV[1])
local s = parse(KEYS[1])
if s and not s.rev then return {'damaged'} end
if s and s.is == 'coming' then return {'coming'} end
if not s or s.is ~= 'live' or isOver(s, now) then return {'none'} end
redis.call('SETRANGE', KEYS[1], 4, ARGV[1])
expire(KEYS[1], s, now, now)
return {'ok', s.line}`,
};

/**
 * Removes a session. KEYS session, lock. ARGV now, timeout: seconds for which it has not been used,
 * empty for however long that is. Gives `ok`, `none` where there was none to remove, `kept`, or
 * `locked`, `coming`, `damaged`.
 */
export const removing: Script = {
  lua: `${parse}
if redis.call('EXISTS', KEYS[2]) == 1 then return {'locked'} end
local now, timeout = tonumber(ARGV[1]), ARGV[2]
local s = parse(KEYS[1])
if s and not s.rev then return {'damaged'} end
if s and s.is == 'coming' then return {'coming'} end
if not s then return {'none'} end
local isLive = s.is == 'live' and not isOver(s, now)
if timeout == '' then
  if isLive then redis.call('DEL', KEYS[1]) end
  return {isLive and 'ok' or 'none'}
end
local isOld = tonumber(timeout) == 0 or s.lasting == '0' and now - tonumber(s.touched) > 1000 * tonumber(timeout)
if not isOld and not isOver(s, now) then return {'kept'} end
redis.call('DEL', KEYS[1])
return {s.is == 'live' and 'ok' or 'kept'}`,
};

/**
 * Locks a session. KEYS session, lock. ARGV token, milliseconds. Gives `ok` and what is stored, or
 * `locked`. Asked again with the token that has it, it gives the same.
 */
export const locking: Script = {
  lua: `
local held = redis.call('GET', KEYS[2])
if held and held ~= ARGV[1] then return {'locked'} end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {'ok', redis.call('GET', KEYS[1])}`,
};

/** Keeps a lock for so many milliseconds more; 0 gives it back. KEYS lock. ARGV token, milliseconds. Gives `ok` or `lost`. */
export const holding: Script = {
  lua: `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'lost'} end
if ARGV[2] == '0' then redis.call('DEL', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return {'ok'}`,
};

/**
 * Puts what is damaged aside, unless it is another one by now. KEYS session, corrupt. ARGV the text
 * that was found, empty where a script has just found it. Gives `ok` or `none`.
 */
export const settingAside: Script = {
  lua: `
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then return {'none'} end
if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'none'} end
redis.call('RENAME', KEYS[1], KEYS[2])
return {'ok'}`,
};

/**
 * Lists a session under its tag until `last`, and removes from the list what has ended. KEYS tag. ARGV id,
 * last: milliseconds since the epoch, `inf` for ever; now.
 */
export const listing: Script = {
  lua: `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[3])
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
if last == 'inf' then redis.call('PERSIST', KEYS[1])
else redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.max(1, tonumber(last) - tonumber(ARGV[3])))) end
return {'ok'}`,
};
