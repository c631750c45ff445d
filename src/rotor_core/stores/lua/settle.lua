-- Replace what was reserved by what was used, free the slot, learn. ARGV[5]: id, used (requests, input, output, USD; each may
-- be false; or false for as reserved), latency (or false), when it was sent (or false), corrections, other changes.
-- 'settled', whether it was open, a line (or false), for each change what the limit was before

if strange then return strange end
expire()
local ask = cmsgpack.unpack(ARGV[5])
local id, used, latency, went = ask[1], ask[2], ask[3], ask[4]

-- What was used of each limit. Tokens that are counted as requested stay as asked for, once the request was counted.
local function actual_amounts(rec)
  local actual = {}
  if not used then
    for i, amount in ipairs(rec.am) do actual[i] = amount end
    return actual
  end
  local d = rec.d
  local mine = {used[1] or d[1], used[2] or d[2], used[3] or d[3], d[4], d[5]}
  for i, key in ipairs(rec.ks) do
    local r = limit(key)
    local code = r and r.c
    local kept = not r or code == 7 or (code == 1 and not used[1]) or (code == 4 and not used[2])
      or ((code == 5 or code == 6) and not used[3]) or ((code == 2 or code == 3) and not used[2] and not used[3])
    if used[1] == 0 then
      actual[i] = 0
    elseif code == 8 then
      actual[i] = used[4] or amount_of(8, mine, rec.pi, rec.po)
    elseif kept then
      actual[i] = rec.am[i]
    else
      actual[i] = amount_of(code, mine, rec.pi, rec.po)
    end
  end
  return actual
end

local rec = reservation(id)
if not rec then
  local ticket = ticket_of(id)
  if ticket then leave(ticket) end
  finish()
  return reply('settled', false, false, {})
end
fetch(rec.ks)
fetch(rec.gs)
if went then sent(rec, math.min(now, went)) end
local actual = actual_amounts(rec)
correct(rec, actual, ask[5])
if latency then
  local stats = past(rec.n)
  stats[2] = stats[2] and stats[2] + 0.3 * (latency - stats[2]) or latency
  keep_past(rec.n)
end
close(rec, actual)
local before = teach(rec.su, ask[6])
serve(rec.ks, rec.gs)
local stats, line = past(rec.n), nil
line = {rec.n, stats[1], pace(stats)}
for _, key in ipairs(rec.ks) do add_mark(line, key, key) end
for _, key in ipairs(rec.gs) do add_mark(line, key, key) end
finish()
return reply('settled', true, line, before)
