"""How knative/overlays/<stack> gets into the cluster: by Argo CD, or applied from here. Never both."""

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
from config import Stack
from objects import Object

import pulumi

REPOSITORY = Path(__file__).parents[1]


def application(stack: Stack) -> Object:
    """The one Application: what the repository says is what runs."""
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
            # Deleting it deletes what it made.
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
    """What Argo CD clones a private repository with."""
    given = {"type": "git", "url": stack.repository, "username": "git", "password": token}
    written = objects.secret("sspp-repository", "argocd", given)
    written["metadata"]["labels"] = {"argocd.argoproj.io/secret-type": "repository"}
    return written


def argocd_values(stack: Stack) -> Object:
    """Argo CD without what one Application does not need."""
    return {
        "dex": {"enabled": False},
        "notifications": {"enabled": False},
        "applicationSet": {"replicas": 0},
        "server": {"replicas": stack.replicas},
        "repoServer": {"replicas": stack.replicas},
    }


def home(stack: Stack) -> Object:
    """The application's namespace as the overlay describes it.

    The program itself makes it, whatever delivers the rest: Redis' volume and the Secrets are in it.
    """
    found: Object = yaml.safe_load((_base(stack) / "namespace.yaml").read_text("utf-8"))
    return found


def directory(stack: Stack, folder: Path) -> Path:
    """What is applied from here, in ``folder``: the overlay, with the stack's image.

    Without its namespace, which must not go when this does; and its Jobs stay when they ended, or every refresh would
    make new ones. Pulumi creates everything at once where nothing says otherwise, and Knative refuses a Service whose
    ServiceAccount is not there: each waits for it.
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
    """Return what is delivered: the stack's overlay, or the one on top of it with a Redis Cluster."""
    base = _base(stack)
    return base.with_name(f"{base.name}-redis-cluster") if stack.redis == "cluster" else base


def _renamed(stack: Stack) -> str:
    """Return what the stack's overlay calls the image; a kustomization on top of it sees no other name."""
    images = yaml.safe_load((_base(stack) / "kustomization.yaml").read_text("utf-8")).get("images", [])
    return next((str(entry.get("newName", "sspp")) for entry in images if entry["name"] == "sspp"), "sspp")


def _inside(stack: Stack) -> str:
    """Return what the kustomization that is delivered sees the image as."""
    return _renamed(stack) if stack.redis == "cluster" else "sspp"


def _images(stack: Stack) -> list[dict[str, str]]:
    name, _, digest = stack.image.partition("@")
    tag = ""
    if ":" in name.rpartition("/")[2]:
        name, _, tag = name.rpartition(":")
    return [{"name": _renamed(stack), "newName": name, **({"digest": digest} if digest else {"newTag": tag})}]


class Delivery(pulumi.ComponentResource):
    """The application."""

    def __init__(
        self, stack: Stack, cluster: Cluster, before: Sequence[pulumi.Resource], opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__("sspp:platform:Delivery", "delivery", None, opts)
        after = pulumi.ResourceOptions(parent=self, depends_on=list(before))
        if stack.delivery == "direct":
            k8s.kustomize.v2.Directory(
                "overlay",
                directory=os.path.relpath(directory(stack, REPOSITORY / ".cache" / "deploy")),
                # Where Argo CD delivered before, everything is there already.
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
