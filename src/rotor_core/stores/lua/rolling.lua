-- Not more than `v` in any period, wherever it begins: see `_state/rolling.py`, which this follows line by line.
-- A limit's record: `v` value, `s` seconds, `g` guard; `ats` and `ams`: what was charged when, in order; `tot`: their sum.

local CELLS = 64
local SLACK = 1e-9
local DUST = 1e-12

local Rolling = {}

function Rolling.new(r, _, settings)
  r.g = settings.delay
  r.ats, r.ams, r.tot = {}, {}, 0
end

local function forget(r, now)
  local ats, span = r.ats, r.s + r.g
  if #ats == 0 or ats[1] + span > now then return end
  local gone, sum = 1, r.ams[1]
  while gone < #ats and ats[gone + 1] + span <= now do
    gone = gone + 1
    sum = sum + r.ams[gone]
  end
  r.tot = gone < #ats and r.tot - sum or 0
  drop_first(ats, gone)
  drop_first(r.ams, gone)
end

local function add(r, at, amount)
  local i = bisect_left(r.ats, at) + 1
  if r.ats[i] ~= at then
    table.insert(r.ats, i, at)
    table.insert(r.ams, i, 0)
  end
  r.ams[i] = r.ams[i] + amount
  r.tot = r.tot + amount
  if r.ams[i] <= DUST then
    r.tot = r.tot - r.ams[i]
    table.remove(r.ats, i)
    table.remove(r.ams, i)
  end
end

-- Past charges by cells of the span, each as late as the latest of its parts.
local function merge(r, now)
  local past = bisect_right(r.ats, now)
  if past <= CELLS then return end
  local width, ats, ams, last = (r.s + r.g) / CELLS, {}, {}, nil
  for k = 1, #r.ats do
    local cell = k <= past and math.floor(r.ats[k] / width) or nil
    if cell and cell == last then
      ats[#ats] = r.ats[k]
      ams[#ams] = ams[#ams] + r.ams[k]
    else
      ats[#ats + 1], ams[#ams + 1] = r.ats[k], r.ams[k]
    end
    last = cell
  end
  r.ats, r.ams = ats, ams
end

-- `earliest` with grants to come. Room is gained only when a charge ends, so only those instants are tried.
local function among_grants(r, t, amount, cap)
  local room, sums, ends, tight, span = cap - amount, sums_of(r.ams), {}, {}, r.s + r.g
  for k = 1, #r.ats do ends[k] = r.ats[k] + span end
  for k = 1, #r.ats do
    local at = r.ats[k]
    if at >= t and sums[k + 1] - sums[bisect_right(ends, at) + 1] > room then tight[#tight + 1] = at end
  end
  while true do
    local ended = bisect_right(ends, t)
    if sums[bisect_right(r.ats, t) + 1] - sums[ended + 1] > room then
      t = ends[ended + 1]
    else
      local k = bisect_left(tight, t + span)
      if k == 0 or tight[k] < t then return t end
      t = ends[bisect_right(ends, tight[k]) + 1]
    end
  end
end

function Rolling.earliest(r, now, t, amount)
  local cap = r.v * (1 + SLACK)
  if amount > cap then return inf end
  forget(r, now)
  if r.tot + amount <= cap then return t end
  local n = #r.ats
  if n > 0 and r.ats[n] > t then return among_grants(r, t, amount, cap) end
  local wanted, freed, last = r.tot + amount - cap, 0, n
  for k = 1, n do
    freed = freed + r.ams[k]
    if freed >= wanted then
      last = k
      break
    end
  end
  return math.max(t, r.ats[last] + (r.s + r.g))
end

function Rolling.charge(r, now, at, amount)
  forget(r, now)
  if amount ~= 0 then
    add(r, at, amount)
    if #r.ats > 2 * CELLS then merge(r, now) end
  end
  return 0
end

function Rolling.change(r, now, at, amount, _, actual)
  forget(r, now)
  if at + (r.s + r.g) > now and actual ~= amount then
    local i = bisect_left(r.ats, at) + 1
    -- A past charge may have been merged into a later cell; a grant to come never is.
    add(r, r.ats[i] and r.ats[i] <= now and r.ats[i] or at, actual - amount)
  end
end

function Rolling.move(r, now, at, amount, mark)
  Rolling.change(r, now, at, amount, mark, 0)
  return Rolling.charge(r, now, now, amount)
end

function Rolling.holds(r, now)
  forget(r, now)
  local sum = 0
  for k = 1, bisect_right(r.ats, now) do sum = sum + r.ams[k] end
  return sum <= r.v * (1 + SLACK)
end

function Rolling.resize(r, now, value)
  forget(r, now)
  r.v = value
end

function Rolling.block(r, now, amount, till)
  forget(r, now)
  local span = r.s + r.g
  if not till then till = now + span / 10 end
  local begun = math.min(now, till - span)
  local after = 0
  for k = bisect_right(r.ats, begun) + 1, #r.ats do after = after + r.ams[k] end
  local missing = r.v - math.min(amount, r.v) + math.min(amount, 1) - after
  if missing > 0 and begun + span > now then add(r, begun, missing) end
end

function Rolling.used(r, now)
  forget(r, now)
  return r.tot
end

function Rolling.lasting(r, now, till)
  forget(r, now)
  local sum = 0
  for k = bisect_right(r.ats, till - (r.s + r.g)) + 1, #r.ats do sum = sum + r.ams[k] end
  return sum
end

function Rolling.resets_at(r, now)
  forget(r, now)
  local n = #r.ats
  return n > 0 and r.ats[n] + (r.s + r.g) or false
end
