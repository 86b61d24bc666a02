#!lua flags=allow-oom
-- Take over entries that their consumer has left alone, with how often each was handed out, this time included.
-- KEYS  1  the lane's stream
-- ARGV  1  the consumer group
--       2  the consumer that takes over
--       3  ms an entry must have been left alone
--       4  where to go on looking
--       5  the most to take
-- Gives where to go on, how many were deleted under their reader (they are forgotten), and the entries.
local found = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], 'COUNT', ARGV[5])
local entries = found[2]
for _, entry in ipairs(entries) do
  entry[3] = redis.call('XPENDING', KEYS[1], ARGV[1], entry[1], entry[1], 1)[1][4]
end
return {found[1], #found[3], entries}
