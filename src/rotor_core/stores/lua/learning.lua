-- What a settled call teaches: the client's changes, applied to limits. See `stores/_learning.py` and `_open.py`.

local NOISE = 1e-6

-- By how much a provider's own figures differ from `actual`, put into it. A correction: key, used, whether in full.
local function correct(rec, actual, corrections)
  for _, told in ipairs(corrections) do
    local r = limit(told[1])
    if r then
      r.w = true
      touch(told[1])
    end
    for i, key in ipairs(rec.tk and rec.ks or {}) do
      if key == told[1] and r then
        local since, back = r.x - rec.cx[i], math.max(0, rec.am[i] - actual[i])
        local more = math.max(0, told[2] - since - rec.tk[i] + back)
        if more == 0 then
          local own = told[3] and back or rec.am[i]
          -- One that an earlier version reserved has no `ls`.
          more = math.min(0, told[2] - math.min(0, since) - (rec.ls or rec.tk)[i] + rec.ot[i] + own)
          if told[3] then more = math.max(more, -Windows[r.k].used(r, rec.at)) end
        end
        if math.abs(more) > NOISE * math.max(1, r.v) then
          actual[i] = actual[i] + more
          r.x = r.x + more
        end
      end
    end
  end
end

-- Hold a subject to a limit. `told`: key, the limit in numbers, when it expires (or false), it in words, charges it begins
-- with, calendars as {name, packed}.
local function hold(subject, told)
  local key, numbers, expires, words, past_charges = told[1], told[2], told[3], told[4], told[5]
  local r = limit(key)
  local before = r and {r.v, r.c} or false
  for _, zone in ipairs(told[6]) do
    put('z:' .. zone[1], zone[2])
    zones[zone[1]] = cmsgpack.unpack(zone[2])
  end
  if r then
    if not r.su then r.dv, r.dc = r.v, r.c end
    change_to(key, r, numbers)
  else
    local begin = now
    for _, charge in ipairs(past_charges) do begin = math.min(begin, charge[1]) end
    r = make(key, numbers, begin)
    if r.k ~= 'g' then
      for _, charge in ipairs(past_charges) do
        local at = math.min(charge[1], now)
        Windows[r.k].charge(r, at, at, charge[2])
      end
    end
  end
  r.su, r.e = subject, expires or nil
  put('i:' .. key, words)
  learned_anew(key)
  if expires then later('ZADD', LEASES, expires, 'l' .. key) else later('ZREM', LEASES, 'l' .. key) end
  local keys, known = subject_keys(subject), false
  for _, one in ipairs(keys) do known = known or one == key end
  if not known then
    keys[#keys + 1] = key
    meta.learned = meta.learned + 1
    teach_subject(subject)
  end
  touch(key)
  return before
end

-- Apply the changes that are no corrections; what each limit held before was value and how it counts, or false.
local function teach(subject, changes)
  local before = {}
  for i, change in ipairs(changes) do
    before[i] = false
    if change[1] == 'hold' then
      before[i] = hold(subject, change[2])
    elseif change[1] == 'drop' then
      drop(change[2])
    else
      local r = limit(change[2])
      if r and r.k ~= 'g' then
        Windows[r.k].block(r, now, change[3], change[4] or nil)
        touch(change[2])
      end
    end
  end
  for n in pairs(options) do options[n] = nil end
  return before
end
