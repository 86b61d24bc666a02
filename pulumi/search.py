"""Elasticsearch, run by ECK, and the application's user of it. Its data can be rebuilt at any time."""

from __future__ import annotations

import json

import credentials
import objects
import versions
from objects import Object
from stack import Search, Stack

NAME, USER = "sspp", "sspp"


def elasticsearch(stack: Stack, search: Search) -> Object:
    """Return the Elasticsearch object."""
    return {
        "apiVersion": "elasticsearch.k8s.elastic.co/v1",
        "kind": "Elasticsearch",
        "metadata": {
            "name": NAME,
            "namespace": stack.label,
            "annotations": {"pulumi.com/waitFor": "jsonpath={.status.phase}=Ready"},
        },
        "spec": {
            "version": versions.ELASTICSEARCH,
            "auth": {
                "fileRealm": [{"secretName": "sspp-search-user"}],
                "roles": [{"secretName": "sspp-search-role"}],
            },
            # Plain HTTP: the NetworkPolicies admit only pods of the namespace and the operator.
            "http": {"tls": {"selfSignedCertificate": {"disabled": True}}},
            "nodeSets": [_nodes(search)],
        },
    }


def _nodes(search: Search) -> Object:
    memory = {"memory": f"{search.memory}Gi"}
    container = {"name": "elasticsearch", "resources": {"requests": {"cpu": "250m", **memory}, "limits": memory}}
    pod = {
        "automountServiceAccountToken": False,
        # No securityContext: the operator gives its own (seccomp, and the group that may write to the volume) only
        # to pods that have none.
        "containers": [container],
    }
    volume = {
        "metadata": {"name": "elasticsearch-data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": f"{search.storage}Gi"}},
        },
    }
    return {
        "name": "data",
        "count": search.nodes,
        "config": {"node.store.allow_mmap": False},
        "podTemplate": {"metadata": {"labels": objects.labels("elasticsearch")}, "spec": pod},
        "volumeClaimTemplates": [volume],
    }


def secrets(stack: Stack) -> list[Object]:
    """Return the Secrets of the application's user: its role, its password, and the URL."""
    password = credentials.derived(stack.seed.get_secret_value(), "elasticsearch")
    role = {
        USER: {
            "cluster": ["monitor", "manage_index_templates"],
            "indices": [{"names": ["sspp*"], "privileges": ["all"]}],
        }
    }
    user = {"username": USER, "password": password, "roles": USER}
    address = f"http://{USER}:{password}@{NAME}-es-http:9200"
    return [
        objects.secret("sspp-search-role", stack.label, {"roles.yml": json.dumps(role)}),  # JSON is YAML
        objects.secret("sspp-search-user", stack.label, user, "kubernetes.io/basic-auth"),
        objects.secret("sspp-elasticsearch", stack.label, {"ELASTICSEARCH_URL": address}),
    ]
