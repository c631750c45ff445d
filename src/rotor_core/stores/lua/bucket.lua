-- A bucket that refills continuously: see `_state/bucket.py`, which says why and which this follows line by line.
-- A limit's record: `v` value, `s` seconds, `g` guard, `tat`, `cum`; grants to come as `ats` and `ams`, in order.

local ROUNDING = 1e-6

local Bucket = {}

function Bucket.new(r, now, settings)
  r.g = settings.delay
  r.tat, r.cum = now - r.g, 0
end

local function pour(r, now)
  local ats, ams = r.ats, r.ams
  if not ats or #ats == 0 or ats[1] > now then return end
  local due, pace = bisect_right(ats, now), r.s / r.v
  for i = 1, due do
    r.tat = math.max(ats[i], r.tat) + ams[i] * pace
    r.cum = r.cum + ams[i]
  end
  drop_first(ats, due)
  drop_first(ams, due)
end

-- For each grant to come: the largest `tat` before it with which it and all after it keep their instants.
local function latest_tat(r)
  local latest, bound, pace = {}, inf, r.s / r.v
  for k = #r.ats, 1, -1 do
    local at, amount = r.ats[k], r.ams[k]
    local take = amount * pace
    if at + take > bound + ROUNDING then
      bound = -inf
    else
      bound = math.min(at + (r.v - amount) * pace - r.g, bound - take)
    end
    latest[k] = bound
  end
  return latest
end

local function between(r, t, amount)
  local latest, pace = latest_tat(r), r.s / r.v
  local need, take, tat = (amount - r.v) * pace + r.g, amount * pace, r.tat
  for k = 1, #r.ats do
    local at = r.ats[k]
    if at > t then
      local e = math.max(t, tat + need)
      if e < at and math.max(tat, e) + take <= latest[k] + ROUNDING then return e end
      t = at
    end
    tat = math.max(tat, at) + r.ams[k] * pace
  end
  return math.max(t, tat + need)
end

function Bucket.earliest(r, now, t, amount)
  if amount > r.v then return inf end
  if r.ats and #r.ats > 0 then
    pour(r, now)
    if #r.ats > 0 then return between(r, t, amount) end
  end
  local e = r.tat + (amount - r.v) * (r.s / r.v) + r.g
  if e > t then return e end
  return t
end

function Bucket.charge(r, now, at, amount)
  pour(r, now)
  if at > now then
    r.ats, r.ams = r.ats or {}, r.ams or {}
    local i = bisect_right(r.ats, at)
    while i > 0 and r.ats[i] == at and r.ams[i] > amount do i = i - 1 end
    local before = 0
    for k = 1, i do before = before + r.ams[k] end
    local mark = r.cum + before + amount
    table.insert(r.ats, i + 1, at)
    table.insert(r.ams, i + 1, amount)
    return mark
  end
  r.tat = math.max(at, r.tat) + amount * (r.s / r.v)
  r.cum = r.cum + amount
  return r.cum
end

-- Change a grant still to come; nothing used means that it never was.
local function replace(r, at, amount, actual)
  local ats, ams = r.ats or {}, r.ams or {}
  local i = bisect_left(ats, at) + 1
  while ats[i] == at and ams[i] ~= amount do i = i + 1 end
  if ats[i] ~= at then return end
  if actual ~= 0 then
    ams[i] = actual
  else
    table.remove(ats, i)
    table.remove(ams, i)
  end
  r.cum = r.cum + math.max(0, amount - actual)
end

function Bucket.change(r, now, at, amount, mark, actual)
  pour(r, now)
  local pace = r.s / r.v
  if at > now then
    replace(r, at, amount, actual)
  elseif actual > amount then
    r.tat = r.tat + (actual - amount) * pace
    r.cum = r.cum + (actual - amount)
  elseif r.tat > now then
    local since = (r.cum - mark) * pace
    r.tat = math.max(r.tat - (amount - actual) * pace, now + math.min(r.tat - now, since))
  end
end

function Bucket.move(r, now, at, amount, mark)
  pour(r, now)
  if amount == 0 then return mark end
  local since = (r.cum - mark + amount) * (r.s / r.v)
  r.tat = math.max(r.tat, math.min(r.tat + now - at, now + since))
  r.cum = r.cum + amount
  return r.cum
end

function Bucket.holds(r, now)
  pour(r, now)
  return r.tat - now <= r.s + ROUNDING
end

function Bucket.resize(r, now, value)
  pour(r, now)
  local taken = math.max(0, r.tat - now) / (r.s / r.v)
  r.v = value
  r.tat = math.min(r.tat, now) + taken * (r.s / value)
end

function Bucket.block(r, now, amount, till)
  pour(r, now)
  local pace = r.s / r.v
  if not till then till = now + pace end
  local full = math.max(0, r.v - math.min(amount, r.v)) * pace
  r.tat = math.max(r.tat, math.min(till - r.g + full, now + 2 * r.s))
end

function Bucket.lasting(r, now, till)
  pour(r, now)
  local coming = 0
  for _, amount in ipairs(r.ams or {}) do coming = coming + amount end
  return math.max(0, r.tat - till) / (r.s / r.v) + coming
end

function Bucket.used(r, now) return Bucket.lasting(r, now, now) end

function Bucket.resets_at(r, now)
  pour(r, now)
  local tat, pace = r.tat, r.s / r.v
  for i, at in ipairs(r.ats or {}) do tat = math.max(tat, at) + r.ams[i] * pace end
  return tat > now and tat or false
end
