-- How options stand. ARGV[5]: options by number, and the smallest demand.
-- 'read', for each: when that would fit (or false), why it rests and until when (or false), a line

if strange then return strange end
expire()
local ask = cmsgpack.unpack(ARGV[5])
local want = {d = ask[2], by = now, waiting = 0, plain = true}
local tier = {order = ask[1], seen = {}}
local readings = {}
local i = 1
while true do
  local option = option_at(tier, i)
  if option == false then return cmsgpack.pack({'unknown', now, meta.epoch, false}) end
  if not option then break end
  local rest = resting(option.sc, now)
  local at = instant(option, want)
  for _, key in ipairs(option.gs) do
    local r = limit(key)
    if not free(r, 1) then at = math.max(at, now + estimate(r, 1)) end
  end
  readings[i] = {at < inf and at or false, rest and rest.r or false, rest and rest.u or false, line_of(option)}
  i = i + 1
end
-- A look at a replica, which takes no writes, is a look.
if #after > 0 then finish() end
return reply('read', readings)
