"""One stack, from its configuration to its outputs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial

import config
import cost
import credentials
import delivery
import objects
import pulumi_linode as linode
import serving
import versions
from backups import Backups
from cluster import Cluster
from config import Stack
from databases import Databases, Managed
from delivery import Delivery
from network import Network
from serving import Serving
from storage import Storage

import pulumi


def main() -> None:
    """Run the program; what cannot work is refused before anything is created."""
    try:
        stack = config.parse(told(pulumi.get_stack(), os.environ))
    except config.ConfigError as exc:
        raise pulumi.RunError(str(exc)) from None
    build(stack)


def told(name: str, env: Mapping[str, str]) -> dict[str, str]:
    """What the stack is told: its configuration, and Linode's own variables where that says nothing."""
    ours, theirs = pulumi.Config("sspp"), pulumi.Config("linode")
    found = {
        "token": theirs.get("token") or env.get("LINODE_TOKEN"),
        "apiUrl": theirs.get("url") or env.get("LINODE_URL"),
        "apiVersion": theirs.get("apiVersion") or env.get("LINODE_API_VERSION"),
    }
    found |= {key: ours.get(key) for key in config.names() if key not in found}
    return {"name": name} | {key: value for key, value in found.items() if value and key != "name"}


def build(stack: Stack) -> None:
    """Register every resource of a stack."""
    cloud = linode.Provider(
        "linode",
        token=pulumi.Output.secret(stack.token.get_secret_value()),
        url=stack.api_url,
        api_version=stack.api_version,
        obj_use_temp_keys=True,  # a bucket's rules are set by a key of its own, made for the moment
    )
    refuse_unoffered(stack, cloud)
    in_cloud = pulumi.ResourceOptions(providers=[cloud])
    network = Network(stack, in_cloud)
    storage = Storage(stack, in_cloud)
    managed = Managed(stack, stack.database, network, in_cloud) if stack.database else None
    cluster = Cluster(stack, network, in_cloud)
    inside = pulumi.ResourceOptions(providers=[cloud, cluster.kubernetes])
    of_cluster = pulumi.ResourceOptions(provider=cluster.kubernetes)
    home = objects.create(
        stack.label,
        delivery.home(stack),
        pulumi.ResourceOptions.merge(of_cluster, pulumi.ResourceOptions(protect=stack.protect)),  # Redis' volume
    )
    secrets = [
        objects.create(
            name,
            objects.secret(name, stack.label, data),
            pulumi.ResourceOptions.merge(of_cluster, pulumi.ResourceOptions(depends_on=[home])),
        )
        for name, data in credentials.from_seed(stack).items()
    ]
    platform = Serving(stack, cluster, network, inside)
    databases = Databases(stack, managed, cluster, home, inside)
    Backups(stack, storage.secret, pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(depends_on=[home])))
    Delivery(stack, cluster, [home, *secrets, *platform.installed, *databases.installed], inside)
    network.point_at(platform.address)
    outputs(stack, cluster, platform)


def refuse_unoffered(stack: Stack, cloud: linode.Provider) -> None:
    """Refuse a version of Kubernetes that LKE does not offer, before anything is created."""
    offered = linode.get_lke_versions(
        tier=stack.tier if stack.api_version == "v4beta" else None, opts=pulumi.InvokeOptions(provider=cloud)
    )
    fault = versions.offer_fault(
        stack.kubernetes_version,
        [version.id for version in offered.versions],
        stack.knative_version,
        stack.keda_version,
    )
    if fault:
        raise pulumi.RunError(fault)


def outputs(stack: Stack, cluster: Cluster, platform: Serving) -> None:
    """What a person needs next."""
    pulumi.export("kubeconfig", cluster.kubeconfig)
    pulumi.export("address", platform.address)
    for service in ("ingest", "api"):
        pulumi.export(service, platform.address.apply(partial(serving.url, stack, service)))
    operator = credentials.derived(stack.seed.get_secret_value(), "operator")
    pulumi.export("operatorKey", pulumi.Output.secret(operator))
    pulumi.export("monthlyCostUsd", cost.monthly(stack))
