"""The stack's network: a VPC, the firewall of its gateway, its DNS zone. The nodes' firewall is cluster.py's."""

from __future__ import annotations

from typing import NamedTuple

import pulumi_linode as linode
from stack import Stack

import pulumi

#: The network of an enterprise cluster's nodes and its database.
SUBNET = "10.40.0.0/16"


class Vpc(NamedTuple):
    """A private network and its one subnet, which nodes and databases are in."""

    id: pulumi.Output[int]
    subnet_id: pulumi.Output[int]


class Network(pulumi.ComponentResource):
    """The network of a stack.

    ``vpc`` is where an enterprise cluster and its database meet; None for a standard one, which LKE puts into no VPC.
    """

    def __init__(self, stack: Stack, opts: pulumi.ResourceOptions) -> None:
        super().__init__("sspp:infra:Network", "network", None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.vpc = _vpc(stack, child) if stack.tier == "enterprise" else None
        self.gateway_firewall_id = _gateway_firewall(stack, child)
        self.domain_id = _zone(stack, stack.domain, child) if stack.domain else None
        self.register_outputs({})

    def point_at(self, address: pulumi.Input[str]) -> None:
        """Point every name of the zone at ``address``."""
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


def _vpc(stack: Stack, opts: pulumi.ResourceOptions) -> Vpc:
    """Register a VPC and its one subnet."""
    vpc = linode.Vpc(
        "vpc",
        label=stack.label,
        region=stack.region,
        description=f"SSPP {stack.name}",
        ipv6s=[linode.VpcIpv6Args(range="auto")],  # LKE wants both
        opts=opts,
    )
    subnet = linode.VpcSubnet(
        "subnet",
        label="nodes",
        vpc_id=vpc.id.apply(int),
        ipv4=SUBNET,
        ipv6s=[linode.VpcSubnetIpv6Args(range="auto")],
        opts=opts,
    )
    return Vpc(vpc.id.apply(int), subnet.id.apply(int))


def _zone(stack: Stack, domain: str, opts: pulumi.ResourceOptions) -> pulumi.Output[int]:
    """Return the id of the DNS zone. A destroyed stack keeps its zone, which may hold foreign records."""
    if stack.zone == "existing":
        found = linode.get_domain_output(domain=domain, opts=pulumi.InvokeOutputOptions(parent=opts.parent))
        return found.id.apply(int)
    keep = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(retain_on_delete=True))
    zone = linode.Domain("zone", type="master", domain=domain, soa_email=stack.email, tags=[stack.label], opts=keep)
    return zone.id.apply(int)


def _gateway_firewall(stack: Stack, opts: pulumi.ResourceOptions) -> pulumi.Output[int]:
    """Return the id of the gateway's firewall: open to everyone, on 443 alone with a domain, else on 80 alone."""
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
