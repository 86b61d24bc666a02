#!lua flags=allow-oom
-- Put the parked retries that are due back into their stream.
-- KEYS  1  the channel's stream
--       2  its parked retries
-- ARGV  1  now in ms
--       2  the most to move
-- Members are 'entry id, attempts, first attempt in ms, event', a line each, as channel.py writes them.
-- Gives how many were moved.
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, member in ipairs(due) do
  local attempts, first, event = string.match(member, '^[^\n]*\n(%d+)\n(%d+)\n(.*)$')
  redis.call('XADD', KEYS[1], '*', 'event', event, 'attempts', attempts, 'first', first)
  redis.call('ZREM', KEYS[2], member)
end
return #due
