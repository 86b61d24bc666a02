"""KEDA's triggers for more than one partition: ``triggers.py PARTITIONS FOLDER`` writes a patch for each channel.

For a Redis Cluster; knative/components/redis-cluster has its output for twelve.
"""

from __future__ import annotations

import sys
from pathlib import Path

from events import keyspace

#: Every node knows the others. The second word is the namespace (components/namespaced).
ADDRESS = "sspp-redis.NAMESPACE.svc.cluster.local:6379"
#: How many waiting entries one dispatcher is started for; and a number that is never reached, for a trigger that only
#: wakes the first dispatcher.
EACH, AHEAD = 100, 10**9


def trigger(name: str, key: str, each: int = EACH) -> str:
    """Return a trigger as a line of YAML: one dispatcher for ``each`` entries of ``key``."""
    kind, where, most = (
        ("redis-cluster-streams", "stream", "streamLength")
        if key.endswith(":stream")
        else ("redis-cluster", "listName", "listLength")
    )
    metadata = f'addresses: "{ADDRESS}", username: keda, {where}: "{key}", {most}: "{each}"'
    return f"{{type: {kind}, name: {name}, metadata: {{{metadata}}}, authenticationRef: {{name: sspp-redis}}}}"


def patch(channel: str, partitions: int) -> str:
    """Return the patch of a channel's ScaledObject."""
    lines = [
        "# Written by knative/triggers.py, which says what it is for.",
        "- op: replace",
        "  path: /spec/triggers",
        "  value:",
    ]
    for partition in range(partitions):
        keys = {
            f"stream-{partition}": keyspace.stream_key(channel, partition),
            f"retries-{partition}": keyspace.retry_key(channel, partition),
            f"stream-{partition}-slow": keyspace.stream_key(channel, partition, keyspace.SLOW),
            f"retries-{partition}-slow": keyspace.retry_key(channel, partition, keyspace.SLOW),
            f"fair-{partition}": keyspace.fair_key(channel, partition),
        }
        lines += [f"    - {trigger(name, key)}" for name, key in keys.items()]
        if channel == "signals":  # every event leads to a signal
            lanes = {"": keyspace.FAST, "-slow": keyspace.SLOW}
            ahead = {
                f"ahead-{partition}{word}": keyspace.stream_key("events", partition, lane)
                for word, lane in lanes.items()
            }
            lines += [f"    - {trigger(name, key, AHEAD)}" for name, key in ahead.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for channel in keyspace.CHANNELS:
        (Path(sys.argv[2]) / f"triggers-{channel}.yaml").write_text(patch(channel, int(sys.argv[1])), "utf-8")
