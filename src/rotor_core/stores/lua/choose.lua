-- Which option, and from when: see `stores/_choose.py`, which this follows. Reads, takes nothing.
-- A want: `d` demand, `by` up to when an instant counts as now, `waiting`, `tiers` of `order` (ids of four bytes, best first),
-- `wait` and, once looked at, `seen` (options as they come).

local CHUNKS = {1, 4, 16, 64}
local options = {}

-- Read the next options of a tier, and the limits that they draw on.
local function read_more(tier)
  local first = #tier.seen + 1
  tier.chunk = math.min((tier.chunk or 0) + 1, #CHUNKS)
  local last = math.min(first + CHUNKS[tier.chunk] - 1, #tier.order / 4)
  local ids, wanted = {}, {}
  for i = first, last do
    local n = struct.unpack('>I4', tier.order, 4 * i - 3)
    ids[#ids + 1] = n
    if options[n] == nil then wanted[#wanted + 1] = n end
  end
  if #wanted > 0 then
    local names = {}
    for i, n in ipairs(wanted) do names[i] = 'o:' .. n end
    for i, raw in ipairs(redis.call('HMGET', STATE, unpack(names))) do
      options[wanted[i]] = raw and cmsgpack.unpack(raw) or false
    end
  end
  local keys = {}
  for i, n in ipairs(ids) do
    local option = options[n]
    if not option then return false end
    option.n = n
    if not option.all then
      option.all = option.ls
      if meta.learned > 0 and option.su ~= '' then
        local more = subject_keys(option.su)
        if #more > 0 then
          local all, known = {}, {}
          for _, key in ipairs(option.ls) do
            all[#all + 1] = key
            known[key] = true
          end
          for _, key in ipairs(more) do
            if not known[key] then all[#all + 1] = key end
          end
          option.all = all
        end
      end
    end
    tier.seen[#tier.seen + 1] = option
    for _, key in ipairs(option.all) do keys[#keys + 1] = key end
    for _, key in ipairs(option.gs) do keys[#keys + 1] = key end
  end
  fetch(keys)
  return true
end

-- The `i`-th option of a tier; nil after the last; false if the ledger does not know it.
local function option_at(tier, i)
  while i > #tier.seen do
    if i > #tier.order / 4 then return nil end
    if not read_more(tier) then return false end
  end
  return tier.seen[i]
end

-- The first instant at which an option's windows and rests let this through, whoever holds its slots. Where that is after
-- `till`, an instant after `till` that may be too early; and the position of the limit that was in the way last.
local function instant(option, want, till)
  local d = want.d
  for _, key in ipairs(option.gs) do
    if d[1] > limit(key).v then return inf end
  end
  local t, held_by = now, nil
  local rest = resting(option.sc, now)
  if rest then t = rest.u end
  while true do
    local start = t
    for i, key in ipairs(option.all) do
      local r = limit(key)
      local _, amount = charge_of(r, d, option)
      if want.plain then amount = amount_of(r.c, d, option.pi, option.po) end
      if amount ~= 0 then
        local e = Windows[r.k].earliest(r, now, t, amount)
        if e > t then t, held_by = e, i end
        if t == inf or (till and t > till) then return t, held_by end
      end
    end
    if t == start then return t, held_by end
  end
end

local function free(r, requests) return r.h + requests <= r.v end

local function blocked(option, want)
  for _, key in ipairs(option.gs) do
    if not free(limit(key), want.d[1]) then return true end
  end
  return false
end

-- Seconds until somebody at `place` in the queue may expect a slot.
local function estimate(r, place) return r.hold * place / math.max(1, r.v) end

-- How many different limits, slots and rests hold options of this tier back: those who wait spread over them.
local function holders(tier, want)
  local held, count = {}, 0
  for _, option in ipairs(tier.seen) do
    local rest, by = resting(option.sc, math.max(now, want.by)), nil
    if rest then
      by = rest
    else
      local worst = math.max(now, want.by)
      for _, key in ipairs(option.all) do
        local r = limit(key)
        local _, amount = charge_of(r, want.d, option)
        local e = amount ~= 0 and Windows[r.k].earliest(r, now, now, amount) or 0
        if e > worst then worst, by = e, r end
      end
      for _, key in ipairs(option.gs) do
        if not by and not free(limit(key), 1) then by = limit(key) end
      end
    end
    if by and not held[by] then
      held[by] = true
      count = count + 1
    end
  end
  return math.max(1, count)
end

-- What a tier without room has to offer: `option` from `at` on; and when a slot may be had (`busy_at`) and used (`open`).
local function outlook(tier, want)
  if tier.outlook then return tier.outlook end
  local found, place = {at = inf, busy_at = inf, open = inf}, nil
  for _, option in ipairs(tier.seen) do
    local e = instant(option, want)
    if not blocked(option, want) then
      if e < found.at then found.at, found.option = e, option end
    elseif e < inf then
      place = place or 1 + (want.waiting > 0 and want.waiting / holders(tier, want) or 0)
      local wait = 0
      for _, key in ipairs(option.gs) do
        local r = limit(key)
        if not free(r, want.d[1]) then wait = math.max(wait, estimate(r, place)) end
      end
      local at = math.max(e, now + wait)
      if at < found.busy_at or (at == found.busy_at and e < found.open) then found.busy_at, found.open = at, e end
    end
  end
  tier.outlook = found
  return found
end

-- The first option of a tier with room by `want.by`; false if an option is not known here.
local function first_of(tier, want)
  tier.seen = {}
  local i = 1
  while true do
    local option = option_at(tier, i)
    if not option then return option end
    local e, held_by = instant(option, want, want.by)
    if e <= want.by then
      if not blocked(option, want) then return option, e end
      want.passed[#want.passed + 1] = {option, 0}
    else
      want.passed[#want.passed + 1] = {option, held_by or 0}
    end
    i = i + 1
  end
end

-- When something else is to be had than a slot: another option, or a later tier.
local function check_at(outlooks, want)
  local soonest = want.give_up
  local function look(t)
    if want.by < t and t < soonest then soonest = t end
  end
  for _, seen in ipairs(outlooks) do look(seen.at) end
  for _, tier in ipairs(want.tiers) do look(want.asked + tier.wait) end
  return soonest
end

-- 'take', option, instant · 'wait', when to ask again · 'refuse', when something would fit · 'unknown'
local function choose(want)
  local outlooks = {}
  want.passed = {}
  for _, tier in ipairs(want.tiers) do
    local option, at = first_of(tier, want)
    if option then return 'take', option, at end
    if option == false then return 'unknown' end
    local patience = math.min(want.asked + tier.wait, want.give_up)
    if patience > want.by then
      local seen = outlook(tier, want)
      outlooks[#outlooks + 1] = seen
      if seen.option and seen.at <= math.max(want.by, math.min(patience, seen.busy_at)) then
        return 'take', seen.option, seen.at
      end
      if seen.busy_at <= patience then return 'wait', check_at(outlooks, want) end
    end
  end
  local soonest, busy, queue = {at = inf}, inf, false
  outlooks = {}
  for i, tier in ipairs(want.tiers) do
    local seen = outlook(tier, want)
    outlooks[i] = seen
    if seen.at < soonest.at then soonest = seen end
    busy = math.min(busy, seen.busy_at)
    queue = queue or seen.open <= want.give_up
  end
  queue = queue and want.give_up > now
  if soonest.option and soonest.at <= want.give_up and not (queue and busy < soonest.at) then
    return 'take', soonest.option, soonest.at
  end
  if queue then return 'wait', check_at(outlooks, want) end
  return 'refuse', math.min(soonest.at, busy)
end
