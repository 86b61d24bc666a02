#!lua flags=no-writes,allow-oom
-- The tenants of the latest dead letters. The letters may be large, so they are read one by one.
-- KEYS  1  the dead letters, a stream
--       2  the events of those that were edited, unused here
-- ARGV  1  how long ago the first of them may have been written, in ms
--       2  the most to look at
-- Returns a tenant and how long ago in ms for each, the latest first.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local since = string.format('%.0f', math.max(0, now - ARGV[1]))
local found, last = {}, '+'
for _ = 1, ARGV[2] do
  local letter = redis.call('XREVRANGE', KEYS[1], last, since, 'COUNT', 1)[1]
  if not letter then break end
  local tenant = ''
  for i = 1, #letter[2], 2 do
    if letter[2][i] == 'tenant' then tenant = letter[2][i + 1] end
  end
  found[#found + 1] = tenant
  found[#found + 1] = now - string.match(letter[1], '^%d+')
  last = '(' .. letter[1]
end
return found
