"""The stack's network: a VPC, the firewall of its gateway, its DNS zone. The nodes' firewall is cluster.py's."""

from __future__ import annotations

import pulumi_linode as linode
from config import Stack

import pulumi

#: Of the nodes of an enterprise cluster and its database.
SUBNET = "10.40.0.0/16"


class Network(pulumi.ComponentResource):
    """The network of a stack.

    ``vpc_id`` and ``subnet_id`` are where an enterprise cluster and its database meet; LKE's standard clusters
    cannot be put into a VPC.
    """

    def __init__(self, stack: Stack, opts: pulumi.ResourceOptions) -> None:
        super().__init__("sspp:infra:Network", "network", None, opts)
        child = pulumi.ResourceOptions(parent=self)
        dual = stack.tier == "enterprise"  # what LKE wants of a subnet
        vpc = linode.Vpc(
            "vpc",
            label=stack.label,
            region=stack.region,
            description=f"SSPP {stack.name}",
            ipv6s=[linode.VpcIpv6Args(range="auto")] if dual else None,
            opts=child,
        )
        subnet = linode.VpcSubnet(
            "subnet",
            label="nodes",
            vpc_id=vpc.id.apply(int),
            ipv4=SUBNET,
            ipv6s=[linode.VpcSubnetIpv6Args(range="auto")] if dual else None,
            opts=child,
        )
        self.vpc_id: pulumi.Output[int] = vpc.id.apply(int)
        self.subnet_id: pulumi.Output[int] = subnet.id.apply(int)
        self.gateway_firewall_id = _gateway_firewall(stack, child)
        self.domain_id: pulumi.Output[int] | None = None
        if stack.domain:
            zone = linode.Domain(
                "zone", type="master", domain=stack.domain, soa_email=stack.email, tags=[stack.label], opts=child
            )
            self.domain_id = zone.id.apply(int)
        self.register_outputs({})

    def point_at(self, address: pulumi.Input[str]) -> None:
        """Let every name of the zone lead to ``address``."""
        if self.domain_id is not None:
            linode.DomainRecord(
                "wildcard",
                domain_id=self.domain_id,
                record_type="A",
                name="*",
                target=address,
                ttl_sec=300,
                opts=pulumi.ResourceOptions(parent=self),
            )


def _gateway_firewall(stack: Stack, opts: pulumi.ResourceOptions) -> pulumi.Output[int]:
    """Who may knock at the front door: everyone; where there is TLS, at nothing else."""
    label, port = ("https", "443") if stack.domain else ("http", "80")
    firewall = linode.Firewall(
        "gateway-firewall",
        label=f"{stack.label}-gateway",
        inbound_policy="DROP",
        outbound_policy="ACCEPT",
        inbounds=[
            linode.FirewallInboundArgs(
                label=label, action="ACCEPT", protocol="TCP", ports=port, ipv4s=["0.0.0.0/0"], ipv6s=["::/0"]
            )
        ],
        opts=opts,
    )
    return firewall.id.apply(int)
