-- A grant that is not due yet may be exchanged for a more urgent caller's, at most twice: see `stores/_exchange.py`.
-- The urgent caller takes the earlier instant on the same option, and the other one the earliest that is left there after
-- it, if that still suits whoever waits for it. Whoever was moved finds out on waking. None that holds a slot is moved.

local MOST = 2

local function option_of(want, rec)
  for _, tier in ipairs(want.tiers) do
    tier.seen = tier.seen or {}
    local i = 1
    while true do
      local option = option_at(tier, i)
      if not option then break end
      if option.id == rec.n and table.concat(option.all, '\n') == table.concat(rec.ks, '\n') then return option end
      i = i + 1
    end
  end
end

local function lift(rec)
  for i, key in ipairs(rec.ks) do
    Windows[limit(key).k].change(limit(key), now, rec.at, rec.am[i], rec.mk[i], 0)
    touch(key)
  end
end

local function put_back(rec, at)
  for i, key in ipairs(rec.ks) do rec.mk[i] = Windows[limit(key).k].charge(limit(key), now, at, rec.am[i]) end
  rec.at = at
end

-- The smallest instant from `t` at which all that a reservation takes has room.
local function next_for(rec, t)
  while true do
    local start = t
    for i, key in ipairs(rec.ks) do
      local r = limit(key)
      if rec.am[i] ~= 0 then t = Windows[r.k].earliest(r, now, t, rec.am[i]) end
      if t == inf then return t end
    end
    if t == start then return t end
  end
end

-- A reservation for `want` at the expense of a less urgent one, if it would otherwise come later (`target`) or never.
local function exchange(want, target)
  target = math.min(target, want.give_up)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', COMING, '(' .. string.format('%.17g', want.by), '+inf')) do
    local victim = reservation(id)
    if victim and not victim.due and victim.pr < want.priority and victim.moved < MOST and #victim.gs == 0 then
      if victim.at >= target - settings.soon then return nil end
      local option = option_of(want, victim)
      if option then
        local old = victim.at
        lift(victim)
        local at = instant(option, want)
        if at < target - settings.soon or (at <= want.give_up and want.give_up < target) then
          local rec = take(want, option, at, nil)
          local new = next_for(victim, old)
          if new <= victim.till then
            put_back(victim, new)
            victim.moved = victim.moved + 1
            keep(victim)
            later('ZADD', COMING, new, victim.id)
            return rec, option
          end
          local nothing = {}
          for i = 1, #rec.am do nothing[i] = 0 end
          close(rec, nothing)
        end
        put_back(victim, old)
        keep(victim)
      end
    end
  end
end
