"""Pods and Jobs: confined, pinned, drained, and replaced."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from functions.adapters.postgres.database import MIGRATION_TIMEOUT_MS
from tests.infra.manifests import (
    COMPONENT,
    KNATIVE_SERVICE,
    Object,
    Pod,
    kind_of,
    named,
    of_kind,
    ours,
    pods,
)

#: Components that speak to the Kubernetes API, and why.
WITH_TOKEN = {"passwords": "makes the Secrets of dev that are missing"}


def pods_are_confined(found: list[Object]) -> Iterator[str]:
    """Restricted Pod Security, a read-only root, no token, and everything asks for what it needs."""
    for pod in pods(found):
        if pod.spec.get("automountServiceAccountToken") is not False:
            yield f"{named(pod.owner)}: a token is mounted"
        sources = (source for volume in pod.spec.get("volumes", []) for source in _projected(volume))
        if pod.component not in WITH_TOKEN and any("serviceAccountToken" in source for source in sources):
            yield f"{named(pod.owner)}: a token is mounted"
        for container in pod.containers:
            where = f"{named(pod.owner)}, {container['name']}"
            yield from (f"{where}: {fault}" for fault in _confinement(pod, container))
    for each in of_kind(found, KNATIVE_SERVICE):
        annotations = each["spec"]["template"]["metadata"]["annotations"]
        for what in ("cpu-resource-request", "memory-resource-request", "memory-resource-limit"):
            if f"queue.sidecar.serving.knative.dev/{what}" not in annotations:
                yield f"{named(each)}: queue-proxy has no {what}"


def images_are_pinned(found: list[Object]) -> Iterator[str]:
    """Ours by version or digest, everybody else's by digest."""
    own = {id(container) for _, container in ours(found)}
    for pod in pods(found):
        for container in pod.containers:
            image = container["image"]
            tag = re.search(r":([\w.-]+)$", image.partition("@")[0])
            if re.search(r"@sha256:[0-9a-f]{64}$", image):
                continue
            if id(container) not in own:
                yield f"{named(pod.owner)}: {image} has no digest"
            elif not tag or tag[1] == "latest":
                yield f"{named(pod.owner)}: {image} has no version"


def every_component_may_be_drained(found: list[Object]) -> Iterator[str]:
    """One PodDisruptionBudget a component that runs on, which lets one pod go."""
    budgets = of_kind(found, ("policy/v1", "PodDisruptionBudget"))
    for each in budgets:
        if each["spec"].get("maxUnavailable") != 1 or "minAvailable" in each["spec"]:
            yield f"{named(each)}: maxUnavailable must be 1"
        if each["spec"].get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"{named(each)}: broken pods would block a drain"
    covered = [each["spec"]["selector"]["matchLabels"].get(COMPONENT, "") for each in budgets]
    running = {pod.component for pod in pods(found) if kind_of(pod.owner)[0] != "batch/v1"} - {"mailbox"}
    for component in sorted(running ^ set(covered)):
        yield f"budgets and components differ in {component}"


def clocks_agree(found: list[Object]) -> Iterator[str]:
    """The clock looks every minute: an empty Redis is filled within one."""
    [tick] = [each for each in of_kind(found, ("batch/v1", "CronJob")) if each["metadata"]["name"] == "sspp-tick"]
    if tick["spec"]["schedule"] != "* * * * *":
        yield "the clock does not look every minute"


def jobs_make_way(found: list[Object]) -> Iterator[str]:
    """A Job cannot be changed: it ends, goes away soon, and is deleted by its label before the next apply."""
    for each in of_kind(found, ("batch/v1", "Job")):
        spec = each["spec"]
        if each["metadata"].get("labels", {}).get(COMPONENT) != "set-up":
            yield f"{named(each)}: nobody deletes it before the next apply"
        if spec.get("ttlSecondsAfterFinished", 86_400) > 300:
            yield f"{named(each)}: it stays after it ended"
        if "argocd.argoproj.io/hook" not in each["metadata"].get("annotations", {}):
            yield f"{named(each)}: Argo CD would make it again each time it went away"
        migrates = "functions.migrate" in spec["template"]["spec"]["containers"][0]["command"]
        if spec.get("activeDeadlineSeconds", 0) * 1000 <= (MIGRATION_TIMEOUT_MS if migrates else 0):
            yield f"{named(each)}: it may stay for ever, or ends before its longest statement does"


def _projected(volume: Object) -> list[Object]:
    found: list[Object] = volume.get("projected", {}).get("sources", [])
    return found


def _confinement(pod: Pod, container: Object) -> Iterator[str]:
    context = {**pod.spec.get("securityContext", {}), **container.get("securityContext", {})}
    wanted: dict[str, Any] = {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for name, value in wanted.items():
        if context.get(name) != value:
            yield f"{name} is not {value}"
    resources = container.get("resources", {})
    for what, kind in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
        if kind not in resources.get(what, {}):
            yield f"no {kind} among its {what}"
    if "cpu" in resources.get("limits", {}):
        yield "a CPU limit makes wakes slower"
