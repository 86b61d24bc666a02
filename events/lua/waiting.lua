#!lua flags=no-writes,allow-oom
-- The number of dead letters, and the age of the oldest. The letters are not read: they may be large.
-- KEYS  1  the dead letters, a stream
--       2  the events of those that were edited, unused here
-- Returns the number, and the Unix ms of the oldest one's last attempt where there is one.
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if not oldest then return {0} end
local last = string.match(oldest[1], '^%d+')
for i = 1, #oldest[2], 2 do
  if oldest[2][i] == 'last' then last = oldest[2][i + 1] end
end
return {redis.call('XLEN', KEYS[1]), last}
