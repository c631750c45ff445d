-- It is sent, or about to be. ARGV[5]: the id; ARGV[6]: '' where somebody woke and asks, else the instant at which it went out.
-- 'at', the instant from which it may (or false where it no longer holds, or the option rests meanwhile)

if strange then return strange end
expire()
local rec = reservation(ARGV[5])
local answer = false
if rec and ARGV[6] ~= '' then
  if sent(rec, math.min(now, tonumber(ARGV[6]))) then keep(rec) end
elseif rec then
  if rec.at > now then
    answer = rec.at
  else
    if sent(rec, now) then keep(rec) end
    if holds(rec) and not (rec.sc and resting(rec.sc, now)) then answer = rec.at end
  end
end
finish()
return reply('at', answer)
