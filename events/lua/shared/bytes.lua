-- How many bytes wait in a partition: in streams, parked, or as dead letters, in all channels and lanes. A hash:
--   <tenant>       the tenant's bytes
--   dead:<tenant>  of them, in dead letters
--   :<purpose>     everybody's bytes by purpose: events, signals and notices by channel, the last two with their retries;
--                  retries of events; dead letters of all (dead). Their sum is the total
-- An entry counts as its event and OVERHEAD: what Redis adds, measured (docs/channel.md). A field that reaches 0 goes.
-- None falls below 0: entries from before bytes were counted leave without having come.
local OVERHEAD = 256
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
