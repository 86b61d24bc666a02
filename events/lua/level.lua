#!lua flags=allow-oom
-- Forget the bytes that wait where nothing does: entries that somebody deleted by hand were never taken off.
-- KEYS  1    the bytes that wait; lua/shared/bytes.lua has its form
--       2 .. everything of the partition that may hold some: streams and dead letters, then sorted sets
-- ARGV  1    how many of them are streams
-- Gives 1 where something was forgotten, else 0.
for at = 2, #KEYS do
  local command = at - 1 <= tonumber(ARGV[1]) and 'XLEN' or 'ZCARD'
  if redis.call(command, KEYS[at]) > 0 then return 0 end
end
return redis.call('DEL', KEYS[1])
