#!lua flags=allow-oom
-- Hand out parked retries that are due, the longest due first. Nobody else gets them before the lease ends.
-- KEYS  1  the parked retries
--       2  what they hold; settle.lua has its form
-- ARGV  1  the most to hand out
--       2  ms a lease holds
--       3  bytes of events that are enough
-- Returns how many held nothing any more, then per retry: id, lease's end, times handed out, attempts, first, event.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local ends = string.format('%.0f', now + ARGV[2])
local leased, vanished, bytes = {0}, 0, 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])) do
  local size = redis.call('HSTRLEN', KEYS[2], id)
  if bytes > 0 and bytes + size > tonumber(ARGV[3]) then break end
  bytes = bytes + size
  local held = redis.call('HGET', KEYS[2], id)
  if held then
    local handed, attempts, first, event = string.match(held, '^(%d+)\n(%d+)\n(%d+)\n(.*)$')
    handed = handed + 1
    redis.call('HSET', KEYS[2], id, table.concat({handed, attempts, first, event}, '\n'))
    redis.call('ZADD', KEYS[1], ends, id)
    for _, part in ipairs({id, ends, handed, attempts, first, event}) do table.insert(leased, part) end
  else
    redis.call('ZREM', KEYS[1], id)
    vanished = vanished + 1
  end
end
leased[1] = vanished
return leased
