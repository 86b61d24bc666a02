"""Delivery of knative/overlays/<stack> to the cluster: by Argo CD or applied from here, never both."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import egress
import objects
import pulumi_kubernetes as k8s
import versions
import yaml
from cluster import Cluster
from objects import Object
from stack import Stack

import pulumi

REPOSITORY = Path(__file__).parents[1]


def application(stack: Stack) -> Object:
    """Return Argo CD's one Application."""
    source: Object = {
        "repoURL": stack.repository,
        "targetRevision": stack.revision,
        "path": _overlay(stack).relative_to(REPOSITORY).as_posix(),
        "kustomize": {"images": [f"{_inside(stack)}={stack.image}"], "patches": egress.patches(stack)},
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {
            "name": "sspp",
            "namespace": "argocd",
            # Deleting it deletes its objects.
            "finalizers": ["resources-finalizer.argocd.argoproj.io"],
            "annotations": {"pulumi.com/waitFor": "jsonpath={.status.health.status}=Healthy"},
        },
        "spec": {
            "project": "default",
            "source": source,
            "destination": {"server": "https://kubernetes.default.svc", "namespace": stack.label},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                "syncOptions": ["ServerSideApply=true"],
                "retry": {"limit": 10, "backoff": {"duration": "10s", "factor": 2, "maxDuration": "3m"}},
            },
        },
    }


def repository_secret(stack: Stack, token: str) -> Object:
    """Return the Secret with which Argo CD clones a private repository."""
    given = {"type": "git", "url": stack.repository, "username": "git", "password": token}
    written = objects.secret("sspp-repository", "argocd", given)
    written["metadata"]["labels"] = {"argocd.argoproj.io/secret-type": "repository"}
    return written


def argocd_values(stack: Stack) -> Object:
    """Return the chart's values: Argo CD without the parts that one Application does not need."""
    return {
        "dex": {"enabled": False},
        "notifications": {"enabled": False},
        "applicationSet": {"replicas": 0},
        "server": {"replicas": stack.replicas},
        "repoServer": {"replicas": stack.replicas},
    }


def home(stack: Stack) -> Object:
    """Return the application's namespace as the overlay describes it.

    The program itself owns it, so that a change of delivery keeps Redis' volume and the Secrets.
    """
    found: Object = yaml.safe_load((_base(stack) / "namespace.yaml").read_text("utf-8"))
    return found


def directory(stack: Stack, folder: Path) -> Path:
    """Write a kustomization below ``folder``: the overlay with the stack's image. Return its path.

    It leaves out the namespace, which must outlive it. Finished Jobs stay, or every refresh would create new ones.
    Pulumi creates objects in parallel, and Knative refuses a Service without its ServiceAccount, so each waits for it.
    """
    account = f"/namespaces/{stack.label}/ServiceAccount/sspp"
    overlay, target = _overlay(stack), folder / stack.name
    target.mkdir(parents=True, exist_ok=True)
    written = {
        "resources": [os.path.relpath(overlay, target)],
        "images": _images(stack),
        "patches": [
            *egress.patches(stack),
            {"patch": yaml.safe_dump({**objects.namespace(stack.label), "$patch": "delete"})},
            {"target": {"kind": "Job"}, "patch": "- {op: remove, path: /spec/ttlSecondsAfterFinished}"},
            {
                "target": {"group": "serving.knative.dev", "kind": "Service"},
                "patch": "- {op: add, path: /metadata/annotations/config.kubernetes.io~1depends-on, "
                f"value: {account}}}",
            },
        ],
    }
    (target / "kustomization.yaml").write_text(yaml.safe_dump(written), "utf-8")
    return target


def _base(stack: Stack) -> Path:
    return REPOSITORY / "knative" / "overlays" / stack.name


def _overlay(stack: Stack) -> Path:
    """Return the delivered overlay: the stack's own, or the one that adds a Redis Cluster to it."""
    base = _base(stack)
    return base.with_name(f"{base.name}-redis-cluster") if stack.redis == "cluster" else base


def _renamed(stack: Stack) -> str:
    """Return the image's name after the stack's overlay, as a kustomization on top of it sees it."""
    images = yaml.safe_load((_base(stack) / "kustomization.yaml").read_text("utf-8")).get("images", [])
    return next((str(entry.get("newName", "sspp")) for entry in images if entry["name"] == "sspp"), "sspp")


def _inside(stack: Stack) -> str:
    """Return the image's name inside the delivered overlay."""
    return _renamed(stack) if stack.redis == "cluster" else "sspp"


def _images(stack: Stack) -> list[dict[str, str]]:
    name, _, digest = stack.image.partition("@")
    tag = ""
    if ":" in name.rpartition("/")[2]:
        name, _, tag = name.rpartition(":")
    return [{"name": _renamed(stack), "newName": name, **({"digest": digest} if digest else {"newTag": tag})}]


class Delivery(pulumi.ComponentResource):
    """The application in the cluster."""

    def __init__(
        self, stack: Stack, cluster: Cluster, before: Sequence[pulumi.Resource], opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__("sspp:platform:Delivery", "delivery", None, opts)
        after = pulumi.ResourceOptions(parent=self, depends_on=list(before))
        if stack.delivery == "direct":
            k8s.kustomize.v2.Directory(
                "overlay",
                directory=os.path.relpath(directory(stack, REPOSITORY / ".cache" / "deploy")),
                # After a delivery by Argo CD the objects exist.
                opts=pulumi.ResourceOptions.merge(after, pulumi.ResourceOptions(provider=cluster.adopting())),
            )
        else:
            self._argocd(stack, after)
        self.register_outputs({})

    def _argocd(self, stack: Stack, after: pulumi.ResourceOptions) -> None:
        child = pulumi.ResourceOptions(parent=self)
        own = objects.create("argocd", objects.namespace("argocd"), child)
        inside = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[own]))
        chart = objects.install("argocd", stack.source(versions.ARGO_CD), "argocd", argocd_values(stack), inside)
        needed: list[pulumi.Resource] = [chart]
        if stack.repository_token:
            token = stack.repository_token.get_secret_value()
            needed.append(objects.create("repository", repository_secret(stack, token), inside))
        objects.create(
            "application",
            application(stack),
            pulumi.ResourceOptions.merge(
                after,
                pulumi.ResourceOptions(depends_on=needed, custom_timeouts=pulumi.CustomTimeouts(create="20m")),
            ),
        )
