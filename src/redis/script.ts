// What Redis does in one go: each script is one round trip, and nobody comes between its steps. The
// words of a session's first line are told in record.ts. A script answers with a list, the first of which
// says how it ended.

/** A script, as it is sent the first time. */
export interface Script {
  readonly lua: string;
  /** What it is called by from then on. Made when it is first needed. */
  sha?: string;
}

// What stands under the key, in every script: `held` is the token of who holds the session, `head` what
// comes after the lock, and `start` where that begins. Of the text the first 16 KiB: the words have room
// in them, and large data need not be copied.
const open = `
local key, start, held = KEYS[1], 0, nil
local head = redis.call('GETRANGE', key, 0, 16383)
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local till, holder = string.match(head, '^lock (%d+) ([^ \\n]+)\\n')
if till then
  start = 7 + #till + #holder
  head = string.sub(head, start + 1)
  if tonumber(till) > clock() then held = holder end
end
local function rest()
  return string.sub(redis.call('GET', key) or '', start + 1)
end
`;

const parse = `${open}
local function parse()
  if head == '' then return nil end
  local s = { line = string.match(head, '^[^\\n]*') }
  s.touched, s.rev, s.time, s.expires, s.idle, s.lasting, s.encoding,
    s.ip, s.cookie, s.tag, s.tagTime, s.is = string.match(head,
    '^fs1 (%d+) ([^ ]+) (%d+) ([^ ]+) ([^ ]+) ([01]) (%a+) ([^ ]*) ([^ ]+) ([^ ]+) ([^ ]+) (%a+)')
  return s
end
local function isOnTheWay(s)
  return s.is == 'coming' or s.is == 'going'
end
local function isOver(s, now)
  return s.expires ~= '*' and tonumber(s.expires) <= now
end
local function expire(s, touched, now)
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
 * KEYS session. ARGV now, rev, mustExist, expires, lasting, idle, ip, cookie, tag, time,
 * touched, tagTime, encoding, data; a word that is not given is `*`, a tag that is taken away `!`.
 * Gives `ok` and the first line, or `gone`, `locked`, `moving`, `damaged`.
 */
export const storing: Script = {
  lua: `${parse}
local now, rev, mustExist, expires, lasting, idle, ip, cookie, tag, time, touched, tagTime, encoding, data = unpack(ARGV)
if held then return {'locked'} end
local old = parse()
if old and not old.rev then return {'damaged'} end
if old and old.rev == rev then return {'ok', old.line} end
if old and isOnTheWay(old) then return {'moving'} end
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
redis.call('SET', key, line .. '\\n' .. data)
expire(s, tonumber(s.touched), tonumber(now))
return {'ok', line}`,
};

/**
 * Replaces what is stored by `text`, or removes it where that is empty, unless somebody else has
 * written meanwhile.
 *
 * KEYS session. ARGV expected: the rev that is there, empty for none; rev: the new one, which it
 * may have already if this was sent twice; token: of the lock that is held, empty for none; release:
 * whether to give it back; milliseconds to live, 0 for ever; text. Gives `ok`, `locked`, `lost`, or
 * `conflict` and what is stored.
 */
export const replacing: Script = {
  lua: `${open}
local expected, rev, token, releases, ttl, text = unpack(ARGV)
local found = head == '' and '' or string.match(head, '^fs1 %d+ ([^ ]+) ')
if rev ~= '' and found == rev then return {'ok'} end
if token == '' and held then return {'locked'} end
if token ~= '' and held ~= token then return {'lost'} end
if found ~= expected then return {'conflict', rest()} end
local lock, ms = '', tonumber(ttl)
if token ~= '' and releases == '0' then
  lock = 'lock ' .. till .. ' ' .. holder .. '\\n'
  if ms > 0 or text == '' then ms = math.max(ms, tonumber(till) - clock()) end
end
if lock .. text == '' then redis.call('DEL', key)
elseif ms == 0 then redis.call('SET', key, lock .. text)
else redis.call('SET', key, lock .. text, 'PX', string.format('%.0f', math.max(1, ms))) end
return {'ok'}`,
};

/**
 * Moves `touched` to now. KEYS session. ARGV now. Gives `ok` and the first line from
 * before, or `none`, `locked`, `moving`, `damaged`.
 */
export const touching: Script = {
  lua: `${parse}
if held then return {'locked'} end
local now = tonumber(ARGV[1])
local s = parse()
if s and not s.rev then return {'damaged'} end
if s and isOnTheWay(s) then return {'moving'} end
if not s or s.is ~= 'live' or isOver(s, now) then return {'none'} end
redis.call('SETRANGE', KEYS[1], 4, ARGV[1])
expire(s, now, now)
return {'ok', s.line}`,
};

/**
 * Removes a session. KEYS session. ARGV now, timeout: seconds for which it has not been used,
 * empty for however long that is. Gives `ok`, `none` where there was none to remove, `kept`, or
 * `locked`, `moving`, `damaged`.
 */
export const removing: Script = {
  lua: `${parse}
if held then return {'locked'} end
local now, timeout = tonumber(ARGV[1]), ARGV[2]
local s = parse()
if s and not s.rev then return {'damaged'} end
if s and isOnTheWay(s) then return {'moving'} end
if not s then return {'none'} end
local isLive = s.is == 'live' and not isOver(s, now)
if timeout == '' then
  if isLive then redis.call('DEL', key) end
  return {isLive and 'ok' or 'none'}
end
local isOld = tonumber(timeout) == 0 or s.lasting == '0' and now - tonumber(s.touched) > 1000 * tonumber(timeout)
if not isOld and not isOver(s, now) then return {'kept'} end
redis.call('DEL', key)
return {s.is == 'live' and 'ok' or 'kept'}`,
};

/**
 * Locks a session. KEYS session. ARGV token, milliseconds. Gives `ok` and what stands there, `locked`, or
 * `damaged`. Asked again with the token that has it, it gives the same.
 */
export const locking: Script = {
  lua: `${open}
if held and held ~= ARGV[1] then return {'locked'} end
if head ~= '' and not string.match(head, '^fs1 ') then return {'damaged'} end
local text = rest()
local line = string.format('lock %.0f %s', clock() + ARGV[2], ARGV[1])
if text == '' then redis.call('SET', key, line .. '\\n', 'PX', ARGV[2])
else redis.call('SET', key, line .. '\\n' .. text, 'KEEPTTL') end
return {'ok', text}`,
};

/**
 * Keeps a lock for so many milliseconds from now; 0 gives it back. KEYS session. ARGV token, milliseconds.
 * Gives `ok` or `lost`.
 */
export const holding: Script = {
  lua: `${open}
if holder ~= ARGV[1] then return {'lost'} end
if ARGV[2] ~= '0' then
  redis.call('SETRANGE', key, 5, string.format('%.0f', clock() + ARGV[2]))
  if head == '' then redis.call('PEXPIRE', key, ARGV[2]) end
  return {'ok'}
end
local text = rest()
if text == '' then redis.call('DEL', key) else redis.call('SET', key, text, 'KEEPTTL') end
return {'ok'}`,
};

/** KEYS session. Gives `ok` and what stands there, or `locked`. */
export const reading: Script = {
  lua: `${open}
if held then return {'locked'} end
return {'ok', rest()}`,
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
 * last, now: milliseconds since the epoch.
 */
export const listing: Script = {
  lua: `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[3])
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.max(1, tonumber(last) - tonumber(ARGV[3]))))
return {'ok'}`,
};

/** Takes a session off a list, unless it was listed anew. KEYS tag. ARGV id, last: what the list says. */
export const unlisting: Script = {
  lua: `
local last = redis.call('ZSCORE', KEYS[1], ARGV[1])
if last and tonumber(last) == tonumber(ARGV[2]) then redis.call('ZREM', KEYS[1], ARGV[1]) end
return {'ok'}`,
};

/** The list of a tag: a list of ids, each followed by its `last`. KEYS tag. */
export const listed: Script = {
  lua: `return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')`,
};
