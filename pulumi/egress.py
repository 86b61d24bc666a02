"""Egress to addresses outside of the cluster.

The overlays allow any address; these patches narrow that to the addresses that the program knows.
"""

from __future__ import annotations

import json
from ipaddress import ip_address
from urllib.parse import urlsplit

import objects
import relay
from network import SUBNET
from objects import Object
from stack import Stack

#: Networks that are not on the internet. Pods, Services, nodes and the cloud's metadata service are in some.
PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
#: Scheme of a mail server's URL -> its default port.
MAIL_PORTS = {"smtp": 25, "smtps": 465}


def internet() -> Object:
    """Return a peer for all public addresses; a NetworkPolicy cannot name a host."""
    return {"ipBlock": {"cidr": "0.0.0.0/0", "except": list(PRIVATE)}}


def database(stack: Stack) -> Object:
    """Return the peer of a managed PostgreSQL: the VPC of an enterprise cluster, else the internet."""
    return {"ipBlock": {"cidr": SUBNET}} if stack.tier == "enterprise" else internet()


def mail(stack: Stack) -> Object:
    """Return the egress rule for the mail server of ``smtpUrl``."""
    target = urlsplit(stack.smtp_url.get_secret_value())
    return _rule(_host(target.hostname or ""), target.port or MAIL_PORTS.get(target.scheme, 25))


def patches(stack: Stack) -> list[Object]:
    """Return the patches that narrow the overlay's NetworkPolicies, for kustomize and Argo CD."""
    narrowed = {"mail": mail(stack)}
    if stack.database:
        narrowed["to-postgres"] = _rule({"podSelector": objects.pods("database")}, relay.PORT)
    if stack.search:
        narrowed["to-elasticsearch"] = _rule({"podSelector": objects.pods("elasticsearch")}, 9200)
    return [
        {
            "target": {"kind": "NetworkPolicy", "name": name},
            "patch": json.dumps([{"op": "replace", "path": "/spec/egress", "value": [rule]}]),  # JSON is YAML
        }
        for name, rule in narrowed.items()
    ]


def _host(host: str) -> Object:
    try:
        address = ip_address(host)
    except ValueError:
        return internet()
    return {"ipBlock": {"cidr": f"{address}/{address.max_prefixlen}"}}


def _rule(to: Object, port: int) -> Object:
    return {"to": [to], "ports": [{"protocol": "TCP", "port": port}]}
