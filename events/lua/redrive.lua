#!lua flags=allow-oom
-- Put dead letters back into their channel: first published, then taken from the dead, so that dying half-way
-- may double, which ids make harmless, and never loses. allow-oom: what is moved was there already.
-- KEYS  1  the dead letters, a stream
--       2  the events of those that were edited, a hash by entry id
--       3  which dead letter an event is, a sorted set of 'event id:entry id'
--       4  the channel's stream
-- ARGV  per letter: its entry id, the SHA-1 of the event it was edited to or '', its event's id or '', the event to
--       publish
-- One that is gone, or was edited since it was read, stays as it is. Gives how many were moved.
local function version(id)
  local edited = redis.call('HGET', KEYS[2], id)
  return edited and redis.sha1hex(edited) or ''
end

local moved = 0
for i = 1, #ARGV, 4 do
  local id = ARGV[i]
  local there = #redis.call('XRANGE', KEYS[1], id, id) == 1
  if there and version(id) == ARGV[i + 1] then
    redis.call('XADD', KEYS[4], '*', 'event', ARGV[i + 3])
    redis.call('XDEL', KEYS[1], id)
    redis.call('HDEL', KEYS[2], id)
    redis.call('ZREM', KEYS[3], ARGV[i + 2] .. ':' .. id)
    moved = moved + 1
  end
end
return moved
