#!lua
-- Give a dead letter another event. Its entry stays as it is: a stream's entries cannot change.
-- KEYS  1  the dead letters, a stream
--       2  the events of those that were edited, a hash by entry id
-- ARGV  1  the letter's entry id
--       2  the event
-- Gives 1, or 0 when the letter is gone.
if #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return 1
