-- The fair queue before an overflow lane's stream: self-clocked fair queueing (Golestani 1994), by bytes. Each tenant is a
-- flow. An event finishes, in virtual time, its bytes after the tenant's last one or after now, whichever is later; the
-- one that finishes first is next. Now is when the last one taken finished. So each tenant that waits gets the same share
-- of bytes, in the order of its own events. An empty queue has no time.
-- lua/read.lua takes from it. A short stream with an empty queue takes events at once, so that they wake a dispatcher
-- that blocks on it.
local SHORT = 50

-- stream    the lane's stream
-- queue     what waits for its turn, a sorted set of sequence numbers by virtual finish time
-- events    its events, a hash by sequence number
-- finishes  the last finish time of each tenant, ':now' and ':sequence', a hash
local function fair_lane(stream, queue, events, finishes)
  return {stream = stream, queue = queue, events = events, finishes = finishes, queued = redis.call('ZCARD', queue)}
end

local function append(lane, tenant, event)
  lane.length = lane.length or redis.call('XLEN', lane.stream)
  if lane.queued == 0 and lane.length < SHORT then
    redis.call('XADD', lane.stream, '*', 'event', event)
    lane.length = lane.length + 1
    return
  end
  local times = redis.call('HMGET', lane.finishes, ':now', tenant)
  local finish = math.max(tonumber(times[1] or '0'), tonumber(times[2] or '0')) + #event + OVERHEAD
  local number = redis.call('HINCRBY', lane.finishes, ':sequence', 1)
  redis.call('HSET', lane.events, number, event)
  redis.call('ZADD', lane.queue, finish, number)
  redis.call('HSET', lane.finishes, tenant, finish)
  lane.queued = lane.queued + 1
end
