#!lua
-- Give a dead letter another event. Its entry stays as it is: a stream's entries cannot change.
-- KEYS  1  the dead letters, a stream
--       2  the events of those that were edited, a hash by entry id
-- ARGV  1  the letter's entry id
--       2  the SHA-1 of the event it was edited to before, or ''
--       3  the event
-- Gives 1, 0 when the letter is gone, or -1 when it was edited since it was read.
local function version(id)
  local edited = redis.call('HGET', KEYS[2], id)
  return edited and redis.sha1hex(edited) or ''
end

if #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) == 0 then return 0 end
if version(ARGV[1]) ~= ARGV[2] then return -1 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
return 1
