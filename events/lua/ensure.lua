#!lua flags=allow-oom
-- Make sure of a stream and its consumer group, from the beginning; forget consumers that are long gone.
-- A script because XGROUP itself is refused by a full Redis, whose dispatchers must be able to start and drain it.
-- KEYS  1  the lane's stream
-- ARGV  1  the consumer group
--       2  ms without a word after which a consumer that holds nothing is gone
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if type(made) == 'table' and made['err'] and not string.find(made['err'], '^BUSYGROUP') then
  return made
end
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local about = {}
  for at = 1, #consumer, 2 do about[consumer[at]] = consumer[at + 1] end
  if about['pending'] == 0 and about['idle'] > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], about['name'])
  end
end
return redis.status_reply('OK')
