#!lua
-- Publish the new events of one request, skip those already seen, refuse changed ones: one decision.
-- KEYS  1          the channel's stream
--       2 .. n+1   one key per event: the hash of its body while its identity is remembered
-- ARGV  1          the longest the stream may get
--       2          seconds an identity is remembered
--       then per event: the hash of its body, the event
-- Gives per event: 'stored', 'duplicate' (same body), 'conflict' (other body) or 'full'.
local limit, window = tonumber(ARGV[1]), ARGV[2]
local length = redis.call('XLEN', KEYS[1])
local answers = {}
for i = 1, #KEYS - 1 do
  local hash, event = ARGV[i * 2 + 1], ARGV[i * 2 + 2]
  local seen = redis.call('GET', KEYS[i + 1])
  if seen then
    answers[i] = seen == hash and 'duplicate' or 'conflict'
  elseif length >= limit then
    answers[i] = 'full'
  else
    -- Published before it is remembered: dying between the two doubles, which ids make harmless, never loses.
    redis.call('XADD', KEYS[1], '*', 'event', event)
    redis.call('SET', KEYS[i + 1], hash, 'EX', window)
    length = length + 1
    answers[i] = 'stored'
  end
end
return answers
