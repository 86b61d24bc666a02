#!lua flags=allow-oom
-- Where only dead letters wait, forget the bytes of everything else: entries that somebody deleted by hand, or that
-- a version which did not count bytes has settled, were never taken off.
-- KEYS  1    the bytes that wait; events/lua/shared/overhead.lua has their form
--       2 .. everything of the partition that may hold some: streams, dead letters, sorted sets
-- ARGV  1    how many of them are streams
--       2    how many are dead letters
-- Returns 1 where something was forgotten, else 0.
local streams, letters = tonumber(ARGV[1]), tonumber(ARGV[2])
local dead = 0
for at = 2, #KEYS do
  local is_letters = at - 1 > streams and at - 1 <= streams + letters
  local length = redis.call(at - 1 <= streams + letters and 'XLEN' or 'ZCARD', KEYS[at])
  if is_letters then dead = dead + length elseif length > 0 then return 0 end
end
local counted, right = redis.call('HGETALL', KEYS[1]), {}
for at = 1, dead > 0 and #counted or 0, 2 do
  local tenant = string.match(counted[at], '^dead:(.*)')
  if tenant or counted[at] == ':dead' then right[counted[at]] = counted[at + 1] end
  if tenant then right[tenant] = counted[at + 1] end
end
local forgotten = 0
for at = 1, #counted, 2 do
  local field, bytes = counted[at], counted[at + 1]
  if right[field] ~= bytes then
    if right[field] then redis.call('HSET', KEYS[1], field, right[field]) else redis.call('HDEL', KEYS[1], field) end
    forgotten = 1
  end
end
return forgotten
