"""What Redis and PostgreSQL need to keep everything and to serve every connection."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from redis.crc import key_slot

from events.subscription import SUBSCRIPTIONS
from functions.server import THREADS
from tests.infra.manifests import (
    KNATIVE_SERVICE,
    SCALED_OBJECT,
    Object,
    Pod,
    environment,
    kind_of,
    of_kind,
    ours,
    pods,
    settings_map,
)

#: The most connections a pod holds to Redis. To PostgreSQL it is THREADS for each pool.
REDIS_CONNECTIONS = {"ingest": 1, "api": 1 + THREADS, "migrate": 1}
#: About as few bytes as an accepted event counts as while it waits, the 256 for Redis included.
SMALLEST_BYTES = 512
#: max_connections: what overlays/dev gives its server, and what Akamai's plan of 4 GB has.
POSTGRES_LIMIT = 100
#: Kept free for superusers, backups and people.
POSTGRES_SPARE = 10


def connections_fit(found: list[Object]) -> Iterator[str]:
    """Even with every part at its most, PostgreSQL and Redis have a connection for each."""
    postgres = sum(
        _most(found, pod) * _pools(environment(found, container)) * _threads(pod) for pod, container in ours(found)
    )
    if postgres > POSTGRES_LIMIT - POSTGRES_SPARE:
        yield f"{postgres} connections to PostgreSQL of {POSTGRES_LIMIT}, {POSTGRES_SPARE} of them kept free"
    partitions = int(settings_map(found)["SSPP_PARTITIONS"])
    held = REDIS_CONNECTIONS | {f"dispatcher-{channel}": partitions + 1 for channel in SUBSCRIPTIONS}
    redis = sum(_most(found, pod) * held.get(pod.component, 0) for pod in pods(found))
    redis += sum(len(each["spec"]["triggers"]) for each in of_kind(found, SCALED_OBJECT))
    limit = int(redis_option(found, "maxclients"))
    if redis > limit // 2:  # the other half is for the pods of the next revision, beside the old ones
        yield f"{redis} connections to Redis, more than half of {limit}"


def redis_is_the_truth(found: list[Object]) -> Iterator[str]:
    """Every write on disk, nothing ever evicted, on a volume, with memory left for rewriting the file."""
    promised = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
    for option, value in (promised | {"hash-max-listpack-entries": "128"}).items():
        if redis_option(found, option) != value:
            yield f"{option} is not {value}"
    [pod] = [pod for pod in pods(found) if pod.component == "redis"]
    if not pod.owner["spec"].get("volumeClaimTemplates"):
        yield "Redis has no volume"
    container = pod.spec["containers"][0]
    most = _bytes(container["args"][container["args"].index("--maxmemory") + 1])
    if most > 0.65 * _bytes(container["resources"]["limits"]["memory"]):
        yield "maxmemory leaves no memory for rewriting the append-only file"
    settings = {name: int(value) for name, value in settings_map(found).items() if value.isdecimal()}
    if settings["SSPP_MAX_WAITING_BYTES"] * partitions_of_a_node(found) > most / 3:
        yield "SSPP_MAX_WAITING_BYTES in every partition are more than a third of maxmemory"
    if settings["SSPP_MAX_STREAM_LENGTH"] * SMALLEST_BYTES < settings["SSPP_MAX_WAITING_BYTES"]:
        yield "SSPP_MAX_STREAM_LENGTH is reached before SSPP_MAX_WAITING_BYTES: one tenant could fill a lane"


def redis_option(found: list[Object], name: str) -> str:
    """An option of the deployed redis.conf, or of the cluster.conf that is read after it."""
    [files] = [each["data"] for each in of_kind(found, ("v1", "ConfigMap")) if "redis.conf" in each["data"]]
    values = [
        match[1] for text in (files["redis.conf"], files.get("cluster.conf", "")) for match in _options(text, name)
    ]
    return values[-1] if values else ""


def _options(text: str, name: str) -> Iterator[re.Match[str]]:
    return re.finditer(rf"^{name} (.*)$", text, re.MULTILINE)


def clustered(found: list[Object]) -> bool:
    """Whether the Redis that is deployed is a cluster."""
    return redis_option(found, "cluster-enabled") == "yes"


def partitions_of_a_node(found: list[Object]) -> int:
    """The most partitions that one Redis has: all of them, or of a cluster's thirds of the slots the fullest."""
    partitions = range(int(settings_map(found)["SSPP_PARTITIONS"]))
    if not clustered(found):
        return len(partitions)
    thirds = Counter(key_slot(str(partition).encode()) * 3 // 16_384 for partition in partitions)
    return max(thirds.values())


def _threads(pod: Pod) -> int:
    """How many threads of a pod may need a connection at a time; a Job's work is one thread's."""
    return 1 if pod.owner["kind"] in {"Job", "CronJob"} else THREADS


def _pools(settings: Mapping[str, object]) -> int:
    """How many pools of connections to PostgreSQL a part has: the API searches through one of its own."""
    searches_there = "SSPP_OPERATOR_KEY" in settings and "ELASTICSEARCH_URL" not in settings
    return ("DATABASE_URL" in settings) + searches_there


def _most(found: list[Object], pod: Pod) -> int:
    """The most pods of one template."""
    name = pod.owner["metadata"]["name"]
    if kind_of(pod.owner) == KNATIVE_SERVICE:
        return int(pod.template["metadata"]["annotations"]["autoscaling.knative.dev/max-scale"])
    for scaled in of_kind(found, SCALED_OBJECT):
        if scaled["spec"]["scaleTargetRef"]["name"] == name:
            return int(scaled["spec"]["maxReplicaCount"])
    return int(pod.owner["spec"].get("replicas", 1))


def _bytes(text: str) -> int:
    units = {"mi": 2**20, "gi": 2**30, "mb": 2**20, "gb": 2**30}
    return int(text[:-2]) * units[text[-2:].lower()]
