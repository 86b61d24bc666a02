"""Dispatchers, the functions they call, and the times that both keep."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from urllib.parse import urlsplit

from events import keyspace
from events.subscription import SUBSCRIPTIONS
from functions.server import ASYNCHRONOUS, THREADS
from tests.infra.manifests import (
    KNATIVE_SERVICE,
    SCALED_OBJECT,
    Object,
    environment,
    named,
    of_kind,
    ours,
    pods,
    settings_map,
)
from tests.infra.rules.stores import clustered

#: More than ever wait in one lane.
MOST_WAITING = 10**9
#: Seconds a cold start may take, seen on a cluster under load.
COLD_START_S = 2.5
#: Seconds queue-proxy waits for further requests before it stops.
DRAIN_S = 30
#: Seconds a dispatcher needs to settle what came back at the last moment.
SETTLE_S = 10


def dispatchers_match_subscriptions(found: list[Object]) -> Iterator[str]:
    """A dispatcher and a ScaledObject a subscription, a trigger a partition and kind of work, the right URL."""
    partitions = int(settings_map(found)["SSPP_PARTITIONS"])
    deployed = {each["metadata"]["name"]: each for each in of_kind(found, ("apps/v1", "Deployment"))}
    scaled = {each["metadata"]["name"]: each for each in of_kind(found, SCALED_OBJECT)}
    subscriptions = {
        channel: each for channel, each in SUBSCRIPTIONS.items() if channel != "signals" or _copied(found)
    }
    expected = {f"dispatcher-{channel}" for channel in subscriptions}
    for name in sorted(scaled.keys() ^ expected):
        yield f"ScaledObjects and subscriptions differ in {name}"
    for channel, subscription in subscriptions.items():
        name = f"dispatcher-{channel}"
        if name not in deployed or name not in scaled:
            yield f"the channel {channel} has no {name}"
            continue
        container = deployed[name]["spec"]["template"]["spec"]["containers"][0]
        if container["command"][-2:] != ["events", channel]:
            yield f"{name} does not run the channel {channel}"
        namespace = deployed[name]["metadata"]["namespace"]
        url = environment(found, container).get("SSPP_TARGET_URL")
        if url != f"http://{subscription.function}.{namespace}.svc.cluster.local/":
            yield f"{name} delivers to {url}"
        yield from _triggers(scaled[name], channel, partitions, namespace, "-cluster" if clustered(found) else "")


def targets_are_local_functions(found: list[Object]) -> Iterator[str]:
    """Whoever delivers does so to a function that the world cannot reach."""
    local = {
        each["metadata"]["name"]
        for each in of_kind(found, KNATIVE_SERVICE)
        if each["metadata"].get("labels", {}).get("networking.knative.dev/visibility") == "cluster-local"
    }
    for pod, container in ours(found):
        settings = environment(found, container)
        for url in f"{settings.get('SSPP_TARGET_URL', '')} {settings.get('SSPP_WAKE_URLS', '')}".split():
            name, _, where = (urlsplit(url).hostname or "").partition(".")
            if name not in local or where != f"{pod.owner['metadata']['namespace']}.svc.cluster.local":
                yield f"{named(pod.owner)}: {url} is no cluster-local function"
    for each in of_kind(found, KNATIVE_SERVICE):
        if (each["metadata"]["name"] in local) == (each["metadata"]["name"] in {"ingest", "api"}):
            yield f"{named(each)}: ingest and api are public, all else is not"


def time_is_ordered(found: list[Object]) -> Iterator[str]:
    """Claim idle > delivery > Knative's timeout > the function's plus a cold start; and drains are waited for."""
    settings = settings_map(found)
    claim, delivery, function = (
        float(settings[f"SSPP_{name}_SECONDS"]) for name in ("CLAIM_IDLE", "DELIVERY_TIMEOUT", "FUNCTION_TIMEOUT")
    )
    if not claim > delivery:
        yield "SSPP_CLAIM_IDLE_SECONDS is not above SSPP_DELIVERY_TIMEOUT_SECONDS"
    for each in of_kind(found, KNATIVE_SERVICE):
        timeout = each["spec"]["template"]["spec"]["timeoutSeconds"]
        if not delivery > timeout:
            yield f"{named(each)}: a dispatcher gives up before timeoutSeconds"
        if not timeout > function + COLD_START_S:
            yield f"{named(each)}: timeoutSeconds leaves no time for a cold start"
        if not timeout > DRAIN_S:
            yield f"{named(each)}: timeoutSeconds, which is the grace period too, cuts the drain off"
    for pod in pods(found):
        grace = pod.spec.get("terminationGracePeriodSeconds", 30)
        if pod.component.startswith("dispatcher-") and grace < delivery + SETTLE_S:
            yield f"{named(pod.owner)}: the grace period is shorter than a delivery and its settling"


def concurrency_is_what_a_process_serves(found: list[Object]) -> Iterator[str]:
    """A synchronous function serves as many requests as it has threads."""
    for each in of_kind(found, KNATIVE_SERVICE):
        concurrency = each["spec"]["template"]["spec"].get("containerConcurrency", 0)
        threads = None if each["metadata"]["name"] in ASYNCHRONOUS else THREADS
        if concurrency < 1 or concurrency != (threads or concurrency):
            yield f"{named(each)}: containerConcurrency {concurrency} is not what its process serves"


def _copied(found: list[Object]) -> bool:
    """Whether signals are copied to where they are searched."""
    return settings_map(found)["SSPP_SEARCH"] != "postgres"


def _triggers(scaled: Object, channel: str, partitions: int, namespace: str, kind_of_redis: str) -> Iterator[str]:
    spec = scaled["spec"]
    found = {
        (each["type"], each["metadata"].get("stream") or each["metadata"].get("listName")) for each in spec["triggers"]
    }
    lanes = list(product(range(partitions), keyspace.LANES))
    expected = {(f"redis{kind_of_redis}-streams", keyspace.stream_key(channel, *lane)) for lane in lanes}
    expected |= {(f"redis{kind_of_redis}", keyspace.retry_key(channel, *lane)) for lane in lanes}
    expected |= {(f"redis{kind_of_redis}", keyspace.fair_key(channel, partition)) for partition in range(partitions)}
    ahead = {keyspace.stream_key("events", *lane) for lane in lanes if channel == "signals"}
    expected |= {(f"redis{kind_of_redis}-streams", key) for key in ahead}  # every event leads to a signal
    for kind, key in sorted(expected - found):
        yield f"{named(scaled)}: no trigger of type {kind} watches {key}"
    for kind, key in sorted(found - expected):
        yield f"{named(scaled)}: {kind} watches {key}, which is nothing of this channel's"
    for each in spec["triggers"]:
        if each["metadata"].get("stream") in ahead and int(each["metadata"]["streamLength"]) < MOST_WAITING:
            yield f"{named(scaled)}: {each['name']} adds dispatchers by what is another's"
        address = each["metadata"].get("addresses" if kind_of_redis else "address")
        if address != f"sspp-redis.{namespace}.svc.cluster.local:6379":
            yield f"{named(scaled)}: {each['name']} asks {address}"
    if spec.get("minReplicaCount") != 0 or "maxReplicaCount" not in spec:
        yield f"{named(scaled)}: it must sleep, and have a most"
    if spec.get("pollingInterval", 30) > (2 if channel == "notices" else 1):
        yield f"{named(scaled)}: pollingInterval makes an event wait"
