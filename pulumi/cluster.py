"""The Kubernetes cluster: its control plane, its nodes and their firewall, and its kubeconfig once they are Ready."""

from __future__ import annotations

import asyncio
import base64
from functools import partial

import objects
import pulumi_kubernetes as k8s
import pulumi_linode as linode
import readiness
import versions
from network import Network
from stack import Stack

import pulumi

#: The tag of pools that are resources of their own; the cluster resource ignores pools with it.
EXTERNAL_POOL_TAG = "sspp-own-pool"
#: The label whose value is `system` on nodes that stay, and `workers` on autoscaled ones.
POOL_LABEL = "sspp.io/pool"
ADVICE = (
    "Look at the cluster in Linode's Cloud Manager (nodes still provisioning, the account's limits), "
    "then run `pulumi up` again; sspp:readyTimeoutMinutes gives it more time"
)


class Cluster(pulumi.ComponentResource):
    """An LKE cluster with one fixed and one autoscaled pool.

    ``kubernetes`` is the provider for everything in it and can be used once the nodes are Ready. ``replaced`` is known
    once a change of its version has replaced them all.
    """

    def __init__(self, stack: Stack, network: Network, opts: pulumi.ResourceOptions) -> None:
        super().__init__("sspp:infra:Cluster", "cluster", None, opts)
        self.stack = stack
        cluster = self._cluster(stack, network)
        workers = self._workers(stack, cluster.id.apply(int))
        decoded = cluster.kubeconfig.apply(lambda text: base64.b64decode(text).decode("utf-8"))
        self.kubeconfig: pulumi.Output[str] = pulumi.Output.secret(
            pulumi.Output.all(decoded, workers.id).apply(lambda both: self._when_ready(both[0]))
        )
        self._lke = cluster
        self.replaced = cluster.k8s_version
        self.kubernetes = self._connected("kubernetes", cluster.id)
        if stack.tier == "standard":
            self._node_firewall()
        self.register_outputs({"kubeconfig": self.kubeconfig})

    def _cluster(self, stack: Stack, network: Network) -> linode.LkeCluster:
        enterprise = stack.tier == "enterprise"
        return linode.LkeCluster(
            "cluster",
            label=stack.label,
            region=stack.region,
            k8s_version=stack.kubernetes_version,
            tags=["sspp", stack.label],
            external_pool_tags=[EXTERNAL_POOL_TAG],
            control_plane=_control_plane(stack),
            # One pool must be here. Its size is fixed: unrelated updates shrink and regrow one that scales itself.
            pools=[
                linode.LkeClusterPoolArgs(
                    type=stack.system_pool.type,
                    count=stack.system_pool.count,
                    labels={POOL_LABEL: "system"},
                )
            ],
            # Both exist only in the v4beta API.
            tier="enterprise" if enterprise else None,
            vpc_id=network.vpc.id if network.vpc else None,
            subnet_id=network.vpc.subnet_id if network.vpc else None,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=stack.protect,
                additional_secret_outputs=["kubeconfig"],
                custom_timeouts=pulumi.CustomTimeouts(create="40m", update="60m"),
            ),
        )

    def _workers(self, stack: Stack, cluster_id: pulumi.Input[int]) -> linode.LkeNodePool:
        return linode.LkeNodePool(
            "workers",
            cluster_id=cluster_id,
            type=stack.worker_pool.type,
            node_count=stack.worker_pool.min,
            autoscaler=linode.LkeNodePoolAutoscalerArgs(min=stack.worker_pool.min, max=stack.worker_pool.max),
            labels={POOL_LABEL: "workers"},
            tags=[EXTERNAL_POOL_TAG, stack.label],
            # The autoscaler changes it from then on.
            opts=pulumi.ResourceOptions(parent=self, protect=stack.protect, ignore_changes=["node_count"]),
        )

    def _node_firewall(self) -> None:
        """Install Linode's controller, which puts every node, present and future, behind one firewall.

        A pool's ``firewall_id`` is for enterprise clusters, which LKE gives a firewall anyway. A standard one ignores
        it, and the provider, which does not find it again, takes the pool for a stranger and deletes it.

        Both charts are deleted with the cluster and never uninstalled: the controller's own CloudFirewall object has a
        finalizer that only the controller clears, so that its definition could not be deleted after the controller.
        """
        child = pulumi.ResourceOptions(parent=self, provider=self.kubernetes, deleted_with=self._lke)
        definitions = objects.install(
            "node-firewall-crd", self.stack.source(versions.NODE_FIREWALL_CRD), "kube-system", {}, child
        )
        after = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[definitions]))
        objects.install("node-firewall", self.stack.source(versions.NODE_FIREWALL), "kube-system", {}, after)

    async def _when_ready(self, kubeconfig: str) -> str:
        """Return the kubeconfig once all initial nodes are Ready and the kind of Redis is unchanged."""
        kubernetes = readiness.Kubernetes(kubeconfig)
        if not pulumi.runtime.is_dry_run():
            wanted = self.stack.system_pool.count + self.stack.worker_pool.min
            look = partial(readiness.nodes_ready, kubernetes, wanted)
            await readiness.until(look, self.stack.ready_timeout_minutes * 60, ADVICE)
        await asyncio.to_thread(readiness.refuse_another_redis, kubernetes, self.stack.label, self.stack.redis)
        return kubeconfig

    def addresses(self) -> pulumi.Output[list[str]]:
        """Return the public addresses of the nodes that stay, as networks."""
        return pulumi.Output.unsecret(self.kubeconfig.apply(self._addresses))

    async def _addresses(self, kubeconfig: str) -> list[str]:
        look = partial(readiness.addresses, readiness.Kubernetes(kubeconfig), f"{POOL_LABEL}=system")
        if pulumi.runtime.is_dry_run():
            return await readiness.once(look)
        return await readiness.until(look, readiness.ADDRESS_TIMEOUT_S, ADVICE)

    def adopting(self) -> k8s.Provider:
        """Return a provider that adopts objects which exist already."""
        return self._connected("kubernetes-adopting", self._lke.id, upsert=True)

    def _connected(self, name: str, identifier: pulumi.Output[str], *, upsert: bool | None = None) -> k8s.Provider:
        return k8s.Provider(
            name,
            kubeconfig=self.kubeconfig,
            cluster_identifier=identifier,  # a rotated kubeconfig is no other cluster
            enable_server_side_apply=True,
            upsert_existing_objects=upsert,
            opts=pulumi.ResourceOptions(parent=self),
        )


def _control_plane(stack: Stack) -> linode.LkeClusterControlPlaneArgs:
    ipv4 = [network for network in stack.control_plane_acl if ":" not in network]
    ipv6 = [network for network in stack.control_plane_acl if ":" in network]
    # A list closes the control plane to all other addresses.
    acl = linode.LkeClusterControlPlaneAclArgs(
        enabled=True, addresses=[linode.LkeClusterControlPlaneAclAddressArgs(ipv4s=ipv4, ipv6s=ipv6)]
    )
    # High availability cannot be taken back; an enterprise cluster always has it and does not take the flag.
    return linode.LkeClusterControlPlaneArgs(
        acl=acl if stack.control_plane_acl else None,
        high_availability=stack.high_availability if stack.tier == "standard" else None,
    )
