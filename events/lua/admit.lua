#!lua
-- Decide on all events of one request at once: seen before, within the limits, room in the stream; publish.
-- One call, so there is no moment between a check and its write.
-- KEYS  1          the channel's stream
--       2          the tenant's events this month, a counter
--       3          the tenant's rate, a theoretical arrival time in us (GCRA)
--       4          the API key's rate, the same
--       5 .. n+4   one key per event: the hash of its body while its identity is remembered
-- ARGV  1          the longest the stream may get
--       2          seconds an identity is remembered
--       3          the month's hard limit, or -1
--       4          seconds the month's counter is kept
--       5, 6       the tenant's us per event and burst in events; 0 us for no limit
--       7, 8       the API key's, the same
--       then per event: the hash of its body, the event
-- Gives per event 'stored', 'duplicate' (same body), 'conflict' (other body), 'quota', 'rate' or 'full'; then
-- the month's count, and of the scarcer rate: events left, us until all are left again, us until one more fits.
local window, hard = ARGV[2], tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local room = tonumber(ARGV[1]) - redis.call('XLEN', KEYS[1])
local used = tonumber(redis.call('GET', KEYS[2]) or '0')

local rates = {}
for at = 5, 7, 2 do
  local interval = tonumber(ARGV[at])
  if interval > 0 then
    local key = KEYS[at == 5 and 3 or 4]
    local arrival = math.max(now, tonumber(redis.call('GET', key) or '0'))
    table.insert(rates, {key = key, interval = interval, span = interval * ARGV[at + 1], arrival = arrival})
  end
end

local function within_rates()
  for _, rate in ipairs(rates) do
    if rate.arrival + rate.interval - now > rate.span then return false end
  end
  return true
end

local answers, stored = {}, 0
for i = 1, #KEYS - 4 do
  local hash, event = ARGV[i * 2 + 7], ARGV[i * 2 + 8]
  local seen = redis.call('GET', KEYS[i + 4])
  if seen then
    answers[i] = seen == hash and 'duplicate' or 'conflict'
  elseif hard >= 0 and used + stored >= hard then
    answers[i] = 'quota'
  elseif not within_rates() then
    answers[i] = 'rate'
  elseif stored >= room then
    answers[i] = 'full'
  else
    redis.call('XADD', KEYS[1], '*', 'event', event)
    redis.call('SET', KEYS[i + 4], hash, 'EX', window)
    for _, rate in ipairs(rates) do rate.arrival = rate.arrival + rate.interval end
    stored = stored + 1
    answers[i] = 'stored'
  end
end

if stored > 0 then
  used = redis.call('INCRBY', KEYS[2], stored)
  redis.call('EXPIRE', KEYS[2], ARGV[4])
  for _, rate in ipairs(rates) do
    local text = string.format('%.0f', rate.arrival)
    redis.call('SET', rate.key, text, 'PX', math.ceil((rate.arrival - now) / 1000) + 1000)
  end
end

local left, full_us, next_us = -1, 0, 0
for _, rate in ipairs(rates) do
  local ahead = rate.arrival - now
  local fits = math.floor((rate.span - ahead) / rate.interval)
  if left < 0 or fits < left then left = fits end
  full_us = math.max(full_us, ahead)
  next_us = math.max(next_us, ahead + rate.interval - rate.span)
end
table.insert(answers, used)
table.insert(answers, left)
table.insert(answers, math.ceil(full_us))
table.insert(answers, math.ceil(next_us))
return answers
