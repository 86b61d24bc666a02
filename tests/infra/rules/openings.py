"""The network policies: everything is denied but what is used."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from tests.infra.manifests import (
    COMPONENT,
    Object,
    environment,
    named,
    of_kind,
    ours,
    pods,
)

#: What only stacks with an Elasticsearch have.
COPYING = {"index", "dispatcher-signals"}
#: Components whose pods others make, and who does; labels are what we have of them.
MADE_ELSEWHERE = {"backup": "pulumi/, which knows the bucket", "elasticsearch": "the operator of Elasticsearch"}
#: Namespace -> the label its pods have that policies name.
NEIGHBOURS = {
    "kube-system": {"k8s-app": {"kube-dns"}},
    "knative-serving": {"app": {"activator", "autoscaler", "3scale-kourier-gateway"}},
    "kourier-system": {"app": {"3scale-kourier-gateway"}},
    "keda": {"app": {"keda-operator"}},
    "monitoring": {"app.kubernetes.io/name": {"prometheus"}},
    "elastic-system": {"control-plane": {"elastic-operator"}},
}
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
    """A component may call a store or the gateway if and only if its settings name the address."""
    for component, wanted in _callers(found).items():
        allowed = {target for target, callers in _allowed(found).items() if component in callers}
        for target in sorted(wanted - allowed):
            yield f"{component} uses {target} and may not"
        for target in sorted(allowed - wanted):
            yield f"{component} may use {target} and does not"


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


def _callers(found: list[Object]) -> dict[str, set[str]]:
    """Return component -> the targets whose addresses its settings name."""
    callers: dict[str, set[str]] = {}
    for pod, container in ours(found):
        settings = environment(found, container)
        callers.setdefault(pod.component, set()).update(
            target for name, target in _LEADS_TO.items() if name in settings
        )
    return callers


def _allowed(found: list[Object]) -> dict[str, set[str]]:
    """Return target -> the components that may call it."""
    allowed: dict[str, set[str]] = {}
    for policy in of_kind(found, ("networking.k8s.io/v1", "NetworkPolicy")):
        for rule in policy["spec"].get("egress", []):
            for port in rule.get("ports", []):
                target = _ANSWERS.get(port["port"], f"port {port['port']}")
                allowed.setdefault(target, set()).update(_components(policy["spec"]["podSelector"]))
    return allowed
