"""One stack, from its configuration to its outputs."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Mapping
from functools import partial

import account
import config
import cost
import credentials
import delivery
import objects
import pulumi_linode as linode
import registry
import serving
import versions
from backup.jobs import Backups
from cluster import POOL_LABEL, Cluster
from databases import Databases, Managed
from delivery import Delivery
from network import Network
from serving import Serving
from stack import Stack
from storage import Storage

import pulumi

UPGRADE = (
    "{} goes from Kubernetes {} to {}: Linode replaces every node within this `up`, one pool after the other, minutes "
    "a node. New nodes have new addresses; each is admitted to a managed PostgreSQL. Events wait meanwhile."
)


def main() -> None:
    """Run the program; refuse a configuration that cannot work before anything is created."""
    try:
        config.refuse_unknown([*pulumi.runtime.config.get_config_env(), *pulumi.runtime.config.CONFIG.get()])
        stack = config.parse(settings(pulumi.get_stack(), os.environ))
    except config.ConfigError as exc:
        raise pulumi.RunError(str(exc)) from None
    build(stack)


def settings(name: str, env: Mapping[str, str]) -> dict[str, str]:
    """Return the stack's configuration, with Linode's own environment variables as defaults."""
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
    upgraded = refuse_unoffered(stack, cloud)
    account.refuse_narrow(stack)
    registry.refuse_unpullable(stack.image)
    in_cloud = pulumi.ResourceOptions(providers=[cloud])
    network = Network(stack, in_cloud)
    storage = Storage(stack, in_cloud)
    managed = Managed(stack, stack.database, network, in_cloud) if stack.database else None
    cluster = Cluster(stack, network, in_cloud)
    if upgraded is not None and managed and stack.tier == "standard" and not pulumi.runtime.is_dry_run():
        keep_admitted(stack, upgraded, cluster)
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


def keep_admitted(stack: Stack, cluster_id: int, cluster: Cluster) -> pulumi.Output[None]:
    """Admit new nodes to PostgreSQL while an upgrade replaces all of them.

    Returns:
        An output that is known once the upgrade is over.
    """
    done = threading.Event()
    label = f"{POOL_LABEL}=system"
    # The SDK's log needs this context. A daemon, so that a failing program does not wait for it.
    run, what = contextvars.copy_context().run, account.keep_admitted
    thread = threading.Thread(target=run, args=(what, stack, cluster_id, label, done), daemon=True)
    thread.start()

    async def end() -> None:
        done.set()
        await asyncio.to_thread(thread.join)

    return cluster.replaced.apply(lambda _: end())


def refuse_unoffered(stack: Stack, cloud: linode.Provider) -> int | None:
    """Refuse a token that does not work and a version of Kubernetes that LKE does not offer; nothing is created yet.

    Warn where the cluster is about to be upgraded, in the preview as well: the change itself looks harmless there.

    Returns:
        The id of the cluster that is about to be upgraded.
    """
    asked = pulumi.InvokeOptions(provider=cloud)
    try:
        offered = linode.get_lke_versions(tier=stack.tier if stack.api_version == "v4beta" else None, opts=asked)
        here = linode.get_lke_clusters(filters=[{"name": "label", "values": [stack.label]}], opts=asked)
    except Exception as exc:  # noqa: BLE001 - the SDK has no class for what a provider refuses
        reason = str(exc).strip().splitlines()[-1] if str(exc).strip() else type(exc).__name__
        raise pulumi.RunError(f"Linode cannot be asked; are linode:token and linode:url right? {reason}") from None
    upgraded = None
    for cluster in here.lke_clusters or []:
        if cluster.k8s_version != stack.kubernetes_version:
            upgraded = cluster.id
            pulumi.log.warn(UPGRADE.format(cluster.label, cluster.k8s_version, stack.kubernetes_version))
    fault = versions.offer_fault(
        stack.kubernetes_version,
        [version.id for version in offered.versions],
        stack.knative_version,
        stack.keda_version,
    )
    if fault:
        raise pulumi.RunError(fault)
    return upgraded


def outputs(stack: Stack, cluster: Cluster, platform: Serving) -> None:
    """Export the stack's outputs."""
    pulumi.export("kubeconfig", cluster.kubeconfig)
    pulumi.export("address", platform.address)
    for service in ("ingest", "api"):
        pulumi.export(service, platform.address.apply(partial(serving.url, stack, service)))
    operator = credentials.derived(stack.seed.get_secret_value(), "operator")
    pulumi.export("operatorKey", pulumi.Output.secret(operator))
    pulumi.export("monthlyCostUsd", cost.monthly(stack))
