"""Where pods may call what is outside of the cluster, as far as the program knows it. The overlays let whoever has no
such program call any address; these patches narrow that.
"""

from __future__ import annotations

import json
from ipaddress import ip_address
from urllib.parse import urlsplit

import objects
import relay
from config import Stack
from network import SUBNET
from objects import Object

#: Networks that are nobody's on the internet: pods, Services and nodes are in some, and clouds' metadata.
PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
#: Scheme of a mail server's URL -> the port it has where the URL names none.
MAIL_PORTS = {"smtp": 25, "smtps": 465}


def internet() -> Object:
    """Any address but private ones: of hosts that are known by name, a policy cannot say more."""
    return {"ipBlock": {"cidr": "0.0.0.0/0", "except": list(PRIVATE)}}


def database(stack: Stack) -> Object:
    """Where a managed PostgreSQL is: in the VPC of an enterprise cluster, else behind a public name."""
    return {"ipBlock": {"cidr": SUBNET}} if stack.tier == "enterprise" else internet()


def mail(stack: Stack) -> Object:
    """Where the mail server of ``smtpUrl`` is, and at what port."""
    target = urlsplit(stack.smtp_url.get_secret_value())
    return _rule(_host(target.hostname or ""), target.port or MAIL_PORTS.get(target.scheme, 25))


def patches(stack: Stack) -> list[Object]:
    """The overlay's NetworkPolicies that are narrowed, as kustomize and Argo CD take patches."""
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
