"""The names of the channels' keys in Redis. Needs no client, so that the front door starts fast.

All keys of a partition share a hash tag, so that the scripts run on Redis Cluster too.
"""

from __future__ import annotations

import zlib

#: The one consumer group of every channel: one subscription each.
GROUP = "dispatchers"

#: Every channel there is: events come in, signals are to be indexed, notices are to be sent.
CHANNELS = ("events", "signals", "notices")

#: The lanes of a partition. A tenant's events above its fair rate go to the overflow lane, so that they wait for each
#: other and nobody else waits for them. What an event leads to stays in its lane.
FAST, SLOW = "", "slow"
LANES = (FAST, SLOW)

#: Replies of Redis that mean "not now": no memory, no disk, a replica, still loading, a script in the way, made a
#: replica or emptied under a read that waits (UNBLOCKED), or back without its data (NOGROUP): every dispatcher makes
#: sure of the group before it goes on.
PASSING = (
    "OOM",
    "MISCONF",
    "READONLY",
    "LOADING",
    "BUSY",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "NOREPLICAS",
    "NOGROUP",
    "UNBLOCKED",
)


def partition_of(tenant: str, partitions: int) -> int:
    """Return the partition a tenant lives in, in every channel."""
    return zlib.crc32(tenant.encode()) % partitions


def stream_key(channel: str, partition: int, lane: str = FAST) -> str:
    """Return the key of one lane's stream; its length is the lane's depth."""
    return f"{_prefix(channel, partition, lane)}:stream"


def retry_key(channel: str, partition: int, lane: str = FAST) -> str:
    """Return the key of the parked retries, a sorted set of entry ids by due time in Unix ms."""
    return f"{_prefix(channel, partition, lane)}:retry"


def parked_key(channel: str, partition: int, lane: str = FAST) -> str:
    """Return the key of the parked events, a hash by entry id; lua/settle.lua has its form."""
    return f"{_prefix(channel, partition, lane)}:parked"


def fair_key(channel: str, partition: int) -> str:
    """Return the key of the fair queue before the overflow lane's stream, a sorted set; see lua/shared/fair.lua."""
    return f"{_prefix(channel, partition, SLOW)}:fair"


def queued_key(channel: str, partition: int) -> str:
    """Return the key of the events of the fair queue, a hash."""
    return f"{_prefix(channel, partition, SLOW)}:queued"


def finishes_key(channel: str, partition: int) -> str:
    """Return the key of the fair queue's time and of each tenant's last finish time in it, a hash."""
    return f"{_prefix(channel, partition, SLOW)}:finishes"


def fair_keys(channel: str, partition: int) -> tuple[str, str, str]:
    """All three keys of a fair queue, in the order in which scripts take them."""
    return fair_key(channel, partition), queued_key(channel, partition), finishes_key(channel, partition)


def dead_key(channel: str, partition: int) -> str:
    """Return the key of the dead letters of both lanes, a stream."""
    return f"{_prefix(channel, partition, FAST)}:dead"


def bury_key(channel: str) -> str:
    """Exists while an operator overrides the dead-letter breaker; see deadletter_breaker.py."""
    return f"sspp:bury:{channel}"


def edited_key(channel: str, partition: int) -> str:
    """Return the key of the edited events of dead letters, a hash by the letters' entry ids."""
    return f"sspp:{{{partition}}}:{channel}:edited"


def buried_key(channel: str, partition: int) -> str:
    """Return the key of the dead letter of each event, a sorted set of ``event id:entry id``, all with the score 0."""
    return f"{_prefix(channel, partition, FAST)}:buried"


def behind_key(channel: str, partition: int) -> str:
    """Return the key of how far a channel of replies is behind, a hash; see lua/settle.lua. Absent: it is not."""
    return f"{_prefix(channel, partition, FAST)}:behind"


#: What bytes wait for, as lua/shared/overhead.lua counts them.
PURPOSES = ("events", "signals", "notices", "retries", "dead")


def bytes_key(partition: int) -> str:
    """Return the key of how many bytes wait, a hash by tenant and by purpose; lua/shared/overhead.lua has its form."""
    return f"sspp:{{{partition}}}:bytes"


def _prefix(channel: str, partition: int, lane: str) -> str:
    return f"sspp:{{{partition}}}:{channel}" + (f":{lane}" if lane else "")
