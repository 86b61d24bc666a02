"""Kubernetes objects written as plain dictionaries, and how they and charts become resources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi_kubernetes as k8s
from versions import Chart

import pulumi

Object = dict[str, Any]

#: The kinds we write ourselves; all others are custom resources.
KINDS: Mapping[str, type[pulumi.CustomResource]] = {
    "ConfigMap": k8s.core.v1.ConfigMap,
    "CronJob": k8s.batch.v1.CronJob,
    "Deployment": k8s.apps.v1.Deployment,
    "Namespace": k8s.core.v1.Namespace,
    "NetworkPolicy": k8s.networking.v1.NetworkPolicy,
    "PodDisruptionBudget": k8s.policy.v1.PodDisruptionBudget,
    "Secret": k8s.core.v1.Secret,
    "Service": k8s.core.v1.Service,
}

#: What the restricted Pod Security level asks of a container, and a root file system nobody can write to.
CONFINED: Object = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def create(name: str, written: Object, opts: pulumi.ResourceOptions) -> pulumi.CustomResource:
    """Register one object under the resource name ``name``."""
    kind = KINDS.get(written["kind"])
    if kind is None:
        return k8s.apiextensions.CustomResource(
            name, written["apiVersion"], written["kind"], written.get("spec"), written["metadata"], opts
        )
    rest = {key: value for key, value in written.items() if key not in {"apiVersion", "kind", "stringData"}}
    if "stringData" in written:
        rest["string_data"] = written["stringData"]
    return kind(name, opts=opts, **rest)


def install(
    name: str, chart: Chart, namespace: pulumi.Input[str], values: Object, opts: pulumi.ResourceOptions
) -> k8s.helm.v3.Release:
    """Install a chart as Helm does, hooks included; it is rolled back where it does not come up.

    Args:
        name: the release's, after which charts call their objects.
    """
    return k8s.helm.v3.Release(
        f"{name}-chart",
        name=name,
        chart=chart.name,
        version=chart.version or None,
        repository_opts=k8s.helm.v3.RepositoryOptsArgs(repo=chart.repository) if chart.repository else None,
        namespace=namespace,
        values=values,
        atomic=True,
        timeout=600,
        opts=opts,
    )


def namespace(name: str) -> Object:
    """A namespace of the platform's; the application's own is described in knative/."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def secret(name: str, where: str, data: Mapping[str, Any], kind: str = "Opaque") -> Object:
    """A Secret in the namespace ``where``."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": where},
        "type": kind,
        "stringData": dict(data),  # the SDK keeps it secret
    }


def labels(component: str) -> dict[str, str]:
    """What every pod of ours carries; the NetworkPolicies in knative/ go by it."""
    return {"app.kubernetes.io/part-of": "sspp", "app.kubernetes.io/component": component}


def pods(*components: str) -> Object:
    """A selector of our pods by what they are."""
    return {"matchExpressions": [{"key": "app.kubernetes.io/component", "operator": "In", "values": list(components)}]}


def policy(where: str, name: str, selector: Object, rules: Object) -> Object:
    """Openings in the namespace ``where``, in which everything is closed; policies add up.

    Args:
        rules: ``ingress`` or ``egress``, each a list of rules.
    """
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": where},
        "spec": {"podSelector": selector, "policyTypes": [key.capitalize() for key in rules], **rules},
    }
