#!lua flags=allow-oom
-- Put dead letters back into their channel: first published, then taken from the dead, so that dying half-way
-- may double, which ids make harmless, and never loses. allow-oom: what is moved was there already.
-- KEYS  1  the dead letters, a stream
--       2  the events of those that were edited, a hash by entry id
--       3  which dead letter an event is, a sorted set of 'event id:entry id'
--       4  the bytes that wait
--       5 ..  the channel's overflow lane: its stream, then its fair queue as lua/shared/fair.lua has it
-- ARGV  per letter: its entry id, the SHA-1 of the event it was edited to or '', the event to publish
-- One that is gone, or was edited since it was read, stays as it is. Returns how many were moved.
--include overhead
--include bytes
--include letters
--include fair
local lane = fair_lane(unpack(KEYS, 5))
local redriven = 0
for i = 1, #ARGV, 3 do
  local letter = letter_of(ARGV[i])
  if letter and letter.version == ARGV[i + 1] then
    append(lane, letter.tenant, ARGV[i + 2])
    wait(letter.tenant, channel_of(KEYS[5]), #ARGV[i + 2] + OVERHEAD)
    remove(ARGV[i], letter)
    redriven = redriven + 1
  end
end
count_bytes(KEYS[4])
return redriven
