-- Who waits for a slot: a higher priority first, first come first served. A slot that is freed is made the reservation of
-- the first who can use it, and that one's client is told. A ticket: the want, and `id`, `plan`, `client`, `number`,
-- `priority`, `place`, `passed` (how often it was overtaken), `check` (when its asker asks uncalled),
-- `heard` (when it asked last).

local HANDED = 5
local CONNECTS = 2
local OVERTAKEN = 2
local FOREMOST = 2 ^ 52
local MISSES = 8
local CHECK = 30

local tickets = {}
local waiting = {}

local function ticket_of(id)
  if tickets[id] == nil then
    local raw = redis.call('HGET', TICKETS, id)
    tickets[id] = raw and cmsgpack.unpack(raw) or false
  end
  return tickets[id]
end

-- The latest instant that may be called now for those who ask until `deadline`.
local function by_when(deadline)
  local by = now + settings.soon
  if deadline and deadline < by then return deadline end
  return by
end

local function waiting_for(plan)
  if meta.waiting == 0 then return 0 end
  if not waiting[plan] then waiting[plan] = tonumber(redis.call('HGET', STATE, 'w:' .. plan) or 0) end
  return waiting[plan]
end

local function count_waiting(plan, more)
  local count = waiting_for(plan) + more
  waiting[plan] = count
  meta.waiting = meta.waiting + more
  if count > 0 then
    put('w:' .. plan, count)
  else
    take_out('w:' .. plan)
    take_out('p:' .. plan)
  end
end

local function leave(ticket)
  tickets[ticket.id] = false
  count_waiting(ticket.plan, -1)
  later('HDEL', TICKETS, ticket.id)
  later('ZREM', QUEUE, ticket.id)
end

local function stored(ticket)
  local copy = {}
  for name, value in pairs(ticket) do copy[name] = value end
  copy.tiers, copy.passed, copy.by, copy.waiting = {}, nil, nil, nil
  for i, tier in ipairs(ticket.tiers) do copy.tiers[i] = {order = tier.order, wait = tier.wait} end
  return cmsgpack.pack(copy)
end

local function keep_ticket(ticket)
  later('HSET', TICKETS, ticket.id, stored(ticket))
  later('ZADD', QUEUE, ticket.place, ticket.id)
end

local function enter(want)
  meta.number = meta.number + 1
  want.number = meta.number
  want.place = want.number - want.priority * 2 ^ 32
  -- What the plan draws on: all of it, though this asker may have ruled some options out.
  local known = waiting_for(want.plan) > 0 and redis.call('HGET', STATE, 'p:' .. want.plan)
  local keys, seen = known and cmsgpack.unpack(known) or {}, {}
  local before = #keys
  for _, key in ipairs(keys) do seen[key] = true end
  for _, tier in ipairs(want.tiers) do
    tier.seen = tier.seen or {}
    while option_at(tier, #tier.seen + 1) do end
    for _, option in ipairs(tier.seen) do
      for _, list in ipairs({option.all, option.gs}) do
        for _, key in ipairs(list) do
          if not seen[key] then
            seen[key] = true
            keys[#keys + 1] = key
          end
        end
      end
    end
  end
  if #keys > before then put('p:' .. want.plan, cmsgpack.pack(keys)) end
  tickets[want.id] = want
  count_waiting(want.plan, 1)
end

-- Make the reservation; `kept`: it is handed over, and is its asker's only once that one has asked for it.
local function take(want, option, at, kept)
  local rec = {
    id = want.id, n = option.id, at = at, g = at, asked = want.asked, exp = at + settings.lease, since = now,
    ks = option.all, gs = option.gs, am = {}, d = {want.d[1], want.d[2], want.d[3], want.d[4], want.d[5]}, pi = option.pi, po = option.po, su = option.su,
    pr = want.priority, till = want.give_up, moved = 0, sc = at > now and option.sc or nil, why = next(rests) and wake(option.sc, at) or nil, kept = kept,
  }
  for i, key in ipairs(option.all) do rec.am[i] = charge_of(limit(key), want.d, option) end
  charge(rec, at)
  opened[rec.id] = rec
  meta.open = meta.open + 1
  local stats = past(option.id)
  stats[1] = stats[1] + 1
  if not stats[2] then stats[3] = (stats[3] or 0) + 1 end
  keep_past(option.id)
  keep(rec)
  if not rec.due then later('ZADD', COMING, at, rec.id) end
  later('ZADD', LEASES, kept and now + HANDED or rec.exp, 'r' .. rec.id)
  return rec
end

-- The first lease that ends.
local function next_lease_end()
  local found = redis.call('ZRANGE', LEASES, 0, 15, 'WITHSCORES')
  for i = 1, #found, 2 do
    local id = string.sub(found[i], 2)
    if string.sub(found[i], 1, 1) == 'r' and opened[id] ~= false then return tonumber(found[i + 1]) end
  end
  return inf
end

-- `ticket` has had its turn: those who came before it and were to go after it have been overtaken.
local function overtaken(ticket, ids)
  for _, id in ipairs(ids) do
    local other = ticket_of(id)
    if other and other.number < ticket.number and other.place > ticket.place then
      other.over = (other.over or 0) + 1
      if other.over == OVERTAKEN then other.place = other.number - FOREMOST end
      keep_ticket(other)
    end
  end
end

local function call(ticket)
  return redis.call('PUBLISH', ticket.client, ticket.id)
end

-- Make the reservation that a ticket is for, if there is something for it now. Where a slot is free and only a window is
-- not yet, its asker may have to ask again earlier than it knows. Who cannot be told gets nothing, unless it asked so lately
-- that it may be about to listen: it is gone, or will ask by itself.
local function place(ticket, ids)
  ticket.by, ticket.waiting = by_when(ticket.deadline), waiting_for(ticket.plan)
  for _, tier in ipairs(ticket.tiers) do tier.seen, tier.outlook, tier.chunk = nil, nil, nil end
  local what, option, at = choose(ticket)
  if what == 'wait' and option < ticket.check then call(ticket) end
  if what ~= 'take' then return false end
  if call(ticket) == 0 and now > ticket.heard + CONNECTS then return false end
  leave(ticket)
  take(ticket, option, at, true)
  overtaken(ticket, ids)
  return true
end

local function any_free(gates)
  for _, key in ipairs(gates) do
    local r = limit(key)
    if r and free(r, 1) then return true end
  end
  return false
end

-- Choose again for those in the queue, in order, over their whole plans, while there is something to be had.
local function serve(keys, gates)
  if meta.waiting == 0 then return end
  local freed, concerned, misses = {}, {}, 0
  for _, key in ipairs(keys) do freed[key] = true end
  for _, key in ipairs(gates) do freed[key] = true end
  local ids = redis.call('ZRANGE', QUEUE, 0, -1)
  for _, id in ipairs(ids) do
    local ticket = ticket_of(id)
    if ticket then
      if concerned[ticket.plan] == nil then
        local raw = redis.call('HGET', STATE, 'p:' .. ticket.plan)
        concerned[ticket.plan] = false
        for _, key in ipairs(raw and cmsgpack.unpack(raw) or {}) do
          concerned[ticket.plan] = concerned[ticket.plan] or freed[key] or false
        end
      end
      if concerned[ticket.plan] then
        if ticket.give_up < now then
          if ticket.give_up + settings.lease < now then leave(ticket) end
        else
          if not place(ticket, ids) then misses = misses + 1 end
          local more
          if #gates > 0 then more = any_free(gates) else more = misses < MISSES end
          if not more then return end
        end
      end
    end
  end
end

-- Let go of what has expired. What was sent is not known of a reservation that nobody settled, so only its slots come
-- back; one that was handed over and never asked for was not sent.
local function expire()
  local due = redis.call('ZRANGEBYSCORE', LEASES, '-inf', now, 'LIMIT', 0, 100)
  for _, member in ipairs(due) do
    local id = string.sub(member, 2)
    if string.sub(member, 1, 1) == 'l' then
      drop(id)
    else
      local rec = reservation(id)
      if rec then
        local nothing
        if rec.kept then
          nothing = {}
          for i = 1, #rec.am do nothing[i] = 0 end
        end
        close(rec, nothing)
        serve(rec.ks, rec.gs)
      else
        later('ZREM', LEASES, member)
      end
    end
  end
end
