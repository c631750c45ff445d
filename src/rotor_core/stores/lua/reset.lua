-- Forget rests and what was learned of options; with `windows`, also what was counted in their limits, but for what is open.
-- ARGV[5]: scopes, subjects, keys of limits to empty.

if strange then return strange end
expire()
local ask = cmsgpack.unpack(ARGV[5])
for _, scope in ipairs(ask[1]) do
  if rests[scope] then
    rests[scope] = nil
    rests_changed = true
  end
end
local keys = ask[3]
for _, subject in ipairs(ask[2]) do
  local learned = {}
  for i, key in ipairs(subject_keys(subject)) do learned[i] = key end
  for _, key in ipairs(learned) do drop(key) end
end
local emptied = {}
for _, key in ipairs(keys) do
  local r = limit(key)
  if r and r.k ~= 'g' then
    r.ats, r.ams, r.tot, r.tat, r.cum, r.ps, r.pe, r.pu = nil, nil, nil, nil, nil, nil, nil, nil
    Windows[r.k].new(r, now, settings)
    touch(key)
    emptied[key] = true
  end
end
if #keys > 0 then
  for _, id in ipairs(redis.call('HKEYS', OPEN)) do
    local rec = reservation(id)
    local changed = false
    for i, key in ipairs(rec and rec.ks or {}) do
      if emptied[key] then
        rec.mk[i] = Windows[limit(key).k].charge(limit(key), now, math.max(rec.at, now), rec.am[i])
        changed = true
      end
    end
    if changed then keep(rec) end
  end
end
finish()
return reply('done')
