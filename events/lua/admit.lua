#!lua
-- Decide on all events of one request at once: seen before, within the limits, room in the stream; publish.
-- One call, so there is no moment between a check and its write.
-- KEYS  1          the stream of the channel's fast lane
--       2          the stream of its slow lane, for what a tenant sends above its fair rate
--       3          the tenant's events this month, a counter
--       4          the tenant's rate, a theoretical arrival time in us (GCRA)
--       5          the API key's rate, the same
--       6          the tenant's fair rate, the same
--       7 .. n+6   one key per event: the hash of its content while its identity is remembered
-- ARGV  1          the longest each stream may get
--       2          seconds an identity is remembered
--       3          the month's hard limit, or -1
--       4          seconds the month's counter is kept
--       5, 6       the tenant's us per event and burst in events; 0 us for no limit
--       7, 8       the API key's, the same
--       9, 10      the fair rate's, the same
--       then per event: the hash of its content, the event
-- Gives per event 'stored', 'duplicate' (same content), 'conflict' (other content), 'quota', 'rate' or 'full'; then
-- the month's count, and of the scarcer rate: events left, us until all are left again, us until one more fits.
local limit, window, hard = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local used = tonumber(redis.call('GET', KEYS[3]) or '0')

local function rate_of(key, interval, burst)
  interval = tonumber(interval)
  if interval == 0 then return nil end
  local arrival = math.max(now, tonumber(redis.call('GET', key) or '0'))
  return {key = key, interval = interval, span = interval * burst, arrival = arrival}
end

local function fits(rate) return rate.arrival + rate.interval - now <= rate.span end

local function keep(rate)
  local ms = math.ceil((rate.arrival - now) / 1000) + 1000
  redis.call('SET', rate.key, string.format('%.0f', rate.arrival), 'PX', ms)
end

local rates = {}
for at = 4, 5 do
  table.insert(rates, rate_of(KEYS[at], ARGV[at * 2 - 3], ARGV[at * 2 - 2]))
end
local fair = rate_of(KEYS[6], ARGV[9], ARGV[10])

local function within_rates()
  for _, rate in ipairs(rates) do
    if not fits(rate) then return false end
  end
  return true
end

local room = {}
local function has_room(stream)
  room[stream] = room[stream] or limit - redis.call('XLEN', stream)
  return room[stream] > 0
end

local answers, stored = {}, 0
for i = 1, #KEYS - 6 do
  local hash, event = ARGV[i * 2 + 9], ARGV[i * 2 + 10]
  local seen = redis.call('GET', KEYS[i + 6])
  local stream = (fair and not fits(fair)) and KEYS[2] or KEYS[1]
  if seen then
    answers[i] = seen == hash and 'duplicate' or 'conflict'
  elseif hard >= 0 and used + stored >= hard then
    answers[i] = 'quota'
  elseif not within_rates() then
    answers[i] = 'rate'
  elseif not has_room(stream) then
    answers[i] = 'full'
  else
    redis.call('XADD', stream, '*', 'event', event)
    redis.call('SET', KEYS[i + 6], hash, 'EX', window)
    for _, rate in ipairs(rates) do rate.arrival = rate.arrival + rate.interval end
    if stream == KEYS[1] and fair then fair.arrival = fair.arrival + fair.interval end
    room[stream] = room[stream] - 1
    stored = stored + 1
    answers[i] = 'stored'
  end
end

if stored > 0 then
  used = redis.call('INCRBY', KEYS[3], stored)
  redis.call('EXPIRE', KEYS[3], ARGV[4])
  for _, rate in ipairs(rates) do keep(rate) end
  if fair then keep(fair) end
end

local left, full_us, next_us = -1, 0, 0
for _, rate in ipairs(rates) do
  local ahead = rate.arrival - now
  local more = math.floor((rate.span - ahead) / rate.interval)
  if left < 0 or more < left then left = more end
  full_us = math.max(full_us, ahead)
  next_us = math.max(next_us, ahead + rate.interval - rate.span)
end
table.insert(answers, used)
table.insert(answers, left)
table.insert(answers, math.ceil(full_us))
table.insert(answers, math.ceil(next_us))
return answers
