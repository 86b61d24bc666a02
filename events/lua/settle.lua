#!lua flags=allow-oom
-- Settle one delivered batch: publish replies, park or dead-letter, and only then ack and delete.
-- Signals and notices are ids of what PostgreSQL has. Where too many bytes of them wait, because their function is away,
-- they are left out and the channel is noted as behind: the clock publishes them later (functions/service/catch_up.py).
-- An entry counts while it is still held: pending in the stream, or leased for as long as the lease it came with.
-- So a dispatcher that comes back from the dead changes nothing. allow-oom: a full Redis must be able to drain.
-- KEYS  1          the lane's stream
--       2          its parked retries, a sorted set of entry ids by due time in ms
--       3          what they hold, a hash by entry id: 'times handed out, attempts, first attempt in ms, event',
--                  a line each
--       4          its dead letters, a stream
--       5          which dead letter an event is, a sorted set of 'event id:entry id'
--       6          the bytes that wait; lua/shared/overhead.lua has its form
--       7 ..       the streams replies may go to, then for each of them how far its channel is behind, a hash: 'since',
--                  when the earliest event was received whose reply was left out (RFC 3339, or '' for unknown); 'last',
--                  when the last one was left out, in ms; 'left_out', how many were
-- ARGV  1          the consumer group
--       2          the bytes of signals, and of notices, that may wait
--       then per entry: its id, the end of its lease in ms or '0' for one of the stream, its tenant, its event's
--       bytes, and one of
--         'done', n, then n times: index into KEYS, tenant, event
--         'park', ms to wait, what it holds
--         'bury', the id of the event or '', n, then n times: field, value; the first is its event
-- Returns how many entries were settled by this call, and how many replies were left out.
--include overhead
--include bytes
local function expect(key, kind)
  local found = redis.call('TYPE', key)['ok']
  if found ~= kind and found ~= 'none' then
    error('WRONGTYPE ' .. key .. ' is a ' .. found .. ', expected a ' .. kind)
  end
end
expect(KEYS[1], 'stream')
expect(KEYS[2], 'zset')
expect(KEYS[3], 'hash')
expect(KEYS[4], 'stream')
expect(KEYS[5], 'zset')
expect(KEYS[6], 'hash')
local replies = (#KEYS - 6) / 2
for i = 7, 6 + replies do
  expect(KEYS[i], 'stream')
  expect(KEYS[i + replies], 'hash')
end

local group, most = ARGV[1], tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local leaving, left = {}, {}
local channels = {}
for i = 1, #KEYS do channels[i] = channel_of(KEYS[i]) end
local waiting = redis.call('HMGET', KEYS[6], ':signals', ':notices')
local ids = {signals = tonumber(waiting[1] or '0'), notices = tonumber(waiting[2] or '0')}
local left_out = 0

-- What an event led to was recorded after the event was received, whatever was delivered again since.
local function leave_out(behind, id, lease)
  local event = lease == '0' and redis.call('XRANGE', KEYS[1], id, id)[1][2][2] or redis.call('HGET', KEYS[3], id)
  local since = string.match(event, '.*"ssppreceived":"([^"]+)"') or ''
  local known = redis.call('HGET', behind, 'since')
  if not known or since < known then redis.call('HSET', behind, 'since', since) end
  redis.call('HSET', behind, 'last', string.format('%.0f', now))
  redis.call('HINCRBY', behind, 'left_out', 1)
  left_out = left_out + 1
end

local function reply(to, tenant, event, id, lease)
  local channel, bytes = channels[to], #event + OVERHEAD
  if ids[channel] and ids[channel] + bytes > most then return leave_out(KEYS[to + replies], id, lease) end
  redis.call('XADD', KEYS[to], '*', 'event', event)
  wait(tenant, channel, bytes)
  if ids[channel] then ids[channel] = ids[channel] + bytes end
end

local function held(id, lease)
  if lease ~= '0' then return redis.call('ZSCORE', KEYS[2], id) == lease end
  return not left[id] and #redis.call('XPENDING', KEYS[1], group, id, id, 1) == 1
end

local parked_as = channels[1] == 'events' and 'retries' or channels[1]
local at, settled = 3, 0
while at <= #ARGV do
  local id, lease, tenant, verb = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 4]
  local bytes, mine = ARGV[at + 3] + OVERHEAD, held(id, lease)
  if mine then wait(tenant, lease == '0' and channels[1] or parked_as, -bytes) end
  if verb == 'park' then
    if mine then
      redis.call('HSET', KEYS[3], id, ARGV[at + 6])
      redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[at + 5]), id)
      wait(tenant, parked_as, bytes)
    end
    at = at + 7
  else
    local event_id = verb == 'bury' and ARGV[at + 5]
    if event_id then at = at + 1 end
    local count, each = tonumber(ARGV[at + 5]), verb == 'done' and 3 or 2
    at = at + 6
    if mine and verb == 'done' then
      for i = at, at + count * 3 - 1, 3 do
        reply(tonumber(ARGV[i]), ARGV[i + 1], ARGV[i + 2], id, lease)
      end
    elseif mine then
      local letter = redis.call('XADD', KEYS[4], '*', unpack(ARGV, at, at + count * 2 - 1))
      if event_id ~= '' then redis.call('ZADD', KEYS[5], 0, event_id .. ':' .. letter) end
      wait(tenant, 'dead', #ARGV[at + 1] + OVERHEAD)
    end
    at = at + count * each
  end
  if mine then
    if lease == '0' then
      leaving[#leaving + 1], left[id] = id, true
    elseif verb ~= 'park' then
      redis.call('ZREM', KEYS[2], id)
      redis.call('HDEL', KEYS[3], id)
    end
    settled = settled + 1
  end
end
for i = 1, #leaving, 1000 do -- one call for many is cheaper than one each; unpack has its limits
  local last = math.min(#leaving, i + 999)
  redis.call('XACK', KEYS[1], group, unpack(leaving, i, last))
  redis.call('XDEL', KEYS[1], unpack(leaving, i, last))
end
count_bytes(KEYS[6])
return {settled, left_out}
