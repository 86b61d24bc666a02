"""Who may call whom by the NetworkPolicies of a namespace, as Kubernetes reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.infra.manifests import COMPONENT, Object, of_kind

#: Labels of namespace and pod -> what we call it.
NEIGHBOURS = {"kube-dns": "names", "3scale-kourier-gateway": "gateway"}


def calls(found: list[Object], component: str) -> set[str]:
    """Where the pods of ``component`` may call, each with the ports: ``redis 6379``. Without ports: on any."""
    return {
        f"{place} {_ports(rule)}".strip()
        for rule in _rules(found, component, "egress")
        for peer in rule["to"]
        for place in _places(peer)
    }


def lets_in(found: list[Object], component: str, caller: str, port: int) -> bool:
    """Whether the pods of ``component`` take calls of ``caller``'s on ``port``: nobody's where no policy says so."""
    return any(
        _selects(peer.get("podSelector", {}), caller)
        for rule in _rules(found, component, "ingress")
        if port in {each["port"] for each in rule["ports"]}
        for peer in rule["from"]
        if "ipBlock" not in peer and "namespaceSelector" not in peer
    )


def _rules(found: list[Object], component: str, way: str) -> Iterable[Object]:
    for each in of_kind(found, ("networking.k8s.io/v1", "NetworkPolicy")):
        if _selects(each["spec"]["podSelector"], component):
            yield from each["spec"].get(way, [])


def _selects(selector: Mapping[str, Any], component: str) -> bool:
    labels = {"app.kubernetes.io/part-of": "sspp", COMPONENT: component}
    if any(labels.get(name) != value for name, value in selector.get("matchLabels", {}).items()):
        return False
    for each in selector.get("matchExpressions", []):
        is_in = labels.get(each["key"]) in each["values"]
        if is_in != {"In": True, "NotIn": False}[each["operator"]]:
            return False
    return True


def _places(peer: Mapping[str, Any]) -> list[str]:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        return [block["cidr"] + "".join(f" not {one}" for one in block.get("except", []))]
    selector = peer["podSelector"]
    if "namespaceSelector" in peer:
        (label,) = selector["matchLabels"].values()
        return [NEIGHBOURS[label]]
    expressions = {each["key"]: each["values"] for each in selector.get("matchExpressions", [])}
    return list(selector["matchLabels"].values()) if "matchLabels" in selector else list(expressions[COMPONENT])


def _ports(rule: Mapping[str, Any]) -> str:
    assert all(each["protocol"] == "TCP" for each in rule.get("ports", []))
    return ",".join(str(int(each["port"])) for each in rule.get("ports", []))
