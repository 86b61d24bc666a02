#!lua flags=allow-oom
-- Return entries that were not delivered: the next consumer gets them, as if they had not been handed out.
-- KEYS  1  the lane's stream
--       2  its parked retries
--       3  what they hold; settle.lua has its form
-- ARGV  1  the consumer group
--       2  the consumer that returns them
--       3  ms after which idle entries may be claimed
--       then per entry: its id, the end of its lease or '0', how often it was handed out
-- Returns how many of them this consumer still had.
local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
local given = 0
for at = 4, #ARGV, 3 do
  local id, lease, handed = ARGV[at], ARGV[at + 1], ARGV[at + 2] - 1
  if lease == '0' then
    if #redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1, ARGV[2]) == 1 then
      redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'IDLE', ARGV[3], 'RETRYCOUNT', handed, 'JUSTID')
      given = given + 1
    end
  elseif redis.call('ZSCORE', KEYS[2], id) == lease then
    local kept = string.gsub(redis.call('HGET', KEYS[3], id), '^%d+', handed, 1)
    redis.call('HSET', KEYS[3], id, kept)
    redis.call('ZADD', KEYS[2], now, id)
    given = given + 1
  end
end
return given
