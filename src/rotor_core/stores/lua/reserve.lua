-- The first option with room in every limit, all or none. ARGV[5]: id, demand, deadline (or false), longest wait, priority,
-- plan, client, and tiers as {wait, order}.
-- 'granted', option, at, asked, expires, why it had rested, lines · 'ticket', asked, check, give up
-- 'refused', asked, when something would fit (or false), reasons

if strange then return strange end

local ask = cmsgpack.unpack(ARGV[5])
local id = ask[1]
expire()

local function granted(rec, lines)
  finish()
  return reply('granted', rec.n, rec.g, rec.asked, rec.exp, rec.why or false, lines)
end

local known = reservation(id)
if known then
  if known.kept then
    known.kept = nil
    keep(known)
    later('ZADD', LEASES, known.exp, 'r' .. id)
  end
  return granted(known, {})
end

local ticket = ticket_of(id)
local want = ticket or {asked = now, give_up = now + ask[4]}
if not ticket and ask[3] and ask[3] < want.give_up then want.give_up = ask[3] end
want.id, want.d, want.deadline, want.priority, want.plan, want.client = id, ask[2], ask[3], ask[5], ask[6], ask[7]
want.by, want.waiting = by_when(want.deadline), waiting_for(want.plan)
want.tiers = {}
for i, tier in ipairs(ask[8]) do want.tiers[i] = {wait = tier[1], order = tier[2]} end

-- Which limit alone would hold this back longest: until when, its key, and the amount wanted of it. Or nothing.
local function tightest(option)
  local latest, found, wanted = now, nil, nil
  for _, key in ipairs(option.all) do
    local r = limit(key)
    local _, amount = charge_of(r, want.d, option)
    local at = amount ~= 0 and Windows[r.k].earliest(r, now, now, amount) or now
    if at > latest then latest, found, wanted = at, key, amount end
  end
  return found, wanted
end

local function reason(option)
  local key, amount = tightest(option)
  local at = instant(option, want)
  if at == inf then
    for _, gate in ipairs(option.gs) do
      if want.d[1] > limit(gate).v then return {option.n, 'never', false, gate, want.d[1], limit(gate).v} end
    end
    return {option.n, 'never', false, key, amount, limit(key).v}
  end
  local rest = resting(option.sc, now)
  if rest then return {option.n, 'resting', at, rest.r, rest.u} end
  for _, gate in ipairs(option.gs) do
    local r = limit(gate)
    if not free(r, want.d[1]) then
      return {option.n, 'busy', math.max(at, now + estimate(r, 1 + want.waiting)), gate, r.h, r.v}
    end
  end
  if not key then return {option.n, 'late', at} end
  local r = limit(key)
  return {option.n, 'no_room', at, key, amount, r.v, math.max(0, r.v - Windows[r.k].used(r, now))}
end

local what, option, at = choose(want)
if what == 'unknown' or next(uncovered) then
  return cmsgpack.pack({'unknown', now, meta.epoch, false})
end
if want.priority ~= 0 and not (what == 'take' and at <= want.by) then
  local rec, took = exchange(want, what == 'take' and at or inf)
  if rec then
    if ticket then leave(ticket) end
    return granted(rec, {line_of(took)})
  end
end
if what == 'take' then
  if ticket then leave(ticket) end
  local rec = take(want, option, at, nil)
  local lines = passed_lines(want.passed)
  lines[#lines + 1] = line_of(option)
  return granted(rec, lines)
elseif what == 'wait' then
  if not ticket then enter(want) end
  want.heard = now
  want.check = math.min(option, next_lease_end(), now + CHECK)
  keep_ticket(want)
  finish()
  return reply('ticket', want.asked, want.check, want.give_up)
end
if ticket then leave(ticket) end
local reasons, lines = {}, {}
for _, tier in ipairs(want.tiers) do
  for _, looked_at in ipairs(tier.seen) do
    reasons[#reasons + 1] = reason(looked_at)
    lines[#lines + 1] = line_of(looked_at)
  end
end
finish()
return reply('refused', want.asked, option < inf and option or false, reasons, lines)
