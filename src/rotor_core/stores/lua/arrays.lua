-- Lists kept in order. Positions are counted from 1; a bisection returns how many elements lie before the place.

local inf = math.huge

-- How many elements of `list` are smaller than `x`.
local function bisect_left(list, x)
  local low, high = 0, #list
  while low < high do
    local middle = math.floor((low + high) / 2)
    if list[middle + 1] < x then low = middle + 1 else high = middle end
  end
  return low
end

-- How many elements of `list` are not larger than `x`.
local function bisect_right(list, x)
  local low, high = 0, #list
  while low < high do
    local middle = math.floor((low + high) / 2)
    if x < list[middle + 1] then high = middle else low = middle + 1 end
  end
  return low
end

-- Take the first `count` elements away.
local function drop_first(list, count)
  local n = #list
  for i = 1, n do list[i] = list[i + count] end
end

-- `sums[i + 1]` is the sum of the first `i` elements.
local function sums_of(list)
  local sums, total = {0}, 0
  for i = 1, #list do
    total = total + list[i]
    sums[i + 1] = total
  end
  return sums
end
