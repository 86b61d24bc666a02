-- How many bytes wait in a partition: in streams, parked, or as dead letters, in all channels and lanes. A hash:
--   <tenant>       the tenant's bytes
--   dead:<tenant>  of them, in dead letters
--   :<purpose>     everybody's bytes by purpose: events, signals and notices by channel, the last two with their retries;
--                  retries of events; dead letters of all (dead). Their sum is the total
-- An entry counts as its event and OVERHEAD: what Redis adds, measured (docs/channel.md). A field that reaches 0 goes.
-- None falls below 0: entries from before bytes were counted leave without having come.
local OVERHEAD = 256
