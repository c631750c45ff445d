-- Not more than `v` in each period of the calendar: see `_state/calendar.py`, which this follows line by line.
-- A limit's record: `v` value, `z` zone; periods that matter still, in order, as `ps` starts, `pe` ends, `pu` used.
--
-- A zone says where periods begin: `b`, boundaries that a client has computed, or `len` with `from` and `off`, the
-- zone's offsets and since when they hold. Beyond the boundaries known, periods are taken to be `len` long: a reservation
-- is never made there (`covered`), only the instant in a refusal may be off.

local zones = {}
local uncovered = {}

local function zone_of(name, now)
  local zone = zones[name]
  if not zone then
    local raw = redis.call('HGET', STATE, 'z:' .. name)
    zone = raw and cmsgpack.unpack(raw) or {len = 86400, from = {-1e18}, off = {0}, first = inf, last = -inf}
    if now < zone.first or now >= zone.last then uncovered[name] = true end
    zones[name] = zone
  end
  return zone
end

local function multiple(length, t, offset)
  local k = math.floor((t + offset) / length)
  if (k + 1) * length - offset <= t then
    k = k + 1
  elseif k * length - offset > t then
    k = k - 1
  end
  return k * length - offset, (k + 1) * length - offset
end

local function span_of(zone, t)
  local b = zone.b
  if not b then
    local i = math.max(1, bisect_right(zone.from, math.floor(t)))
    return multiple(zone.len, t, zone.off[i])
  end
  local n = bisect_right(b, t)
  if n == 0 then return multiple(zone.len, t, -b[1]) end
  if n == #b then return multiple(zone.len, t, -b[n]) end
  return b[n], b[n + 1]
end

local Calendar = {}

function Calendar.new(r)
  r.ps, r.pe, r.pu = {}, {}, {}
end

local function forget_periods(r, now)
  local gone = 0
  while r.pe[gone + 1] and r.pe[gone + 1] + settings.edge <= now do gone = gone + 1 end
  if gone > 0 then
    drop_first(r.ps, gone)
    drop_first(r.pe, gone)
    drop_first(r.pu, gone)
  end
end

-- The position of the period that holds `t`, which is entered if need be.
local function period(r, now, t)
  for i = 1, #r.ps do
    if r.ps[i] <= t and t < r.pe[i] then return i end
  end
  local start, stop = span_of(zone_of(r.z, now), t)
  local i = bisect_right(r.ps, start) + 1
  table.insert(r.ps, i, start)
  table.insert(r.pe, i, stop)
  table.insert(r.pu, i, 0)
  return i
end

-- The first and last position of the periods that a charge at `t` may be counted in.
local function touched(r, now, t)
  local edge = settings.edge
  local low = period(r, now, t)
  local high = low
  while t < r.ps[low] + edge do
    local before = #r.ps
    low = period(r, now, r.ps[low] - 1e-6)
    high = high + #r.ps - before
  end
  while t >= r.pe[high] - edge do high = period(r, now, r.pe[high]) end
  return low, high
end

function Calendar.earliest(r, now, t, amount)
  local cap, edge = r.v * (1 + SLACK), settings.edge
  if amount > cap then return inf end
  local room = cap - amount
  forget_periods(r, now)
  while true do
    local low, high = touched(r, now, t)
    local turn = r.ps[high] + edge
    if t < turn and turn <= t + settings.soon then
      t = turn
    else
      local full
      for i = low, high do
        if r.pu[i] > room then full = i end
      end
      if not full then return t end
      t = r.pe[full] + edge
    end
  end
end

function Calendar.charge(r, now, at, amount)
  forget_periods(r, now)
  local low, high = touched(r, now, at)
  for i = low, high do r.pu[i] = r.pu[i] + amount end
  return 0
end

function Calendar.change(r, now, at, amount, _, actual)
  forget_periods(r, now)
  local low, high = touched(r, now, at)
  for i = low, high do r.pu[i] = math.max(0, r.pu[i] + actual - amount) end
end

function Calendar.move(r, now, at, amount, mark)
  Calendar.change(r, now, at, amount, mark, 0)
  return Calendar.charge(r, now, now, amount)
end

function Calendar.holds(r, now)
  return r.pu[period(r, now, now)] <= r.v * (1 + SLACK)
end

function Calendar.resize(r, now, value)
  forget_periods(r, now)
  r.v = value
end

function Calendar.block(r, now, amount, till)
  forget_periods(r, now)
  local t = now
  while true do
    local i = period(r, now, t)
    r.pu[i] = math.max(r.pu[i], r.v - math.min(amount, r.v) + math.min(amount, 1))
    t = r.pe[i]
    if not till or t + settings.edge >= till then return end
  end
end

function Calendar.used(r, now)
  return r.pu[period(r, now, now)]
end

function Calendar.lasting(r, now, till)
  local i = period(r, now, now)
  return till < r.pe[i] and r.pu[i] or 0
end

function Calendar.resets_at(r, now)
  return r.pe[period(r, now, now)]
end

local Windows = {b = Bucket, r = Rolling, c = Calendar}
