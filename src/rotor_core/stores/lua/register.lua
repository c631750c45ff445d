-- Make options, limits and calendars known. ARGV[5]: an epoch for a ledger that is new; zones as {name, packed zone};
-- limits as {key, numbers, words}; options as packed records without their limits' learned company; what was used of
-- limits when last seen, as {key, amount}, for a ledger that has lost it; reservations that were open then; what had been
-- learned, as {subject, a limit to hold}.
-- 'registered', numbers of the options, keys of limits that were declared otherwise

if newer then return strange end
local ask = cmsgpack.unpack(ARGV[5])
local fresh = not meta
if fresh then
  meta = {layout = LAYOUT, epoch = ask[1], at = now, options = 0, number = 0, waiting = 0, learned = 0, version = 0, open = 0}
end

for _, zone in ipairs(ask[2]) do put('z:' .. zone[1], zone[2]) end
for _, zone in ipairs(ask[2]) do zones[zone[1]] = cmsgpack.unpack(zone[2]) end

local differing = {}
for _, told in ipairs(ask[3]) do
  local key, numbers, words = told[1], told[2], told[3]
  local r = limit(key)
  if not r then
    make(key, numbers, now)
  elseif r.su then
    if r.dv and r.dv ~= numbers.v then differing[#differing + 1] = key end
    r.dv, r.dc = numbers.v, numbers.c
    touch(key)
  else
    if r.v ~= numbers.v then differing[#differing + 1] = key end
    change_to(key, r, numbers)
  end
  put('d:' .. key, words)
end

local names = {}
for i, option in ipairs(ask[4]) do
  -- Equal options have one number, whoever registers them.
  local known = redis.call('HGET', STATE, 'n:' .. option[1])
  if not known then
    meta.options = meta.options + 1
    known = meta.options
    put('n:' .. option[1], known)
    put('o:' .. known, option[2])
  end
  names[i] = tonumber(known)
end

-- What the client last saw used, where this ledger knows of less.
for _, seen in ipairs(ask[5]) do
  local r = limit(seen[1])
  if r and r.k ~= 'g' then
    local missing = seen[2] - Windows[r.k].used(r, now)
    if missing > 0 then
      Windows[r.k].charge(r, now, now, missing)
      touch(seen[1])
    end
  end
end
for _, told in ipairs(ask[7]) do hold(told[1], told[2]) end
for _, rec in ipairs(ask[6]) do
  if not reservation(rec.id) then
    rec.mk = {}
    for i, key in ipairs(rec.ks) do
      local r = limit(key)
      rec.mk[i] = r and r.cum or 0
      if r then
        r.f = r.f + rec.am[i]
        touch(key)
      end
    end
    for _, key in ipairs(rec.gs) do
      local r = limit(key)
      if r then
        r.h = r.h + rec.d[1]
        touch(key)
      end
    end
    opened[rec.id] = rec
    meta.open = meta.open + 1
    keep(rec)
    later('ZADD', LEASES, rec.exp, 'r' .. rec.id)
  end
end
finish()
return reply('registered', names, differing)
