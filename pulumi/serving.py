"""Knative Serving with Kourier in front, and the wildcard certificate of the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import objects
import readiness
import versions
from cluster import ADVICE, Cluster
from network import Network
from objects import Object
from stack import Stack

import pulumi

NAMESPACE = "knative-serving"
#: The gateway's Service in that namespace.
GATEWAY = "kourier"
CERTIFICATE = "gateway-certificate"
#: The domain of a stack without one; it does not resolve, so clients send it in a Host header.
NO_DOMAIN = "sspp.example.com"
#: Knative's own budgets demand 80 % of the pods, so below five replicas no node could be drained.
BUDGETS = ("activator-pdb", "webhook-pdb", "3scale-kourier-gateway-pdb")
ANNOTATION = "service.beta.kubernetes.io/linode-loadbalancer-"
ACME = "https://acme-v02.api.letsencrypt.org/directory"


def balancer_annotations(stack: Stack, firewall_id: pulumi.Input[str]) -> dict[str, Any]:
    """Return the annotations from which Linode's controller configures the gateway's NodeBalancer."""
    annotations = {
        "default-protocol": "tcp",  # TLS ends in the gateway
        "check-type": "connection",
        "firewall-id": firewall_id,
        "tags": f"sspp,{stack.label}",
    }
    return {ANNOTATION + name: value for name, value in annotations.items()}


def knative_serving(stack: Stack, firewall_id: pulumi.Input[str]) -> Object:
    """Return the KnativeServing object, from which the operator installs Knative."""
    config: dict[str, dict[str, str]] = {
        "network": {
            "ingress-class": "kourier.ingress.networking.knative.dev",
            # One application a cluster: names without the namespace, so that one wildcard covers them.
            "domain-template": "{{.Name}}.{{.Domain}}",
        },
        "domain": {stack.domain or NO_DOMAIN: ""},
        "deployment": {"default-affinity-type": "prefer-spread-revision-over-nodes"},
    }
    if stack.domain:
        config["kourier"] = {"certs-secret-name": CERTIFICATE, "certs-secret-namespace": NAMESPACE}
    return {
        "apiVersion": "operator.knative.dev/v1beta1",
        "kind": "KnativeServing",
        "metadata": {
            "name": "knative-serving",
            "namespace": NAMESPACE,
            "annotations": {"pulumi.com/waitFor": "condition=Ready"},
        },
        "spec": {
            "version": stack.knative_version,
            "ingress": {"kourier": {"enabled": True}, "istio": {"enabled": False}},
            "config": config,
            "high-availability": {"replicas": stack.replicas},
            "podDisruptionBudgets": [{"name": name, "maxUnavailable": 1} for name in BUDGETS],
            "services": [{"name": GATEWAY, "annotations": balancer_annotations(stack, firewall_id)}],
        },
    }


def issuer(stack: Stack) -> Object:
    """Return the issuer: Let's Encrypt with DNS-01, which wildcards need."""
    solver = stack.dns_solver or {"webhook": {"solverName": "linode", "groupName": "acme.slicen.me"}}
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "ClusterIssuer",
        "metadata": {"name": "letsencrypt", "annotations": {"pulumi.com/waitFor": "condition=Ready"}},
        "spec": {
            "acme": {
                "server": ACME,
                "email": stack.email,
                "privateKeySecretRef": {"name": "letsencrypt-account"},
                "solvers": [{"dns01": dict(solver)}],
            }
        },
    }


def certificate(domain: str) -> Object:
    """Return the gateway's certificate, which cert-manager renews."""
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {
            "name": CERTIFICATE,
            "namespace": NAMESPACE,
            "annotations": {"pulumi.com/waitFor": "condition=Ready"},
        },
        "spec": {
            "secretName": CERTIFICATE,
            "dnsNames": [f"*.{domain}", domain],
            "issuerRef": {"kind": "ClusterIssuer", "name": "letsencrypt"},
            "privateKey": {"rotationPolicy": "Always"},
        },
    }


def keda_values(stack: Stack) -> Object:
    """Return the values of KEDA's chart: two replicas outside of dev, so that a node may fail."""
    return {
        "operator": {"replicaCount": stack.replicas},
        "metricsServer": {"replicaCount": stack.replicas},
        "webhooks": {"replicaCount": stack.replicas},
        "podDisruptionBudget": {part: {"maxUnavailable": 1} for part in ("operator", "metricServer", "webhooks")},
        "image": {"pullPolicy": "IfNotPresent"},
    }


class Serving(pulumi.ComponentResource):
    """Knative, its gateway and KEDA; ``address`` is the gateway's public one."""

    def __init__(self, stack: Stack, cluster: Cluster, network: Network, opts: pulumi.ResourceOptions) -> None:
        super().__init__("sspp:platform:Serving", "serving", None, opts)
        self._stack = stack
        child = pulumi.ResourceOptions(parent=self)
        own = {
            name: objects.create(name, objects.namespace(name), child)
            for name in ("knative-operator", NAMESPACE, "keda")
        }
        operator = objects.install(
            "knative-operator",
            stack.source(versions.KNATIVE_OPERATOR)._replace(version=f"v{stack.knative_version}"),
            "knative-operator",
            {},
            _after(child, own["knative-operator"]),
        )
        keda = objects.install(
            "keda",
            stack.source(versions.KEDA)._replace(version=stack.keda_version),
            "keda",
            keda_values(stack),
            _after(child, own["keda"]),
        )
        before: list[pulumi.Resource] = [operator, own[NAMESPACE]]
        if stack.domain:
            before.append(self._certificate(stack, stack.domain, own[NAMESPACE]))
        firewall_id = network.gateway_firewall_id.apply(str)
        patient = pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="15m", update="15m"))
        knative = objects.create(
            "knative-serving",
            knative_serving(stack, firewall_id),
            pulumi.ResourceOptions.merge(_after(child, *before), patient),
        )
        self.installed: list[pulumi.Resource] = [knative, keda]
        installed = pulumi.Output.all(cluster.kubeconfig, knative.id)
        address: pulumi.Output[str] = installed.apply(lambda both: self._gateway(both[0]))
        self.address = pulumi.Output.unsecret(address)
        self.register_outputs({"address": self.address})

    def _certificate(self, stack: Stack, domain: str, where: pulumi.Resource) -> pulumi.Resource:
        child = pulumi.ResourceOptions(parent=self)
        own = objects.create("cert-manager", objects.namespace("cert-manager"), child)
        values: Object = {"crds": {"enabled": True}, "replicaCount": stack.replicas}
        manager = objects.install(
            "cert-manager", stack.source(versions.CERT_MANAGER), "cert-manager", values, _after(child, own)
        )
        before: list[pulumi.Resource] = [manager]
        if not stack.dns_solver and stack.dns_token:
            token = {"token": stack.dns_token.get_secret_value()}
            objects.create(
                "linode-credentials", objects.secret("linode-credentials", "cert-manager", token), _after(child, own)
            )
            solver: Object = {"image": versions.LINODE_DNS_IMAGE, "deployment": {"logLevel": 2}}
            before.append(
                objects.install(
                    "linode-dns", stack.source(versions.LINODE_DNS), "cert-manager", solver, _after(child, manager)
                )
            )
        signer = objects.create("letsencrypt", issuer(stack), _after(child, *before))
        # Kourier serves nothing while the Secret of its certificate is missing.
        patient = pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="20m"))
        return objects.create(
            CERTIFICATE, certificate(domain), pulumi.ResourceOptions.merge(_after(child, signer, where), patient)
        )

    async def _gateway(self, kubeconfig: str) -> str:
        look = partial(readiness.gateway_address, readiness.Kubernetes(kubeconfig), NAMESPACE, GATEWAY)
        if pulumi.runtime.is_dry_run():
            return await readiness.once(look)
        if self._stack.domain:
            return await readiness.until(look, readiness.ADDRESS_TIMEOUT_S, ADVICE)
        try:  # nothing here depends on it, so it may come later
            return await readiness.until(look, readiness.PATIENCE_S, ADVICE)
        except pulumi.RunError as exc:
            pulumi.log.warn(f"{exc}; the next `pulumi up` shows the address")
            return ""


def url(stack: Stack, service: str, address: str) -> Mapping[str, str]:
    """Return the URL of a function and its Host header; empty while the gateway has no address."""
    host = f"{service}.{stack.domain or NO_DOMAIN}"
    if stack.domain:
        return {"url": f"https://{host}", "host": host}
    return {"url": f"http://{address}", "host": host} if address else {}


def _after(opts: pulumi.ResourceOptions, *before: pulumi.Resource) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=list(before)))
