#!lua flags=allow-oom
-- Create a stream and its consumer group, from the beginning, unless they exist; remove consumers that are long gone.
-- Then set the group back to the beginning if entries at or below its last id are pending for nobody. Settling deletes
-- what it acknowledges, so there are none, unless Redis dropped a part of its append-only file while loading it. No
-- dispatcher would ever read them. Pending entries may come twice then, which ids make harmless.
-- A script because XGROUP itself is refused by a full Redis, whose dispatchers must be able to start and drain it.
-- KEYS  1  the lane's stream
-- ARGV  1  the consumer group
--       2  ms without a word after which a consumer that holds nothing is gone
-- Returns 1 if the group was set back, else 0.
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
local last
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local about = {}
  for at = 1, #group, 2 do about[group[at]] = group[at + 1] end
  if about['name'] == ARGV[1] then last = about['last-delivered-id'] end
end
local pending = redis.call('XPENDING', KEYS[1], ARGV[1])[1]
if #redis.call('XRANGE', KEYS[1], '-', last, 'COUNT', pending + 1) <= pending then return 0 end
redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], '0')
return 1
