#!lua flags=allow-oom
-- Note how far a channel that was behind has caught up, unless more was left out meanwhile.
-- KEYS  1  how far it is behind; events/lua/settle.lua has its form
-- ARGV  1  how many replies had been left out when this began
--       2  since when it is behind now, or '' where it is not any more
-- Returns 1, or 0 where more was left out.
if redis.call('HGET', KEYS[1], 'left_out') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'since', ARGV[2])
end
return 1
