#!lua flags=allow-oom
-- Make sure of a stream and its consumer group, from the beginning.
-- A script because XGROUP itself is refused by a full Redis, whose dispatchers must be able to start and drain it.
-- KEYS  1  the channel's stream
-- ARGV  1  the consumer group
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if type(made) == 'table' and made['err'] and not string.find(made['err'], '^BUSYGROUP') then
  return made
end
return redis.status_reply('OK')
