#!lua flags=no-writes,allow-oom
-- How many dead letters there are, and since when the oldest; not the letters, which may be large.
-- KEYS  1  the dead letters, a stream
--       2  the events of those that were edited, which do not matter here
-- Gives the number, and the Unix ms of the oldest one's last attempt where there is one.
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if not oldest then return {0} end
local last = string.match(oldest[1], '^%d+')
for i = 1, #oldest[2], 2 do
  if oldest[2][i] == 'last' then last = oldest[2][i + 1] end
end
return {redis.call('XLEN', KEYS[1]), last}
