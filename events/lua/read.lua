#!lua flags=allow-oom
-- Take new entries: as many as were asked for, or as many bytes of them. COUNT knows only how many, and 500 of 1 MB
-- are more than a dispatcher, or Redis' memory for answers, can hold: hence in steps, sized by what came so far.
-- Those of the overflow lane come through its fair queue, a step at a time, so that the stream never holds many.
-- KEYS  1  the lane's stream
--       2 ..  the fair queue of an overflow lane: the queue, its events, its finish times; lua/shared/fair.lua has their form
-- ARGV  1  the consumer group
--       2  the consumer
--       3  the most to take
--       4  bytes of events that are enough
--       5  the most to take in one step, which may all be larger than those before
-- Returns per entry its id and its event; all its fields for one that has none.
local most, enough, step_most = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local taken, count, bytes, step = {}, 0, 0, 1
local stream, queue, events, finishes = unpack(KEYS)
local queued, new = queue and redis.call('ZCARD', queue) or 0, nil

-- Move events from the fair queue into the stream until as many are there that nobody has taken.
local function refill(wanted)
  new = new or redis.call('XLEN', stream) - redis.call('XPENDING', stream, ARGV[1])[1]
  if new >= wanted then return end
  local first = redis.call('ZRANGE', queue, 0, wanted - new - 1, 'WITHSCORES')
  for i = 1, #first, 2 do
    local number, finish = first[i], first[i + 1]
    local event = redis.call('HGET', events, number)
    if event then
      redis.call('XADD', stream, '*', 'event', event)
      new = new + 1
    end
    redis.call('HDEL', events, number)
    redis.call('ZREM', queue, number)
    redis.call('HSET', finishes, ':now', finish)
    queued = queued - 1
  end
  if queued == 0 then redis.call('DEL', finishes) end
end

repeat
  if queued > 0 then refill(step) end
  local found = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', step, 'STREAMS', stream, '>')
  if not found then break end
  local entries = found[1][2]
  if new then new = new - #entries end
  for i = 1, #entries do
    local fields = entries[i][2]
    local event = fields[2]
    taken[count * 2 + 1] = entries[i][1]
    count = count + 1
    taken[count * 2] = (#fields == 2 and fields[1] == 'event') and event or fields
    bytes = bytes + #event
  end
  step = math.min(most - count, step_most, math.floor((enough - bytes) * count / bytes))
until step < 1
return taken
