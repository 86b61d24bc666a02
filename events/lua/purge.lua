#!lua flags=allow-oom
-- Throw dead letters away, and what they were edited to.
-- KEYS  1  the dead letters, a stream
--       2  the events of those that were edited, a hash by entry id
-- ARGV  the letters' entry ids
-- Gives how many there were.
redis.call('HDEL', KEYS[2], unpack(ARGV))
return redis.call('XDEL', KEYS[1], unpack(ARGV))
