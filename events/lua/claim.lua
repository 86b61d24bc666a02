#!lua flags=allow-oom
-- Take over entries that their consumer has left alone, with how often each was handed out, this time included.
-- In steps, like read.lua: until as many were looked for as were asked for, or as many bytes of them are in hand.
-- KEYS  1  the lane's stream
-- ARGV  1  the consumer group
--       2  the consumer that takes over
--       3  ms an entry must have been left alone
--       4  where to go on looking
--       5  the most to take
--       6  bytes of events that are enough
--       7  the most to take in one step, which may all be larger than those before
-- Returns where to go on, how many were deleted under their reader (they are forgotten), and the entries.
local from, left, enough, step_most = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local taken, vanished, bytes, step = {}, 0, 0, 1
repeat
  local found = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], from, 'COUNT', step)
  from, left, vanished = found[1], left - step, vanished + #found[3]
  for _, entry in ipairs(found[2]) do
    entry[3] = redis.call('XPENDING', KEYS[1], ARGV[1], entry[1], entry[1], 1)[1][4]
    taken[#taken + 1] = entry
    bytes = bytes + #entry[2][2]
  end
  local fit = #taken == 0 and 1 or math.floor((enough - bytes) * #taken / bytes)
  step = math.min(left, step_most, fit)
until step < 1 or from == '0-0'
return {from, vanished, taken}
