"""The relay to a managed PostgreSQL: HAProxy on the nodes that stay, which alone the database admits.

The public addresses of autoscaled nodes are not known beforehand.
"""

from __future__ import annotations

import hashlib

import objects
import versions
from cluster import POOL_LABEL
from objects import CONFINED, Object
from stack import Stack

import pulumi

#: Its Service inside the cluster.
NAME, PORT = "sspp-database", 5432
#: The components that connect to PostgreSQL.
CLIENTS = ("process", "index", "notify", "api", "migrate", "tick", "backup")
#: The user of HAProxy in its image.
USER = 99


def haproxy_config(host: str, port: int) -> str:
    """Return a configuration that forwards TCP. It resolves the name again every 10 s, since a failover moves it."""
    return f"""global
  log stdout format raw local0 notice
  maxconn 1000
resolvers cluster
  parse-resolv-conf
  accepted_payload_size 8192
  hold valid 10s
defaults
  mode tcp
  log global
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen postgres
  bind :{PORT}
  default-server check inter 10s resolvers cluster init-addr last,libc,none on-marked-down shutdown-sessions
  server primary {host}:{port}
"""


def written(stack: Stack, config: pulumi.Output[str], target: Object, port: pulumi.Input[int]) -> list[Object]:
    """Return every object of the relay.

    Args:
        config: of HAProxy.
        target: the database, as a peer of a NetworkPolicy.
        port: the database's own.
    """
    metadata = {"name": NAME, "namespace": stack.label, "labels": objects.labels("database")}
    selector = {"matchLabels": objects.labels("database")}
    # HAProxy reads its configuration once, so a changed one needs a new pod.
    annotations = {"sspp.io/config": config.apply(lambda text: hashlib.sha256(text.encode()).hexdigest())}
    template = {"metadata": {"labels": objects.labels("database"), "annotations": annotations}, "spec": _pod(selector)}
    ports = [{"name": "postgres", "port": PORT, "targetPort": "postgres"}]
    specs: list[Object] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "data": {"haproxy.cfg": config}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "spec": {"replicas": stack.replicas, "selector": selector, "template": template},
        },
        {"apiVersion": "v1", "kind": "Service", "spec": {"selector": objects.labels("database"), "ports": ports}},
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "spec": {"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow", "selector": selector},
        },
    ]
    return [*({**spec, "metadata": metadata} for spec in specs), *openings(stack, target, port)]


def _pod(selector: Object) -> Object:
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": selector,
    }
    container = {
        "name": "haproxy",
        "image": versions.HAPROXY_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "postgres", "containerPort": PORT}],
        "readinessProbe": {"tcpSocket": {"port": "postgres"}, "periodSeconds": 5},
        "resources": {"requests": {"cpu": "25m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": CONFINED,
        "volumeMounts": [{"name": "config", "mountPath": "/usr/local/etc/haproxy", "readOnly": True}],
    }
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": {POOL_LABEL: "system"},
        "securityContext": {"runAsUser": USER, "runAsGroup": USER, "runAsNonRoot": True},
        "terminationGracePeriodSeconds": 60,
        "topologySpreadConstraints": [spread],
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": NAME}}],
    }


def openings(stack: Stack, target: Object, port: pulumi.Input[int]) -> list[Object]:
    """Return the NetworkPolicies: the parts may reach the relay, the relay its database and DNS."""
    clients = objects.pods(*CLIENTS)
    itself = objects.pods("database")
    door = [{"protocol": "TCP", "port": PORT}]
    outside = {"to": [target], "ports": [{"protocol": "TCP", "port": port}]}
    names = {
        "to": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            }
        ]
    }
    return [
        objects.policy(stack.label, NAME, itself, {"ingress": [{"from": [{"podSelector": clients}], "ports": door}]}),
        objects.policy(stack.label, f"from-{NAME}", itself, {"egress": [outside, names]}),
        objects.policy(
            stack.label, f"to-{NAME}", clients, {"egress": [{"to": [{"podSelector": itself}], "ports": door}]}
        ),
    ]
