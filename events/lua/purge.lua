#!lua flags=allow-oom
-- Remove dead letters, and the events they were edited to.
-- KEYS  1  the dead letters, a stream
--       2  the events of those that were edited, a hash by entry id
--       3  which dead letter an event is, a sorted set of 'event id:entry id'
--       4  the bytes that wait
-- ARGV  per letter: its entry id, and the SHA-1 of the event it was edited to or ''
-- One that is gone, or was edited since it was read, stays as it is. Returns how many were there.
--include overhead
--include bytes
--include letters
local purged = 0
for i = 1, #ARGV, 2 do
  local letter = letter_of(ARGV[i])
  if letter and letter.version == ARGV[i + 1] then
    remove(ARGV[i], letter)
    purged = purged + 1
  end
end
count_bytes(KEYS[4])
return purged
