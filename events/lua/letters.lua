#!lua flags=no-writes,allow-oom
-- Read dead letters, with what became of their events since.
-- KEYS  1  the dead letters, a stream
--       2  the events of those that were edited, a hash by entry id
-- ARGV  1  XRANGE or XREVRANGE
--       2  from which entry id
--       3  to which
--       4  the most to read
-- Gives per letter its entry id, its fields and the event as it was edited, or nil.
local found = redis.call(ARGV[1], KEYS[1], ARGV[2], ARGV[3], 'COUNT', ARGV[4])
for _, letter in ipairs(found) do
  letter[3] = redis.call('HGET', KEYS[2], letter[1])
end
return found
