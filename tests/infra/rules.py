"""Our own rules over a stack's objects, each a pure function that gives a sentence for everything it finds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain, product
from typing import Any
from urllib.parse import urlsplit

from redis.crc import key_slot

from events import keyspace
from events.settings import FUNCTIONS, LOGINS, NAMES, PARTS
from events.subscription import SUBSCRIPTIONS
from functions.adapters.postgres.database import MIGRATION_TIMEOUT_MS
from functions.server import ASYNCHRONOUS, THREADS
from tests.infra.admission import Rule
from tests.infra.manifests import (
    KNATIVE_SERVICE,
    SCALED_OBJECT,
    Object,
    Pod,
    environment,
    kind_of,
    named,
    of_kind,
    ours,
    pods,
    settings_map,
)
from tests.servers.redis_server import DEPLOYED_USERS

COMPONENT = "app.kubernetes.io/component"

#: Settings no manifest names, and why.
LOCAL_ONLY = {
    "SSPP_HOME": "where `make run` keeps its state",
    "INGEST_PORT": "where `make run` puts the front door",
    "API_PORT": "where `make run` puts the API",
    "SSPP_FAILPOINTS": "tests kill processes with it",
    "PORT": "Knative sets it for functions; the dispatchers' default is what their probes ask",
}
#: Settings that only stacks with an Elasticsearch name.
SOME_STACKS = {"ELASTICSEARCH_URL"}

#: What only stacks with an Elasticsearch have.
COPYING = {"index", "dispatcher-signals"}

#: Component -> the user of Redis it is.
REDIS_USER_OF = {
    "ingest": "ingest",
    "api": "api",
    **{f"dispatcher-{channel}": "dispatcher" for channel in SUBSCRIPTIONS},
    "migrate": "operator",
    "tick": "operator",
}

#: Secret -> its keys, as docs/manifests.md promises them to whoever makes Secrets.
SECRETS = {
    "sspp-redis": {*REDIS_USER_OF.values(), *(f"{user}-password" for user in DEPLOYED_USERS)},
    "sspp-database": {"DATABASE_URL", "password"},
    "sspp-logins": {*LOGINS, "logins"},
    "sspp-elasticsearch": {"ELASTICSEARCH_URL"},
    "sspp-delivery": {"SSPP_DELIVERY_TOKEN"},
    "sspp-operator": {"SSPP_OPERATOR_KEY"},
    "sspp-smtp": {"SSPP_SMTP_URL"},
}

#: Components whose pods others make, and who does; labels are what we have of them.
MADE_ELSEWHERE = {"backup": "pulumi/, which knows the bucket", "elasticsearch": "the operator of Elasticsearch"}

#: Components that speak to the Kubernetes API, and why.
WITH_TOKEN = {"passwords": "makes the Secrets of dev that are missing"}

#: Namespace -> the label its pods have that policies name.
NEIGHBOURS = {
    "kube-system": {"k8s-app": {"kube-dns"}},
    "knative-serving": {"app": {"activator", "autoscaler", "3scale-kourier-gateway"}},
    "kourier-system": {"app": {"3scale-kourier-gateway"}},
    "keda": {"app": {"keda-operator"}},
    "monitoring": {"app.kubernetes.io/name": {"prometheus"}},
    "elastic-system": {"control-plane": {"elastic-operator"}},
}

#: The most connections a pod holds to Redis. To PostgreSQL it is THREADS for each pool.
REDIS_CONNECTIONS = {"ingest": 1, "api": 1 + THREADS, "migrate": 1}
#: About as few bytes as an accepted event counts as while it waits, the 256 for Redis included.
SMALLEST_BYTES = 512
#: max_connections: what overlays/dev gives its server, and what Akamai's plan of 4 GB has.
POSTGRES_LIMIT = 100
#: Kept free for superusers, backups and people.
POSTGRES_SPARE = 10

#: More than ever wait in one lane.
MOST_WAITING = 10**9

#: Seconds a cold start may take, seen on a cluster under load.
COLD_START_S = 2.5
#: Seconds queue-proxy waits for further requests before it stops.
DRAIN_S = 30
#: Seconds a dispatcher needs to settle what came back at the last moment.
SETTLE_S = 10


def settings_and_manifests_agree(found: list[Object]) -> Iterator[str]:
    """Every setting of ours is one that events/settings.py knows, and every one it knows is set somewhere."""
    named_here: set[str] = set()
    for pod, container in ours(found):
        told = environment(found, container).keys()
        named_here |= told
        for name in sorted(told - NAMES.keys()):
            yield f"{named(pod.owner)}: events/settings.py knows no {name}"
    for name in sorted(NAMES.keys() - named_here - LOCAL_ONLY.keys() - SOME_STACKS):
        yield f"no manifest sets {name}"
    for name in sorted(named_here & LOCAL_ONLY.keys()):
        yield f"{name} is local only: {LOCAL_ONLY[name]}"


def parts_get_what_they_need(found: list[Object]) -> Iterator[str]:
    """Each part has its required settings, and of the secret ones nothing else."""
    for pod, container in ours(found):
        part = container["command"][-1] if pod.component in FUNCTIONS else pod.component.partition("-")[0]
        if part not in PARTS or "--schema" in container["command"]:
            continue
        told = environment(found, container)
        for name in PARTS[part].required:
            if name not in told:
                yield f"{named(pod.owner)}: {name} is required"
        secret = {name for name, field in NAMES.items() if not field.repr}
        for name in sorted(secret & told.keys() - PARTS[part].names().keys()):
            yield f"{named(pod.owner)}: {name} is a secret that {part} does not use"


def secrets_are_known(found: list[Object]) -> Iterator[str]:
    """Values come from Secrets we promise, and no Secret is among the manifests."""
    if of_kind(found, ("v1", "Secret")):
        yield "a Secret is among the manifests"
    for pod in pods(found):
        for container in pod.containers:
            for entry in container.get("env", []):
                reference = entry.get("valueFrom", {}).get("secretKeyRef", {})
                if reference and reference["key"] not in SECRETS.get(reference["name"], ()):
                    yield f"{named(pod.owner)}: there is no {reference['key']} in a Secret {reference['name']}"
                if "value" in entry and re.search(
                    r"PASSWORD$|TOKEN|_KEY|://[^/]*@", f"{entry['name']}={entry['value']}"
                ):
                    yield f"{named(pod.owner)}: {entry['name']} is written down"


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


def _copied(found: list[Object]) -> bool:
    """Whether signals are copied to where they are searched."""
    return settings_map(found)["SSPP_SEARCH"] != "postgres"


def targets_are_local_functions(found: list[Object]) -> Iterator[str]:
    """Whoever delivers does so to a function that the world cannot reach."""
    local = {
        each["metadata"]["name"]
        for each in of_kind(found, KNATIVE_SERVICE)
        if each["metadata"].get("labels", {}).get("networking.knative.dev/visibility") == "cluster-local"
    }
    for pod, container in ours(found):
        told = environment(found, container)
        for url in f"{told.get('SSPP_TARGET_URL', '')} {told.get('SSPP_WAKE_URLS', '')}".split():
            name, _, where = (urlsplit(url).hostname or "").partition(".")
            if name not in local or where != f"{pod.owner['metadata']['namespace']}.svc.cluster.local":
                yield f"{named(pod.owner)}: {url} is no cluster-local function"
    for each in of_kind(found, KNATIVE_SERVICE):
        if (each["metadata"]["name"] in local) == (each["metadata"]["name"] in {"ingest", "api"}):
            yield f"{named(each)}: ingest and api are public, all else is not"


def time_is_ordered(found: list[Object]) -> Iterator[str]:
    """Claim idle > delivery > Knative's timeout > the function's plus a cold start; and drains are waited for."""
    told = settings_map(found)
    claim, delivery, function = (
        float(told[f"SSPP_{name}_SECONDS"]) for name in ("CLAIM_IDLE", "DELIVERY_TIMEOUT", "FUNCTION_TIMEOUT")
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


def _threads(pod: Pod) -> int:
    """How many threads of a pod may need a connection at a time; a Job's work is one thread's."""
    return 1 if pod.owner["kind"] in {"Job", "CronJob"} else THREADS


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
    told = {name: int(value) for name, value in settings_map(found).items() if value.isdecimal()}
    if told["SSPP_MAX_WAITING_BYTES"] * partitions_of_a_node(found) > most / 3:
        yield "SSPP_MAX_WAITING_BYTES in every partition are more than a third of maxmemory"
    if told["SSPP_MAX_STREAM_LENGTH"] * SMALLEST_BYTES < told["SSPP_MAX_WAITING_BYTES"]:
        yield "SSPP_MAX_STREAM_LENGTH is reached before SSPP_MAX_WAITING_BYTES: one tenant could fill a lane"


def pods_are_confined(found: list[Object]) -> Iterator[str]:
    """Restricted Pod Security, a read-only root, no token, and everything asks for what it needs."""
    for pod in pods(found):
        if pod.spec.get("automountServiceAccountToken") is not False:
            yield f"{named(pod.owner)}: a token is mounted"
        sources = (source for volume in pod.spec.get("volumes", []) for source in _projected(volume))
        if pod.component not in WITH_TOKEN and any("serviceAccountToken" in source for source in sources):
            yield f"{named(pod.owner)}: a token is mounted"
        for container in pod.containers:
            where = f"{named(pod.owner)}, {container['name']}"
            yield from (f"{where}: {fault}" for fault in _confinement(pod, container))
    for each in of_kind(found, KNATIVE_SERVICE):
        told = each["spec"]["template"]["metadata"]["annotations"]
        for what in ("cpu-resource-request", "memory-resource-request", "memory-resource-limit"):
            if f"queue.sidecar.serving.knative.dev/{what}" not in told:
                yield f"{named(each)}: queue-proxy has no {what}"


def images_are_pinned(found: list[Object]) -> Iterator[str]:
    """Ours by version or digest, everybody else's by digest."""
    own = {id(container) for _, container in ours(found)}
    for pod in pods(found):
        for container in pod.containers:
            image = container["image"]
            tag = re.search(r":([\w.-]+)$", image.partition("@")[0])
            if re.search(r"@sha256:[0-9a-f]{64}$", image):
                continue
            if id(container) not in own:
                yield f"{named(pod.owner)}: {image} has no digest"
            elif not tag or tag[1] == "latest":
                yield f"{named(pod.owner)}: {image} has no version"


def every_component_may_be_drained(found: list[Object]) -> Iterator[str]:
    """One PodDisruptionBudget a component that runs on, which lets one pod go."""
    budgets = of_kind(found, ("policy/v1", "PodDisruptionBudget"))
    for each in budgets:
        if each["spec"].get("maxUnavailable") != 1 or "minAvailable" in each["spec"]:
            yield f"{named(each)}: maxUnavailable must be 1"
        if each["spec"].get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"{named(each)}: broken pods would block a drain"
    covered = [each["spec"]["selector"]["matchLabels"].get(COMPONENT, "") for each in budgets]
    running = {pod.component for pod in pods(found) if kind_of(pod.owner)[0] != "batch/v1"} - {"mailbox"}
    for component in sorted(running ^ set(covered)):
        yield f"budgets and components differ in {component}"


def network_is_closed(found: list[Object]) -> Iterator[str]:
    """Everything is denied by default, and both ends of every opening are somebody."""
    policies = of_kind(found, ("networking.k8s.io/v1", "NetworkPolicy"))
    closed = [each for each in policies if each["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}]
    if not closed:
        yield "nothing is denied by default"
    known = {pod.component for pod in pods(found)} | MADE_ELSEWHERE.keys() | COPYING
    for each in policies:
        for component in sorted(_components(each["spec"]["podSelector"]) - known):
            yield f"{named(each)}: there is no component {component}"
        rules = (each["spec"].get(way, []) for way in ("ingress", "egress"))
        for rule in chain.from_iterable(rules):
            for peer in (*rule.get("from", []), *rule.get("to", [])):
                yield from (f"{named(each)}: {fault}" for fault in _peer(peer, known))


def openings_are_used(found: list[Object]) -> Iterator[str]:
    """Who may call a store or the gateway is who is told its address, and the other way round."""
    for component, wanted in _callers(found).items():
        allowed = {target for target, callers in _allowed(found).items() if component in callers}
        for target in sorted(wanted - allowed):
            yield f"{component} uses {target} and may not"
        for target in sorted(allowed - wanted):
            yield f"{component} may use {target} and does not"


def clocks_agree(found: list[Object]) -> Iterator[str]:
    """The clock looks every minute: an empty Redis is filled within one."""
    [tick] = [each for each in of_kind(found, ("batch/v1", "CronJob")) if each["metadata"]["name"] == "sspp-tick"]
    if tick["spec"]["schedule"] != "* * * * *":
        yield "the clock does not look every minute"


def jobs_make_way(found: list[Object]) -> Iterator[str]:
    """A Job cannot be changed: it ends, goes away soon, and is deleted by its label before the next apply."""
    for each in of_kind(found, ("batch/v1", "Job")):
        spec = each["spec"]
        if each["metadata"].get("labels", {}).get(COMPONENT) != "set-up":
            yield f"{named(each)}: nobody deletes it before the next apply"
        if spec.get("ttlSecondsAfterFinished", 86_400) > 300:
            yield f"{named(each)}: it stays after it ended"
        if "argocd.argoproj.io/hook" not in each["metadata"].get("annotations", {}):
            yield f"{named(each)}: Argo CD would make it again each time it went away"
        migrates = "functions.migrate" in spec["template"]["spec"]["containers"][0]["command"]
        if spec.get("activeDeadlineSeconds", 0) * 1000 <= (MIGRATION_TIMEOUT_MS if migrates else 0):
            yield f"{named(each)}: it may stay for ever, or ends before its longest statement does"


RULES: tuple[Rule, ...] = (
    settings_and_manifests_agree,
    parts_get_what_they_need,
    secrets_are_known,
    dispatchers_match_subscriptions,
    targets_are_local_functions,
    time_is_ordered,
    concurrency_is_what_a_process_serves,
    connections_fit,
    redis_is_the_truth,
    pods_are_confined,
    images_are_pinned,
    every_component_may_be_drained,
    network_is_closed,
    openings_are_used,
    clocks_agree,
    jobs_make_way,
)


def redis_option(found: list[Object], name: str) -> str:
    """An option of the deployed redis.conf, or of the cluster.conf that is read after it."""
    [files] = [each["data"] for each in of_kind(found, ("v1", "ConfigMap")) if "redis.conf" in each["data"]]
    told = [
        match[1] for text in (files["redis.conf"], files.get("cluster.conf", "")) for match in _options(text, name)
    ]
    return told[-1] if told else ""


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


def ports_outside(found: list[Object], component: str) -> set[int]:
    """Where a component may call any address there is."""
    return {
        port["port"]
        for policy in of_kind(found, ("networking.k8s.io/v1", "NetworkPolicy"))
        if component in _components(policy["spec"]["podSelector"])
        for rule in policy["spec"].get("egress", [])
        if any("ipBlock" in peer for peer in rule.get("to", []))
        for port in rule["ports"]
    }


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


def _pools(told: Mapping[str, object]) -> int:
    """How many pools of connections to PostgreSQL a part has: the API searches through one of its own."""
    searches_there = "SSPP_OPERATOR_KEY" in told and "ELASTICSEARCH_URL" not in told
    return ("DATABASE_URL" in told) + searches_there


def _most(found: list[Object], pod: Pod) -> int:
    """The most pods of one template."""
    name = pod.owner["metadata"]["name"]
    if kind_of(pod.owner) == KNATIVE_SERVICE:
        return int(pod.template["metadata"]["annotations"]["autoscaling.knative.dev/max-scale"])
    for scaled in of_kind(found, SCALED_OBJECT):
        if scaled["spec"]["scaleTargetRef"]["name"] == name:
            return int(scaled["spec"]["maxReplicaCount"])
    return int(pod.owner["spec"].get("replicas", 1))


def _projected(volume: Object) -> list[Object]:
    found: list[Object] = volume.get("projected", {}).get("sources", [])
    return found


def _confinement(pod: Pod, container: Object) -> Iterator[str]:
    context = {**pod.spec.get("securityContext", {}), **container.get("securityContext", {})}
    wanted: dict[str, Any] = {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for name, value in wanted.items():
        if context.get(name) != value:
            yield f"{name} is not {value}"
    resources = container.get("resources", {})
    for what, kind in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
        if kind not in resources.get(what, {}):
            yield f"no {kind} among its {what}"
    if "cpu" in resources.get("limits", {}):
        yield "a CPU limit makes wakes slower"


def _components(selector: Object) -> set[str]:
    """The components a selector names; what it leaves out counts as named, too."""
    found = {value for name, value in selector.get("matchLabels", {}).items() if name == COMPONENT}
    for expression in selector.get("matchExpressions", []):
        if expression["key"] == COMPONENT and expression["operator"] == "In":
            found |= set(expression["values"])
    return found


def _peer(peer: Object, known: set[str]) -> Iterator[str]:
    if "ipBlock" in peer:
        return
    pod_selector = peer.get("podSelector", {})
    if not pod_selector:
        yield "a whole namespace is let in or out"
    if "namespaceSelector" not in peer:
        for component in sorted(_components(pod_selector) - known):
            yield f"there is no component {component}"
        return
    labels = pod_selector.get("matchLabels", {}).items()
    for namespace in _namespaces(peer["namespaceSelector"]):
        for name, value in labels:
            if value not in NEIGHBOURS.get(namespace, {}).get(name, ()):
                yield f"there is no {name}={value} in {namespace}"


def _namespaces(selector: Object) -> list[str]:
    found = list(selector.get("matchLabels", {}).values())
    for expression in selector.get("matchExpressions", []):
        found += expression["values"]
    return found


#: Setting -> what its value leads to.
_LEADS_TO = {
    "REDIS_URL": "redis",
    "DATABASE_URL": "postgres",
    "ELASTICSEARCH_URL": "elasticsearch",
    "SSPP_TARGET_URL": "gateway",
    "SSPP_WAKE_URLS": "gateway",
    "SSPP_SMTP_URL": "mail",
}
#: TCP port -> what answers there.
_ANSWERS = {
    6379: "redis",
    5432: "postgres",
    9200: "elasticsearch",
    9243: "elasticsearch",
    443: "elasticsearch",  # of our own image's pods; backups, which have a bucket there, run others
    8081: "gateway",
    25: "mail",
    465: "mail",
    587: "mail",
    2525: "mail",
    1025: "mail",
}


def _callers(found: list[Object]) -> dict[str, set[str]]:
    """Component -> what it is told the address of."""
    callers: dict[str, set[str]] = {}
    for pod, container in ours(found):
        told = environment(found, container)
        callers.setdefault(pod.component, set()).update(target for name, target in _LEADS_TO.items() if name in told)
    return callers


def _allowed(found: list[Object]) -> dict[str, set[str]]:
    """What answers -> the components that may call it."""
    allowed: dict[str, set[str]] = {}
    for policy in of_kind(found, ("networking.k8s.io/v1", "NetworkPolicy")):
        for rule in policy["spec"].get("egress", []):
            for port in rule.get("ports", []):
                target = _ANSWERS.get(port["port"], f"port {port['port']}")
                allowed.setdefault(target, set()).update(_components(policy["spec"]["podSelector"]))
    return allowed


def _bytes(text: str) -> int:
    units = {"mi": 2**20, "gi": 2**30, "mb": 2**20, "gb": 2**30}
    return int(text[:-2]) * units[text[-2:].lower()]
