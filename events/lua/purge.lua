#!lua flags=allow-oom
-- Throw dead letters away, and what they were edited to.
-- KEYS  1  the dead letters, a stream
--       2  the events of those that were edited, a hash by entry id
--       3  which dead letter an event is, a sorted set of 'event id:entry id'
-- ARGV  per letter: its entry id, the SHA-1 of the event it was edited to or '', and its event's id or ''
-- One that is gone, or was edited since it was read, stays as it is. Gives how many were there.
local function version(id)
  local edited = redis.call('HGET', KEYS[2], id)
  return edited and redis.sha1hex(edited) or ''
end

local purged = 0
for i = 1, #ARGV, 3 do
  local id = ARGV[i]
  if version(id) == ARGV[i + 1] then
    redis.call('HDEL', KEYS[2], id)
    redis.call('ZREM', KEYS[3], ARGV[i + 2] .. ':' .. id)
    purged = purged + redis.call('XDEL', KEYS[1], id)
  end
end
return purged
