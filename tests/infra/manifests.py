"""The rendered overlays, as dictionaries, and how to find one's way in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
#: kubectl 1.34 and 1.35 have this version of kustomize built in. Source: k8s.io/kubectl, go.mod of v0.34 and v0.35.
OLDEST_KUSTOMIZE = ROOT / ".cache" / "kustomize-5.7.1" / "kustomize"
STACKS = ("dev", "staging", "prod")
#: The label that names what a pod is part of.
COMPONENT = "app.kubernetes.io/component"

KNATIVE_SERVICE = ("serving.knative.dev/v1", "Service")
SCALED_OBJECT = ("keda.sh/v1alpha1", "ScaledObject")

Object = dict[str, Any]


@cache
def rendered(stack: str) -> str:
    """What `kubectl apply -k knative/overlays/<stack>` would apply, as YAML."""
    return kustomized(ROOT / "knative" / "overlays" / stack)


def kustomized(folder: Path) -> str:
    """What kubectl's own kustomize makes of a folder."""
    argv: list[str | Path] = [Path(sys.executable).parent / "kubectl", "kustomize", folder]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr  # kustomize warns of what is deprecated
    return done.stdout


def rendered_by_the_oldest(stack: str) -> str:
    """What the kubectl of the oldest supported Kubernetes would apply; skips without the kustomize that it has."""
    return kustomized_by_the_oldest(ROOT / "knative" / "overlays" / stack)


def kustomized_by_the_oldest(folder: Path) -> str:
    """The same of a folder."""
    if not OLDEST_KUSTOMIZE.exists():
        reason = f"{OLDEST_KUSTOMIZE} is not there; `make {OLDEST_KUSTOMIZE.relative_to(ROOT)}` builds it with Go"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    argv: list[str | Path] = [OLDEST_KUSTOMIZE, "build", folder]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout


def objects(stack: str) -> list[Object]:
    """The objects of a stack, the caller's own to change."""
    return list(map(json.loads, _parsed(rendered(stack))))


def folder_objects(folder: Path) -> list[Object]:
    """The objects that a folder's kustomization makes, the caller's own to change."""
    return list(map(json.loads, _parsed(_kustomized_once(folder))))


@cache
def _kustomized_once(folder: Path) -> str:
    return kustomized(folder)


@cache
def _parsed(text: str) -> list[str]:
    return [json.dumps(found) for found in yaml.safe_load_all(text) if found]


def kind_of(found: Object) -> tuple[str, str]:
    """apiVersion and kind."""
    return found["apiVersion"], found["kind"]


def named(found: Object) -> str:
    """How messages call an object."""
    return f"{found['kind']} {found['metadata']['name']}"


def of_kind(found: list[Object], kind: tuple[str, str]) -> list[Object]:
    """The objects of one kind."""
    return [each for each in found if kind_of(each) == kind]


@dataclass(frozen=True)
class Pod:
    """What an object makes pods from.

    Args:
        owner: the object.
        most: how many of them there may be at once.
    """

    owner: Object
    template: Object

    @property
    def component(self) -> str:
        return str(self.template["metadata"].get("labels", {}).get(COMPONENT, ""))

    @property
    def spec(self) -> Object:
        spec: Object = self.template["spec"]
        return spec

    @property
    def containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]


def pods(found: list[Object]) -> Iterator[Pod]:
    """Every pod template."""
    for each in found:
        spec = each.get("spec", {})
        if kind_of(each) == ("batch/v1", "CronJob"):
            yield Pod(each, spec["jobTemplate"]["spec"]["template"])
        elif "containers" in spec.get("template", {}).get("spec", {}):
            yield Pod(each, spec["template"])


def ours(found: list[Object]) -> Iterator[tuple[Pod, Object]]:
    """Every container of our own image."""
    for pod in pods(found):
        for container in pod.containers:
            if container.get("command", [])[:1] == ["python"]:
                yield pod, container


def environment(found: list[Object], container: Object) -> dict[str, str | tuple[str, str]]:
    """What a container's environment will be; a Secret's value stands as (secret, key)."""
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind(found, ("v1", "ConfigMap"))}
    told: dict[str, str | tuple[str, str]] = {}
    for source in container.get("envFrom", []):
        told |= maps[source["configMapRef"]["name"]]
    for entry in container.get("env", []):
        reference = entry.get("valueFrom", {}).get("secretKeyRef")
        told[entry["name"]] = (reference["name"], reference["key"]) if reference else entry["value"]
    return told


def settings_map(found: list[Object]) -> dict[str, str]:
    """The ConfigMap every part of ours reads."""
    [data] = [
        each["data"]
        for each in of_kind(found, ("v1", "ConfigMap"))
        if each["metadata"]["name"].startswith("sspp-settings-")
    ]
    known: dict[str, str] = data
    return known
