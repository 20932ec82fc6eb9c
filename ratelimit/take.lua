-- Decides on ARGV[1] messages under the limit of ARGV[2] messages in any window
-- of ARGV[3] microseconds, and counts them when they fit. All or nothing.
--
-- KEYS[1] is a list. Its first element, the head, is "<limit>/<window>": the
-- largest limit and the longest window (in microseconds) that it was asked for
-- since it last was empty. The others are when messages were accepted, in
-- microseconds since 1970 on this server's clock, oldest first. Messages are
-- remembered for that longest window; the key expires one second after the newest
-- has left it.
--
-- Answers {accepted, remaining, retry after, reset, stamp}, times in microseconds.

local key, asked = KEYS[1], ARGV[2] .. '/' .. ARGV[3]
local cost, limit, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local function number(n) return string.format('%.0f', n) end

-- Arguments of one call are limited, so long lists are appended in pieces.
local function append(stamps)
  for i = 1, #stamps, 1000 do
    redis.call('RPUSH', key, unpack(stamps, i, math.min(i + 999, #stamps)))
  end
end

-- Most calls get by with what is read here: the head, the oldest and the newest.
local size = redis.call('LLEN', key) -- index 0 is the head, size - 1 the newest
local exists = size > 0
local head, keepLimit, keepWindow, oldest, newest = nil, 0, 0, 0, 0
if exists then
  local front = redis.call('LRANGE', key, '0', '1')
  head, oldest = front[1], tonumber(front[2] or '0')
  newest = size > 2 and tonumber(redis.call('LINDEX', key, '-1')) or oldest
  if head == asked then
    keepLimit, keepWindow = limit, window
  else
    local l, w = string.match(head, '(%d+)/(%d+)')
    keepLimit, keepWindow = tonumber(l), tonumber(w)
  end

  -- The clock can step back: it was corrected, or another server took over. By
  -- less than a second, it soon catches up; until then messages get the stamp of
  -- the newest one. Otherwise they would be remembered for far too long, and as
  -- all we know is their order, the newest one is taken to be from now.
  local ahead = newest - now
  if ahead > 1000000 then
    local stamps = redis.call('LRANGE', key, '1', '-1')
    for i, s in ipairs(stamps) do stamps[i] = number(s - ahead) end
    redis.call('LTRIM', key, '0', '0')
    append(stamps)
    oldest, newest = oldest - ahead, now
  end
else
  size = 1
end

local function stamp(i)
  if i == 1 then return oldest end
  return tonumber(redis.call('LINDEX', key, i))
end

-- The first index, at least from, whose message is later than bound. It looks near
-- from first: most often only a few messages have left since the last call.
local function after(bound, from)
  if from >= size or stamp(from) > bound then return from end
  local low, step = from, 1
  while low + step < size and stamp(low + step) <= bound do
    low, step = low + step, step * 2
  end
  local high = math.min(low + step, size)
  while high - low > 1 do
    local middle = math.floor((low + high) / 2)
    if stamp(middle) <= bound then low = middle else high = middle end
  end
  return high
end

local first = after(now - keepWindow, 1) -- the oldest one remembered
if first == size then keepLimit, keepWindow = 0, 0 end
local wider = limit > keepLimit or window > keepWindow
local from = first -- the oldest one in the window asked for
if window < keepWindow then from = after(now - window, first) end
local used = size - from
local over = used + cost - limit
local accepted = over <= 0
local take = accepted and cost > 0
if take and newest < now then newest = now end

local remaining, retry, reset = math.max(0, limit - used), 0, 0
if used > 0 then
  reset = stamp(from + math.max(0, used - limit)) + window - now
elseif take then
  reset = newest + window - now
end
if accepted then
  remaining = remaining - cost
elseif cost == 1 then
  retry = reset
else
  retry = stamp(from + over - 1) + window - now
end

-- A refused call writes nothing, unless what it asks for has to be remembered.
if take or (wider and first < size) then
  if wider then
    keepLimit, keepWindow = math.max(keepLimit, limit), math.max(keepWindow, window)
    head = number(keepLimit) .. '/' .. number(keepWindow)
  end
  if take then
    -- Too old for this window and too many for any limit asked for.
    local surplus = size - first + cost - keepLimit
    first = first + math.max(0, math.min(surplus, from - first))
  end
  if not exists then
    redis.call('RPUSH', key, head)
  elseif first > 1 then
    -- The head takes the place of the last one to be forgotten.
    redis.call('LSET', key, first - 1, head)
    redis.call('LTRIM', key, first - 1, '-1')
  elseif wider then
    redis.call('LSET', key, '0', head)
  end
  if take and cost == 1 then
    redis.call('RPUSH', key, number(newest))
  elseif take then
    local stamps, text = {}, number(newest)
    for i = 1, cost do stamps[i] = text end
    append(stamps)
  end
  redis.call('PEXPIRE', key, number(math.ceil((newest + keepWindow - now) / 1000) + 1000))
end

return {accepted and 1 or 0, remaining, retry, reset, take and newest or 0}
