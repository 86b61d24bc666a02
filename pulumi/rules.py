"""What settings must not contradict: each fault is the setting and a sentence that says what to change."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

import versions
from stack import Stack

#: A setting, and what is wrong with it.
Fault = tuple[str, str]

#: The command that makes the key pair of the backups.
KEY_PAIR = (
    "openssl req -x509 -newkey rsa:3072 -nodes -days 36500 -subj /CN=sspp -keyout backup.key -out backup.crt "
    "&& pulumi config set sspp:backupCertificate < backup.crt"
)


def contradictions(stack: Stack) -> Iterator[Fault]:
    """Yield the faults of a stack whose settings are each well formed."""
    for fault in versions.faults(stack.kubernetes_version, stack.knative_version, stack.keda_version):
        yield "kubernetesVersion", fault
    yield from _mirrors(stack)
    if stack.worker_pool.min > stack.worker_pool.max:
        yield "workerPool", "sspp:workerPool.min is above max: lower it"
    if stack.tier == "enterprise" and stack.api_version != "v4beta":
        yield "tier", "LKE Enterprise is only in the v4beta API: set linode:apiVersion to v4beta"
    if not stack.backup_certificate:
        yield "backupCertificate", f"sspp:backupCertificate is missing: {KEY_PAIR}"
    if stack.delivery == "argocd" and not stack.repository:
        yield "repository", "sspp:repository is missing: set it to the address Argo CD clones this repository from"
    yield from _tls(stack)
    yield from _cluster(stack)
    if stack.name != "dev":
        yield from _managed(stack)
    if stack.name == "prod":
        yield from _production(stack)


def _mirrors(stack: Stack) -> Iterator[Fault]:
    for name, place in sorted(stack.charts.items()):
        if name not in versions.CHARTS:
            yield "charts", f"sspp:charts.{name} is no chart that is installed: one of {', '.join(versions.CHARTS)}"
        elif versions.CHARTS[name] == versions.LINODE_DNS and not place.endswith(".tgz"):
            yield "charts", f"sspp:charts.{name} must be the address of a .tgz: its maker has no repository"


def _tls(stack: Stack) -> Iterator[Fault]:
    if not stack.domain:
        return
    if not stack.email:
        yield "email", "sspp:email is missing: the certificate authority and the zone want an address"
    if not stack.dns_solver and not stack.dns_token:
        yield (
            "dnsToken",
            "sspp:dnsToken is missing: pulumi config set --secret sspp:dnsToken <a token that may write domains>, "
            "or set sspp:dnsSolver to a DNS-01 solver of cert-manager",
        )


def _cluster(stack: Stack) -> Iterator[Fault]:
    """Yield the faults of a Redis Cluster: two of its three primaries must survive the loss of a node."""
    if stack.redis == "single":
        return
    if stack.name == "dev":
        yield "redis", "sspp:redis is cluster, which dev has no overlay for: set it to single"
    elif stack.system_pool.count + stack.worker_pool.min < 3:
        yield (
            "redis",
            "sspp:redis is cluster, and its three primaries need three nodes: raise sspp:systemPool.count or "
            "sspp:workerPool.min, or set it to single",
        )


def _managed(stack: Stack) -> Iterator[Fault]:
    if not stack.database:
        yield "database", "sspp:database is missing: set its type, nodes and version"
    if stack.database and stack.database.nodes == 2 and stack.database.type.startswith("g6-standard"):
        yield "database", "sspp:database: two nodes need a dedicated type, g6-dedicated-2 for one"
    if not stack.search:
        yield "search", "sspp:search is missing: set its nodes, memory and storage"


def _production(stack: Stack) -> Iterator[Fault]:
    """Yield the faults of prod: it must survive the loss of a machine, be closed to strangers and keep its data."""
    acl, database, search = stack.control_plane_acl, stack.database, stack.search
    refused = (
        (
            not acl,
            "controlPlaneAcl",
            "is empty, so the control plane is open to everyone: list the networks that deploy, "
            "pulumi config set --path 'sspp:controlPlaneAcl[0]' 203.0.113.7/32",
        ),
        (
            any(ip_network(network).prefixlen < 8 for network in acl),
            "controlPlaneAcl",
            "is open to the world: list only the networks that deploy",
        ),
        (
            stack.tier == "standard" and not stack.high_availability,
            "highAvailability",
            "is false: set it to true, a control plane may fail",
        ),
        (stack.system_pool.count < 2, "systemPool", "has one node: set count to at least 2, a node may fail"),
        (stack.worker_pool.min < 2, "workerPool", "may have one node: set min to at least 2, a node may fail"),
        (bool(database and database.nodes < 2), "database", "has one node: set nodes to 3, a node may fail"),
        (bool(search and search.nodes < 3), "search", "has too few nodes: set nodes to 3, a node may fail"),
        (not stack.domain, "domain", "is missing: without it there is no TLS, and keys would travel in the clear"),
        (
            not stack.locked_bucket_at,
            "lockedBucketAt",
            "is missing: make a bucket that keeps what is put there, as docs/deploy.md says, and set it to its host",
        ),
        (not stack.protect, "protect", "is false: set it to true, prod holds data"),
    )
    return ((setting, f"sspp:{setting} {fault}") for is_so, setting, fault in refused if is_so)
