-- How limits stand, for the client's own view of the ledger. A line: the option's number, its grants so far, its smoothed
-- seconds a call (where it has never answered: whether it is on trial); then for each limit its place among the option's own
-- (a learned one: its key), and what `mark` says of it.

-- taken, value, in flight or held, when all is free again (or false)
local function mark(r)
  if r.k == 'g' then return r.h, r.v, r.h, false end
  return Windows[r.k].used(r, now), r.v, r.f + r.co, Windows[r.k].resets_at(r, now)
end

local function add_mark(line, name, key)
  local r = limit(key)
  if not r then return end
  local used, value, held, resets = mark(r)
  for _, part in ipairs({name, used, value, held, resets}) do line[#line + 1] = part end
end

-- All limits of an option.
local function line_of(option)
  local stats = past(option.id)
  local line = {option.n, stats[1], pace(stats)}
  for i, key in ipairs(option.all) do add_mark(line, option.ls[i] and i or key, key) end
  for i, key in ipairs(option.gs) do add_mark(line, -i, key) end
  return line
end

-- What held back those that were looked at in vain: a few of them, that the client may order better next time.
local function passed_lines(passed)
  local lines = {}
  for i = 1, math.min(#passed, 8) do
    local option, held_by = passed[i][1], passed[i][2]
    local line = {option.n, false, false}
    if held_by > 0 then
      add_mark(line, option.ls[held_by] and held_by or option.all[held_by], option.all[held_by])
    else
      for g, key in ipairs(option.gs) do add_mark(line, -g, key) end
    end
    if #line > 3 then lines[#lines + 1] = line end
  end
  return lines
end
