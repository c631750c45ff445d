-- Keep every option of a scope out until an instant; the longest rest wins, but for 0, which ends it. ARGV[5]: scope, until, reason.

if strange then return strange end
local ask = cmsgpack.unpack(ARGV[5])
local scope, till, reason = ask[1], ask[2], ask[3]
local known = rests[scope]
if till > now and (not known or till > known.u) then
  rests[scope] = {u = till, r = reason, t = false}
  rests_changed = true
end
if till == 0 and known then
  rests[scope] = nil
  rests_changed = true
end
for name, rest in pairs(rests) do
  if rest.u < now - 86400 then rests[name] = nil end
end
finish()
return reply('done')
