-- What every script begins with: who asks, what time it is, and whether this is the ledger that the asker knows.
--
-- KEYS are all in one slot: state, open reservations, leases, the queue, tickets, what was learned
-- last, grants not yet due. ARGV: the client's settings, the epoch that it knows (or nothing), an instant in place of the server's clock (tests
-- turn it; else nothing), the version of what it knows to be learned, then the operation's own.
-- A reply is one packed list: what it is, the instant, the epoch, news (or false), then the operation's own.
--
-- Fields of the state: `m` meta, `r` rests, `l:KEY` a limit, `d:KEY` and `i:KEY` it in words as declared and as learned,
-- `o:N` an option, `s:SUBJECT` what it has learned, `t:OPTION` its past, `z:ZONE` a calendar, `p:PLAN` what it draws on,
-- `w:PLAN` how many wait for it.

local STATE, OPEN, LEASES, QUEUE, TICKETS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local LAYOUT = 1

local settings = cmsgpack.unpack(ARGV[1])
local known_epoch = ARGV[2]

local begun = redis.call('HMGET', STATE, 'm', 'r')
local meta = begun[1] and cmsgpack.unpack(begun[1]) or nil
local rests = begun[2] and cmsgpack.unpack(begun[2]) or {}

local now
if ARGV[3] ~= '' then
  now = tonumber(ARGV[3])
else
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1e6
end
local LEARNED, COMING = KEYS[6], KEYS[7]
local newer = meta and meta.layout ~= LAYOUT
-- A clock that was set back stands still meanwhile: time that is gone twice would give capacity twice.
if meta and not newer and meta.at > now then now = meta.at end

-- What was learned since the client last heard: its version, then key and words (or false: dropped) in turn.
local function news()
  local since = tonumber(ARGV[4])
  if not meta or meta.version <= since then return false end
  local keys = redis.call('ZRANGEBYSCORE', LEARNED, '(' .. since, '+inf')
  local told = {meta.version}
  for _, key in ipairs(keys) do
    told[#told + 1] = key
    told[#told + 1] = redis.call('HGET', STATE, 'i:' .. key)
  end
  return told
end

local function reply(what, ...)
  return cmsgpack.pack({what, now, meta.epoch, news(), ...})
end

local strange
if newer then
  strange = cmsgpack.pack({'layout', now, '', false, meta.layout})
elseif not meta or (known_epoch ~= '' and meta.epoch ~= known_epoch) then
  strange = cmsgpack.pack({'unknown', now, meta and meta.epoch or '', false})
end
