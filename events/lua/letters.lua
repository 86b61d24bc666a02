#!lua flags=no-writes,allow-oom
-- Read dead letters with their edited events: one by one, because they may be large.
-- KEYS  1  the dead letters, a stream
--       2  the events of those that were edited, a hash by entry id
-- ARGV  1  XRANGE or XREVRANGE
--       2  from which entry id
--       3  to which
--       4  the most to read
--       5  so many bytes of them are enough
-- Returns per letter its entry id, its fields and the event as it was edited, or nil.
local most, enough = tonumber(ARGV[4]), tonumber(ARGV[5])
local found, size, from = {}, 0, ARGV[2]
while #found < most and size < enough do
  local letter = redis.call(ARGV[1], KEYS[1], from, ARGV[3], 'COUNT', 1)[1]
  if not letter then break end
  letter[3] = redis.call('HGET', KEYS[2], letter[1])
  for _, value in ipairs(letter[2]) do size = size + #value end
  size = size + #(letter[3] or '')
  found[#found + 1] = letter
  from = '(' .. letter[1]
end
return found
