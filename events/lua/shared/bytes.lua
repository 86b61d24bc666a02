-- Counting the bytes that wait; overhead.lua has their form.
local moved = {}

-- Note that so many bytes more wait for a purpose, or so many less.
local function wait(tenant, purpose, bytes)
  moved[tenant] = (moved[tenant] or 0) + bytes
  moved[':' .. purpose] = (moved[':' .. purpose] or 0) + bytes
  if purpose == 'dead' then moved['dead:' .. tenant] = (moved['dead:' .. tenant] or 0) + bytes end
end

-- Write what was noted.
local function count_bytes(key)
  for field, bytes in pairs(moved) do
    if bytes ~= 0 and redis.call('HINCRBY', key, field, bytes) <= 0 then redis.call('HDEL', key, field) end
  end
end

local function channel_of(stream) return string.match(stream, '}:(%a+)') end
