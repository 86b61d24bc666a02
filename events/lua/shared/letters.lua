-- A dead letter: KEYS[1] is the stream of them, KEYS[2] the events of those that were edited, KEYS[3] which letter an
-- event is.
local function letter_of(id)
  local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
  if not entry then return nil end
  local letter = {tenant = '', edited = redis.call('HGET', KEYS[2], id)}
  for i = 1, #entry[2], 2 do letter[entry[2][i]] = entry[2][i + 1] end
  letter.version = letter.edited and redis.sha1hex(letter.edited) or ''
  return letter
end

local function remove(id, letter)
  redis.call('XDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[3], (letter.event_id or '') .. ':' .. id)
  wait(letter.tenant, 'dead', -#letter.event - OVERHEAD)
  if letter.edited then
    redis.call('HDEL', KEYS[2], id)
    wait(letter.tenant, 'dead', -#letter.edited - OVERHEAD)
  end
end
