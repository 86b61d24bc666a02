"""The stack's network: a VPC, the firewalls of its nodes and of its gateway, its DNS zone."""

from __future__ import annotations

from typing import NamedTuple

import pulumi_linode as linode
from config import Stack

import pulumi

#: Of the nodes of an enterprise cluster and its database.
SUBNET = "10.40.0.0/16"
EVERYWHERE = (("0.0.0.0/0",), ("::/0",))
#: The private network all nodes of a region share, and where NodeBalancers call from. Source: LKE, "Network and
#: firewall details", and the default rules of linode/cloud-firewall-controller.
REGION = ("192.168.128.0/17",)
BALANCERS = ("192.168.255.0/24",)


class Rule(NamedTuple):
    """What may come in; ports as the API writes them."""

    label: str
    protocol: str
    ports: str | None
    ipv4: tuple[str, ...]
    ipv6: tuple[str, ...] = ()


#: What a node cannot do without; everything else is dropped.
NODE_RULES = (
    Rule("icmp", "ICMP", None, *EVERYWHERE),
    Rule("kubelet", "TCP", "10250,10256", REGION),
    Rule("wireguard", "UDP", "51820", REGION),
    Rule("dns-tcp", "TCP", "53", REGION),
    Rule("dns-udp", "UDP", "53", REGION),
    Rule("calico-bgp", "TCP", "179", REGION),
    Rule("calico-typha", "TCP", "5473", REGION),
    Rule("nodeports-tcp", "TCP", "30000-32767", BALANCERS),
    Rule("nodeports-udp", "UDP", "30000-32767", BALANCERS),
    Rule("ipencap", "IPENCAP", None, REGION),
)


def gateway_rules(tls: bool) -> tuple[Rule, ...]:
    """Who may knock at the front door: everyone; where there is TLS, at nothing else."""
    return (Rule("https", "TCP", "443", *EVERYWHERE),) if tls else (Rule("http", "TCP", "80", *EVERYWHERE),)


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
        self.node_firewall_id = _firewall("node-firewall", f"{stack.label}-nodes", NODE_RULES, child)
        rules = gateway_rules(tls=bool(stack.domain))
        self.gateway_firewall_id = _firewall("gateway-firewall", f"{stack.label}-gateway", rules, child)
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


def _firewall(name: str, label: str, rules: tuple[Rule, ...], opts: pulumi.ResourceOptions) -> pulumi.Output[int]:
    firewall = linode.Firewall(
        name,
        label=label,
        inbound_policy="DROP",
        outbound_policy="ACCEPT",
        inbounds=[
            linode.FirewallInboundArgs(
                label=rule.label,
                action="ACCEPT",
                protocol=rule.protocol,
                ports=rule.ports,
                ipv4s=list(rule.ipv4),
                ipv6s=list(rule.ipv6) or None,
            )
            for rule in rules
        ],
        opts=opts,
    )
    return firewall.id.apply(int)
