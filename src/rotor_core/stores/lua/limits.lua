-- Limits by key, read when first needed and written at the end where they were changed.
-- A record: `k` kind (b r c, or g for calls at a time), `v`, `s`, `c` how a demand is counted, `f` in flight, `co` of grants
-- not yet due, `x` the sum of corrections, `w` a provider tells its own figures; `su` the subject that learned it, `e` when
-- that expires, `dv` and `dc` what was declared.

local raws, limits, dirty = {}, {}, {}

local function fetch(keys)
  local fields, wanted = {}, {}
  for _, key in ipairs(keys) do
    if raws[key] == nil and limits[key] == nil then
      raws[key] = false
      wanted[#wanted + 1] = key
      fields[#fields + 1] = 'l:' .. key
    end
  end
  for first = 1, #fields, 1000 do
    local last = math.min(first + 999, #fields)
    local found = redis.call('HMGET', STATE, unpack(fields, first, last))
    for i = first, last do raws[wanted[i]] = found[i - first + 1] end
  end
end

-- The record of a limit, or nil if there is none.
local function limit(key)
  local found = limits[key]
  if found then return found end
  local raw = raws[key]
  if raw == nil then
    raw = redis.call('HGET', STATE, 'l:' .. key)
    raws[key] = raw
  end
  if not raw then return nil end
  found = cmsgpack.unpack(raw)
  if found.g then found.g = settings.delay end -- the asker's own: it is what this process may be late by
  limits[key] = found
  return found
end

local function touch(key) dirty[key] = true end

-- What is set (or, false, deleted) in the state besides limits, and what is done to the other keys, once all is decided.
local fields, after = {}, {}

local function put(field, value) fields[field] = value end

local function take_out(field) fields[field] = false end

local function later(...) after[#after + 1] = {...} end

local rests_changed = false

local function finish()
  meta.at = now
  put('m', cmsgpack.pack(meta))
  if rests_changed then put('r', cmsgpack.pack(rests)) end
  for key in pairs(dirty) do
    if limits[key] then put('l:' .. key, cmsgpack.pack(limits[key])) end
  end
  local set, gone = {}, {}
  for field, value in pairs(fields) do
    if value then
      set[#set + 1] = field
      set[#set + 1] = value
    else
      gone[#gone + 1] = field
    end
  end
  for first = 1, #set, 1000 do redis.call('HSET', STATE, unpack(set, first, math.min(first + 999, #set))) end
  for first = 1, #gone, 1000 do redis.call('HDEL', STATE, unpack(gone, first, math.min(first + 999, #gone))) end
  for _, call in ipairs(after) do redis.call(unpack(call)) end
end

-- A fresh record of a limit that a client has put into numbers.
local function make(key, told, at)
  local r = {k = told.k, v = told.v, s = told.s, c = told.c, z = told.z, f = 0, co = 0, x = 0, w = told.c ~= 8 or nil}
  if r.k == 'g' then
    r.h, r.hold = 0, 1
  else
    Windows[r.k].new(r, at, settings)
  end
  limits[key] = r
  touch(key)
  return r
end

-- Count by another value, or another kind of window, from now on; what is taken stays taken.
local function change_to(key, r, told)
  if r.k == 'g' or told.k == 'g' then
    r.v = told.v
  elseif r.k ~= told.k or r.s ~= told.s or r.z ~= told.z then
    local taken = Windows[r.k].used(r, now)
    r.k, r.v, r.s, r.z = told.k, told.v, told.s, told.z
    r.ats, r.ams, r.tot, r.tat, r.cum, r.ps, r.pe, r.pu = nil, nil, nil, nil, nil, nil, nil, nil
    Windows[r.k].new(r, now, settings)
    Windows[r.k].charge(r, now, now, taken)
  elseif r.v ~= told.v then
    Windows[r.k].resize(r, now, told.v)
  end
  r.c = told.c
  touch(key)
end

local function learned_by(subject)
  local raw = meta.learned > 0 and subject ~= '' and redis.call('HGET', STATE, 's:' .. subject)
  return raw and cmsgpack.unpack(raw) or {}
end

local function learned_anew(key)
  meta.version = meta.version + 1
  later('ZADD', LEARNED, meta.version, key)
end

local subjects = {}

-- The keys that a subject has learned; to be changed with `teach_subject`.
local function subject_keys(subject)
  subjects[subject] = subjects[subject] or learned_by(subject)
  return subjects[subject]
end

local function teach_subject(subject)
  local keys = subject_keys(subject)
  if #keys > 0 then put('s:' .. subject, cmsgpack.pack(keys)) else take_out('s:' .. subject) end
end

-- What was learned of a limit is no longer believed: what is declared holds again, or nothing.
local function drop(key)
  local r = limit(key)
  if not r or not r.su then return end
  local subject = r.su
  local keys = subject_keys(subject)
  for i = #keys, 1, -1 do
    if keys[i] == key then
      table.remove(keys, i)
      meta.learned = meta.learned - 1
    end
  end
  teach_subject(subject)
  take_out('i:' .. key)
  learned_anew(key)
  later('ZREM', LEASES, 'l' .. key)
  if r.dv then
    change_to(key, r, {k = r.k, v = r.dv, s = r.s, z = r.z, c = r.dc})
    r.su, r.e, r.dv, r.dc = nil, nil, nil, nil
  else
    limits[key], raws[key], dirty[key] = nil, false, nil
    take_out('l:' .. key)
  end
end
