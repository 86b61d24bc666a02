#!lua flags=allow-oom
-- Settle one delivered batch: publish replies, park or bury, and only then acknowledge and delete.
-- Only entries that are still pending count, so a dispatcher that comes back from the dead changes nothing.
-- allow-oom: a full Redis must be able to drain.
-- KEYS  1          the channel's stream
--       2          its parked retries, a sorted set by due time in ms
--       3          its dead letters, a stream
--       4 ..       the streams replies may go to
-- ARGV  1          the consumer group
--       then per entry: its id and one of
--         'done', n, then n times: index into KEYS, event
--         'park', due time in ms, member
--         'bury', n, then n times: field, value
-- Gives how many entries were settled by this call.
local function expect(key, kind)
  local found = redis.call('TYPE', key)['ok']
  if found ~= kind and found ~= 'none' then
    error('WRONGTYPE ' .. key .. ' is a ' .. found .. ', expected a ' .. kind)
  end
end
expect(KEYS[1], 'stream')
expect(KEYS[2], 'zset')
for i = 3, #KEYS do expect(KEYS[i], 'stream') end

local group, at, settled = ARGV[1], 2, 0
while at <= #ARGV do
  local id, verb = ARGV[at], ARGV[at + 1]
  local pending = #redis.call('XPENDING', KEYS[1], group, id, id, 1) == 1
  if verb == 'park' then
    if pending then redis.call('ZADD', KEYS[2], ARGV[at + 2], ARGV[at + 3]) end
    at = at + 4
  else
    local pairs_ = tonumber(ARGV[at + 2])
    at = at + 3
    if pending and verb == 'done' then
      for i = at, at + pairs_ * 2 - 1, 2 do
        redis.call('XADD', KEYS[tonumber(ARGV[i])], '*', 'event', ARGV[i + 1])
      end
    elseif pending then
      redis.call('XADD', KEYS[3], '*', unpack(ARGV, at, at + pairs_ * 2 - 1))
    end
    at = at + pairs_ * 2
  end
  if pending then
    redis.call('XACK', KEYS[1], group, id)
    redis.call('XDEL', KEYS[1], id)
    settled = settled + 1
  end
end
return settled
