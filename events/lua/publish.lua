#!lua
-- Append the platform's own events to a stream.
-- KEYS  1  the stream
--       2  the bytes that wait; lua/shared/overhead.lua has its form
-- ARGV  per event: its tenant, the event
--include overhead
--include bytes
for i = 1, #ARGV, 2 do
  redis.call('XADD', KEYS[1], '*', 'event', ARGV[i + 1])
  wait(ARGV[i], channel_of(KEYS[1]), #ARGV[i + 1] + OVERHEAD)
end
count_bytes(KEYS[2])
