#!lua flags=allow-oom
-- Take new entries: as many as were asked for, or as many bytes of them. COUNT knows only how many, and 500 of 1 MB
-- are more than a dispatcher, or Redis' memory for answers, can hold: hence in steps, sized by what came so far.
-- KEYS  1  the lane's stream
-- ARGV  1  the consumer group
--       2  the consumer
--       3  the most to take
--       4  bytes of events that are enough
--       5  the most to take in one step, which may all be larger than those before
-- Gives per entry its id and its event; all its fields for one that has none.
local most, enough, step_most = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local taken, count, bytes, step = {}, 0, 0, 1
repeat
  local found = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', step, 'STREAMS', KEYS[1], '>')
  if not found then break end
  local entries = found[1][2]
  for i = 1, #entries do
    local fields = entries[i][2]
    local event = fields[2]
    taken[count * 2 + 1] = entries[i][1]
    count = count + 1
    taken[count * 2] = (#fields == 2 and fields[1] == 'event') and event or fields
    bytes = bytes + #event
  end
  step = math.min(most - count, step_most, math.floor((enough - bytes) * count / bytes))
until step < 1
return taken
