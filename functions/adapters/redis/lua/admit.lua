#!lua
-- Decide on all events of one request at once: seen before, within the limits, room in the stream; publish.
-- One call, so there is no moment between a check and its write.
-- KEYS  1          the stream of the channel's fast lane
--       2          the stream of its overflow lane, for what a tenant sends above its fair rate
--       3          the tenant's events this month, a counter
--       4          the tenant's rate, a theoretical arrival time in us (GCRA)
--       5          the API key's rate, the same
--       6          the tenant's fair rate, the same
--       7          the generations of remembered identities, a hash; functions/adapters/redis/identities.py has their form
--       8          the bytes that wait; events/lua/shared/overhead.lua has its form
--       9, 10, 11  the fair queue of the overflow lane: the queue, its events, its finish times; see shared/fair.lua
--       12 ..      per event, for each generation the bucket where its identity may be, the newest generation's first
-- ARGV  1          the longest each stream may get
--       2          seconds an identity is remembered
--       3          the month's hard limit, or -1
--       4          seconds the month's counter is kept
--       5, 6       the tenant's us per event and burst in events; 0 us for no limit
--       7, 8       the API key's, the same
--       9, 10      the fair rate's, the same
--       11         the tenant
--       12         the bytes that may wait: a tenant's as many as there is room left, so one alone takes half of it, two
--                  a third each, and there is always room for another (dynamic threshold, Choudhury and Hahne 1998)
--       13         the generations that the caller made the buckets' keys from
--       then per event: its identity's field, the beginning of its content's hash (4 bytes), the event
-- Returns the generations alone where others are in force by now: nothing was done, the caller makes keys from them.
-- Else per event 'stored', 'duplicate' (same content), 'conflict' (other content), 'quota', 'rate', 'full' (the
-- stream), 'share' (the tenant's bytes) or 'letters' (the same, and most of them are dead letters); then the month's
-- count, and of the scarcer rate: events left, us until all are left again, us until one more fits.
--include overhead
--include fair
local limit, window, hard = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local second = tonumber(clock[1])
local now = second * 1000000 + clock[2]

-- A bucket is compact up to hash-max-listpack-entries, 128, and read from its beginning: fewer are faster. With FULL on
-- average, none gets above 128 by chance; one that does costs memory and nothing else.
local FULL, PLANNED, FEWEST, GROWTH = 56, 48, 64, 8
local span = math.ceil(window / 2)
local events = (#ARGV - 13) / 3

-- The generations that are in force next: a new one, with as many buckets as the events of a span need at the rate of
-- the last one, and those that may still hold an identity within the window.
local function renewed(generations, number, buckets, began, count)
  local took = math.min(span, math.max(1, second - began))
  local needed = math.min(math.ceil(count * span / took / PLANNED), buckets * GROWTH)
  needed = math.max(FEWEST, math.ceil(events / PLANNED), needed)
  local kept, ended = {string.format('%d:%d:%d', number + 1, needed, second)}, second
  for one, start in string.gmatch(generations, '(%d+:%d+:(%d+))') do
    if ended > second - window then kept[#kept + 1] = one end
    ended = tonumber(start)
  end
  return table.concat(kept, ' ')
end

local state = redis.call('HMGET', KEYS[7], 'generations', 'count')
local generations, count = state[1] or '', tonumber(state[2] or '0')
local number, buckets, began = string.match(generations, '^(%d+):(%d+):(%d+)')
number, buckets, began = tonumber(number or '0'), tonumber(buckets or '0'), tonumber(began or '0')
if second >= began + span or count + events > buckets * FULL then
  generations = renewed(generations, number, buckets, began, count)
  redis.call('HSET', KEYS[7], 'generations', generations, 'count', 0)
end
if generations ~= ARGV[13] then return {generations} end

local per_event = (#KEYS - 11) / events
local oldest, stamp = second - window, struct.pack('>I4', second)

-- The beginning of the content's hash where the event was accepted within the window.
local function remembered(first, field)
  for at = first, first + per_event - 1 do
    local value = redis.call('HGET', KEYS[at], field)
    if value and struct.unpack('>I4', value, 5) > oldest then return string.sub(value, 1, 4) end
  end
end

-- A new bucket goes by itself when nothing in it can be within the window any more. With 24 in each on average, no
-- bucket is new any more: the chance of an empty one is one in 26 thousand million.
local young = count < buckets * 24
local function remember(bucket, field, hash)
  redis.call('HSET', bucket, field, hash .. stamp)
  if young and redis.call('HLEN', bucket) == 1 then redis.call('EXPIREAT', bucket, began + span + window) end
end

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

local room, slow = {}, nil
local function has_room(stream)
  if not room[stream] then
    room[stream] = limit - redis.call('XLEN', stream)
    if stream == KEYS[2] then
      slow = fair_lane(stream, KEYS[9], KEYS[10], KEYS[11])
      room[stream] = room[stream] - slow.queued
    end
  end
  return room[stream] > 0
end

local tenant, most = ARGV[11], tonumber(ARGV[12])
local waiting = redis.call('HMGET', KEYS[8], tenant, ':events', ':signals', ':notices', ':retries', ':dead')
local own, left = tonumber(waiting[1] or '0'), most
for at = 2, 6 do left = left - (waiting[at] or 0) end

local function over_share()
  local dead = tonumber(redis.call('HGET', KEYS[8], 'dead:' .. tenant) or '0')
  return dead > own / 2 and 'letters' or 'share'
end

local answers, stored, took, repeated = {}, 0, 0, false
for i = 1, events do
  local field, hash, event = ARGV[i * 3 + 11], ARGV[i * 3 + 12], ARGV[i * 3 + 13]
  local bytes = #event + OVERHEAD
  local bucket = 12 + (i - 1) * per_event
  local seen = remembered(bucket, field)
  local stream = (fair and not fits(fair)) and KEYS[2] or KEYS[1]
  if seen then
    answers[i] = seen == hash and 'duplicate' or 'conflict'
    repeated = true
  elseif hard >= 0 and used + stored >= hard then
    answers[i] = 'quota'
  elseif not within_rates() then
    answers[i] = 'rate'
  elseif not has_room(stream) then
    answers[i] = 'full'
  elseif own + took + bytes > left - took then
    answers[i] = over_share()
  else
    if stream == KEYS[1] then redis.call('XADD', stream, '*', 'event', event) else append(slow, tenant, event) end
    remember(KEYS[bucket], field, hash)
    for _, rate in ipairs(rates) do rate.arrival = rate.arrival + rate.interval end
    if stream == KEYS[1] and fair then fair.arrival = fair.arrival + fair.interval end
    room[stream] = room[stream] - 1
    stored, took = stored + 1, took + bytes
    answers[i] = 'stored'
  end
end

-- Written for a duplicate as well: who waits for replicas waits for its own connection's writes, and what a duplicate
-- repeats was another's.
if stored > 0 or repeated then redis.call('HINCRBY', KEYS[7], 'count', stored) end
if stored > 0 then
  used = redis.call('INCRBY', KEYS[3], stored)
  redis.call('EXPIRE', KEYS[3], ARGV[4])
  for _, rate in ipairs(rates) do keep(rate) end
  if fair then keep(fair) end
  redis.call('HSET', KEYS[8], tenant, own + took, ':events', (waiting[2] or 0) + took)
end

local remaining, full_us, next_us = -1, 0, 0
for _, rate in ipairs(rates) do
  local ahead = rate.arrival - now
  local more = math.floor((rate.span - ahead) / rate.interval)
  if remaining < 0 or more < remaining then remaining = more end
  full_us = math.max(full_us, ahead)
  next_us = math.max(next_us, ahead + rate.interval - rate.span)
end
table.insert(answers, used)
table.insert(answers, remaining)
table.insert(answers, math.ceil(full_us))
table.insert(answers, math.ceil(next_us))
return answers
