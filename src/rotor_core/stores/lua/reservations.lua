-- Reservations that are open: `id`, `n` the option's id, `at` when its charges count from, `g` the instant granted, `asked`,
-- `exp`, `since`, `due`; `ks` limits with `am` amounts and `mk` marks, `gs` gates; `tk`, `ls`, `ot` and `cx`: what counted as taken
-- just after the charge, what of that lasts until it arrives, what others had in flight then, and the corrections up to then; `d` the demand, `pi` `po` prices, `su` subject, `why` it had rested,
-- `kept` until whom it was handed to has asked for it.

-- A demand: requests, input tokens, output tokens, what the provider is told (or false), seconds of audio, and by model what
-- is expected of its answers (likely, most or false, bound or false, scale), or false.

local SHARE = 0.05
local ARRIVAL = 0.2 -- see `_meters.py`

local function cost(pi, po, read, written) return (pi * read + po * written) / 1e6 end

local function told_or(d, otherwise)
  return d[4] and d[4] ~= 0 and d[4] or otherwise
end

-- How much of a limit was used: `Demand.amount` in `_ledger.py`.
local function amount_of(code, d, pi, po)
  if code == 1 then return d[1] end
  if code == 2 then return d[2] + d[3] end
  if code == 3 then return d[2] + told_or(d, d[3]) end
  if code == 4 then return d[2] end
  if code == 5 then return d[3] end
  if code == 6 then return told_or(d, d[3]) end
  if code == 7 then return d[5] end
  return pi and cost(pi, po, d[2], d[3]) or 0
end

local function money(value, pi, po, read, likely, most, bound)
  if not pi then return 0, 0 end
  local take = cost(pi, po, read, likely)
  if bound then
    local dearest = cost(pi, po, read, bound)
    if dearest <= SHARE * value or (dearest - take) * (meta.open + 1) <= SHARE * value then return dearest, dearest end
  end
  if not most then
    local floor = math.max(take, SHARE * value)
    return floor, floor
  end
  return take, math.max(take, cost(pi, po, read, bound and math.min(most, bound) or most))
end

-- What to take of a limit, and what has to fit: `Demand.charge` in `_ledger.py`, which this follows line by line.
local function charge_of(r, d, option)
  local code = r.c
  if code == 1 then return d[1], d[1] end
  local expected = d[6] and d[6][option.mo]
  local read, likely, most, bound = d[2], d[3], false, d[4]
  if expected then
    likely, most, bound = expected[1], expected[2], expected[3]
    read = math.ceil(d[2] * expected[4])
  end
  if code == 4 then return read, read end
  if code == 7 then return d[5], d[5] end
  if code == 8 then return money(r.v, option.pi, option.po, read, likely, most, bound) end
  if code == 5 or code == 6 then read = 0 end
  if code == 3 or code == 6 then
    local asked = read + told_or(d, likely)
    return asked, asked
  end
  if bound and (bound - likely) * (meta.open + 1) <= SHARE * r.v then return read + bound, read + bound end
  if not most or most <= likely then return read + likely, read + likely end
  return read + likely, read + ((not bound or most < bound) and most or math.max(bound, likely))
end

local opened = {}

local function reservation(id)
  if opened[id] == nil then
    local raw = redis.call('HGET', OPEN, id)
    opened[id] = raw and cmsgpack.unpack(raw) or false
  end
  return opened[id]
end

local function keep(rec)
  later('HSET', OPEN, rec.id, cmsgpack.pack(rec))
end

-- Its charges are in flight, or (not `due`) to come.
local function fly(rec, at, due)
  rec.due = due
  rec.tk, rec.ls, rec.ot, rec.cx = nil, nil, nil, nil
  local watched = false
  for i, key in ipairs(rec.ks) do
    local r = limit(key)
    if r then
      if due then r.f = r.f + rec.am[i] else r.co = r.co + rec.am[i] end
      watched = watched or r.w
    end
  end
  if not due or not watched then return end
  rec.tk, rec.ls, rec.ot, rec.cx = {}, {}, {}, {}
  for i, key in ipairs(rec.ks) do
    local r = limit(key)
    rec.tk[i] = r and Windows[r.k].used(r, at) - r.co or 0
    rec.ls[i] = r and math.max(0, Windows[r.k].lasting(r, at, at + ARRIVAL) - r.co) or 0
    rec.ot[i] = r and math.max(0, r.f - rec.am[i]) or 0
    rec.cx[i] = r and r.x or 0
  end
end

local function land(rec)
  for i, key in ipairs(rec.ks) do
    local r = limit(key)
    if r then
      if rec.due then r.f = math.max(0, r.f - rec.am[i]) else r.co = math.max(0, r.co - rec.am[i]) end
      touch(key)
    end
  end
end

-- Charge every limit of an option from `at` on.
local function charge(rec, at)
  rec.mk = {}
  for i, key in ipairs(rec.ks) do
    local r = limit(key)
    rec.mk[i] = Windows[r.k].charge(r, now, at, rec.am[i])
    touch(key)
  end
  fly(rec, now, at <= now + settings.soon)
  for _, key in ipairs(rec.gs) do
    local r = limit(key)
    r.h = r.h + rec.d[1]
    touch(key)
  end
end

-- Let the charges count from `at`.
local function move(rec, at)
  for i, key in ipairs(rec.ks) do
    local r = limit(key)
    if r then rec.mk[i] = Windows[r.k].move(r, at, rec.at, rec.am[i], rec.mk[i]) end
  end
  rec.at = at
  land(rec)
  if not rec.due then later('ZREM', COMING, rec.id) end
  fly(rec, at, true)
end

-- It was sent at `at`: a dispatch within the guard moves nothing.
local function sent(rec, at)
  if at > rec.at + settings.slip then
    move(rec, at)
    return true
  end
  if rec.due or rec.at > at then return false end
  later('ZREM', COMING, rec.id)
  land(rec)
  fly(rec, at, true)
  return true
end

local function holds(rec)
  for i, key in ipairs(rec.ks) do
    local r = limit(key)
    if r and rec.am[i] ~= 0 and not Windows[r.k].holds(r, now) then return false end
  end
  return true
end

-- An option's past: grants so far, smoothed seconds a call (or false), and until it has answered the grants that are open.
local pasts = {}

local function past(id)
  if not pasts[id] then
    local raw = redis.call('HGET', STATE, 't:' .. id)
    pasts[id] = raw and cmsgpack.unpack(raw) or {0, false}
  end
  return pasts[id]
end

local function keep_past(id) put('t:' .. id, cmsgpack.pack(pasts[id])) end

-- Its smoothed seconds a call; before the first answer, whether it is on trial: asked, and not heard yet.
local function pace(stats)
  if stats[2] then return stats[2] end
  return (stats[3] or 0) > 0
end

-- A reservation is over, with what was used or (nil) with what was charged.
local function close(rec, actual)
  for i, key in ipairs(rec.ks) do
    local r = limit(key)
    if r and actual and actual[i] ~= rec.am[i] then
      Windows[r.k].change(r, now, rec.at, rec.am[i], rec.mk[i], actual[i])
    end
  end
  land(rec)
  for _, key in ipairs(rec.gs) do
    local r = limit(key)
    if r then
      r.h = math.max(0, r.h - rec.d[1])
      r.hold = r.hold + 0.3 * ((now - rec.since) - r.hold)
      touch(key)
    end
  end
  opened[rec.id] = false
  meta.open = meta.open - 1
  local stats = past(rec.n)
  if not stats[2] and (stats[3] or 0) > 0 then
    stats[3] = stats[3] - 1
    keep_past(rec.n)
  end
  later('HDEL', OPEN, rec.id)
  if not rec.due then later('ZREM', COMING, rec.id) end
  later('ZREM', LEASES, 'r' .. rec.id)
end

-- The longest rest that keeps an option out at `t`, or nil.
local function resting(scopes, t)
  local longest
  for _, scope in ipairs(scopes) do
    local rest = rests[scope]
    if rest and rest.u > t and (not longest or rest.u > longest.u) then longest = rest end
  end
  return longest
end

-- Why an option had rested, for the first grant (at `at`) since; false when it had not, or that was told.
local function wake(scopes, at)
  local reason = false
  for _, scope in ipairs(scopes) do
    local rest = rests[scope]
    if rest and rest.u <= at then
      if not rest.t then
        reason, rest.t = reason or rest.r, true
        rests_changed = true
      end
      if rest.u <= now then
        rests[scope] = nil
        rests_changed = true
      end
    end
  end
  return reason
end
