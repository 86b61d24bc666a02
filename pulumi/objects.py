"""Kubernetes objects as plain dictionaries, and their registration, and that of charts, as resources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi_kubernetes as k8s
from versions import Chart

import pulumi

Object = dict[str, Any]

#: Kind -> resource class; any other kind is a custom resource.
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

#: The restricted Pod Security level for a container, and a read-only root file system.
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
    """Install a chart with its hooks; a release that does not become ready is rolled back.

    Args:
        name: of the release; charts name their objects after it.
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
    """Return a namespace of the platform; the application's own is in knative/."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def secret(name: str, where: str, data: Mapping[str, Any], kind: str = "Opaque") -> Object:
    """Return a Secret in the namespace ``where``."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": where},
        "type": kind,
        "stringData": dict(data),  # the SDK keeps it secret
    }


def labels(component: str) -> dict[str, str]:
    """Return the labels of a pod; the NetworkPolicies in knative/ select by them."""
    return {"app.kubernetes.io/part-of": "sspp", "app.kubernetes.io/component": component}


def pods(*components: str) -> Object:
    """Return a selector of the pods of some components."""
    return {"matchExpressions": [{"key": "app.kubernetes.io/component", "operator": "In", "values": list(components)}]}


def policy(where: str, name: str, selector: Object, rules: Object) -> Object:
    """Return a NetworkPolicy that opens something in the namespace ``where``, which denies everything else.

    Args:
        rules: ``ingress`` or ``egress``, each a list of rules.
    """
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": where},
        "spec": {"podSelector": selector, "policyTypes": [key.capitalize() for key in rules], **rules},
    }
