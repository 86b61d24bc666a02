#!lua
-- Give a dead letter another event. Its entry stays as it is: a stream's entries cannot change.
-- KEYS  1  the dead letters, a stream
--       2  the events of those that were edited, a hash by entry id
--       3  which dead letter an event is, unused here
--       4  the bytes that wait
-- ARGV  1  the letter's entry id
--       2  the SHA-1 of the event it was edited to before, or ''
--       3  the event
-- Returns 1, 0 when the letter is gone, or -1 when it was edited since it was read.
--include overhead
--include bytes
--include letters
local letter = letter_of(ARGV[1])
if not letter then return 0 end
if letter.version ~= ARGV[2] then return -1 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
if letter.edited then wait(letter.tenant, 'dead', -#letter.edited - OVERHEAD) end
wait(letter.tenant, 'dead', #ARGV[3] + OVERHEAD)
count_bytes(KEYS[4])
return 1
