"""What the admission of Knative Serving 1.23 and KEDA 2.20 refuses, and what it wrongly accepts and fails on later.

Each rule takes all objects of a stack and gives a sentence for everything it finds. Sources: observed on a cluster,
and knative/serving pkg/apis, kedacore/keda pkg/scalers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from tests.infra.manifests import KNATIVE_SERVICE, SCALED_OBJECT, Object, kind_of, named, of_kind

Rule = Callable[[list[Object]], Iterator[str]]

_AUTOSCALING = "autoscaling.knative.dev/"
#: Of a pod, what Knative takes only with a feature flag, or never.
_FORBIDDEN = (
    *("affinity", "dnsConfig", "initContainers", "nodeSelector", "priorityClassName", "runtimeClassName"),
    *("securityContext", "terminationGracePeriodSeconds", "tolerations", "topologySpreadConstraints"),
    *("hostNetwork", "hostPID", "hostIPC"),
)
_VOLUMES = {"name", "secret", "configMap", "projected", "emptyDir"}
_RESERVED_ENV = {"PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"}


def functions_are_acceptable(found: list[Object]) -> Iterator[str]:
    """Every Knative Service by itself."""
    for service in of_kind(found, KNATIVE_SERVICE):
        for rule in (_annotations, _scale, _timeouts, _pod, _containers):
            yield from (f"{named(service)}: {fault}" for fault in rule(service))


def function_accounts_exist(found: list[Object]) -> Iterator[str]:
    """Knative takes a Service whose account does not exist; it then stays RevisionMissing."""
    accounts = {each["metadata"]["name"] for each in of_kind(found, ("v1", "ServiceAccount"))}
    for service in of_kind(found, KNATIVE_SERVICE):
        account = service["spec"]["template"]["spec"].get("serviceAccountName", "default")
        if account not in accounts:
            yield f"{named(service)}: the ServiceAccount {account} does not exist"


def scaled_objects_are_acceptable(found: list[Object]) -> Iterator[str]:
    """Every ScaledObject by itself."""
    for scaled in of_kind(found, SCALED_OBJECT):
        spec = scaled["spec"]
        names = Counter(trigger.get("name") for trigger in spec["triggers"])
        if any(count > 1 for count in names.values()):
            yield f"{named(scaled)}: two triggers have the same name"
        if spec.get("minReplicaCount", 0) > spec.get("maxReplicaCount", 100):
            yield f"{named(scaled)}: minReplicaCount is above maxReplicaCount"
        for trigger in spec["triggers"]:
            yield from (f"{named(scaled)}, {trigger.get('name')}: {fault}" for fault in _trigger(trigger))


def scaled_objects_have_targets(found: list[Object]) -> Iterator[str]:
    """One ScaledObject a Deployment, which exists and leaves the number of its pods to KEDA."""
    deployments = {each["metadata"]["name"]: each for each in of_kind(found, ("apps/v1", "Deployment"))}
    scaled = of_kind(found, SCALED_OBJECT)
    for target, count in Counter(each["spec"]["scaleTargetRef"]["name"] for each in scaled).items():
        if count > 1:
            yield f"{count} ScaledObjects scale {target}"
    for each in scaled:
        target = each["spec"]["scaleTargetRef"]
        if target.get("kind", "Deployment") != "Deployment":
            yield f"{named(each)}: KEDA scales Deployments here, not a {target['kind']}"
        elif target["name"] not in deployments:
            yield f"{named(each)}: there is no Deployment {target['name']}"
        elif "replicas" in deployments[target["name"]]["spec"]:
            yield f"Deployment {target['name']}: every apply would fight KEDA over replicas"


def scaled_objects_can_log_in(found: list[Object]) -> Iterator[str]:
    """KEDA takes a ScaledObject whose authentication does not exist."""
    known = {
        each["metadata"]["name"] for each in found if kind_of(each) == ("keda.sh/v1alpha1", "TriggerAuthentication")
    }
    for scaled in of_kind(found, SCALED_OBJECT):
        for trigger in scaled["spec"]["triggers"]:
            name = trigger.get("authenticationRef", {}).get("name")
            if name not in known:
                yield f"{named(scaled)}, {trigger.get('name')}: there is no TriggerAuthentication {name}"


RULES: tuple[Rule, ...] = (
    functions_are_acceptable,
    function_accounts_exist,
    scaled_objects_are_acceptable,
    scaled_objects_have_targets,
    scaled_objects_can_log_in,
)


def _annotations(service: Object) -> Iterator[str]:
    own = service["metadata"].get("annotations", {})
    template = service["spec"]["template"]["metadata"].get("annotations", {})
    for name in own:
        if name.startswith(_AUTOSCALING):
            yield f"{name} belongs to the template"
    for name, value in {**own, **template}.items():
        if not isinstance(value, str):
            yield f"the annotation {name} is not a string"


def _scale(service: Object) -> Iterator[str]:
    told = service["spec"]["template"]["metadata"].get("annotations", {})
    scale = {name: str(told[_AUTOSCALING + name]) for name in _SCALES if _AUTOSCALING + name in told}
    for name, value in scale.items():
        if not value.isdigit():
            yield f"{name} is not a whole number"
            return
    least, most = int(scale.get("min-scale", 0)), int(scale.get("max-scale", 0))
    if not most:
        yield "no max-scale: nothing would bound its connections"
    elif least > most:
        yield "min-scale is above max-scale"
    if scale.get("initial-scale") == "0":
        yield "initial-scale 0 needs a flag of the cluster"
    window = _seconds(told.get(_AUTOSCALING + "window", "60s"))
    if window is None or not 6 <= window <= 3600:
        yield "the window is not between 6s and 1h"
    retention = _seconds(told.get(_AUTOSCALING + "scale-to-zero-pod-retention-period", "0s"))
    if retention is None or retention > 3600:
        yield "the retention period is not a duration of up to 1h"


_SCALES = ("min-scale", "max-scale", "initial-scale", "activation-scale")


def _timeouts(service: Object) -> Iterator[str]:
    spec = service["spec"]["template"]["spec"]
    timeout = spec.get("timeoutSeconds", 300)
    if timeout > 600:
        yield "timeoutSeconds is above 600"
    if spec.get("responseStartTimeoutSeconds", 0) > timeout:
        yield "responseStartTimeoutSeconds is above timeoutSeconds"
    if spec.get("containerConcurrency", 0) > 1000:
        yield "containerConcurrency is above 1000"


def _pod(service: Object) -> Iterator[str]:
    spec = service["spec"]["template"]["spec"]
    for name in _FORBIDDEN:
        if name in spec:
            yield f"{name} of a pod is refused"
    if spec.get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken must be false"
    for volume in spec.get("volumes", []):
        for kind in sorted(volume.keys() - _VOLUMES):
            yield f"a volume of kind {kind} is refused"
    if len([one for one in spec["containers"] if one.get("ports")]) != 1:
        yield "exactly one container has a port"


def _containers(service: Object) -> Iterator[str]:
    for container in service["spec"]["template"]["spec"]["containers"]:
        if len(container.get("ports", [])) > 1:
            yield "a container has two ports"
        if "lifecycle" in container:
            yield "lifecycle is refused"
        for entry in container.get("env", []):
            if entry["name"] in _RESERVED_ENV:
                yield f"Knative itself sets {entry['name']}"
            if "fieldRef" in entry.get("valueFrom", {}):
                yield "fieldRef is refused"
        yield from _probes(container)


def _probes(container: Object) -> Iterator[str]:
    startup = container.get("startupProbe", {})
    if "httpGet" in startup and "port" not in startup["httpGet"]:
        yield "an httpGet startupProbe needs a port"
    ready = container.get("readinessProbe", {})
    if "httpGet" not in ready:
        yield "readiness is not asked by httpGet: a broken import would take traffic"
    if not ready.get("periodSeconds") and ready.keys() & {"timeoutSeconds", "failureThreshold"}:
        yield "a readinessProbe without a period takes no timeoutSeconds and no failureThreshold"


#: Trigger type -> the metadata it cannot do without.
_NEEDED = {
    "redis-streams": ("address", "stream", "streamLength"),
    "redis": ("address", "listName", "listLength"),
    "redis-cluster-streams": ("addresses", "stream", "streamLength"),
    "redis-cluster": ("addresses", "listName", "listLength"),
}


def _trigger(trigger: Object) -> Iterator[str]:
    metadata: dict[str, Any] = trigger.get("metadata", {})
    for name, value in metadata.items():
        if not isinstance(value, str):
            yield f"{name} is not a string"
    if trigger["type"] not in _NEEDED:
        yield f"there is no trigger type {trigger['type']} here"
        return
    for name in _NEEDED[trigger["type"]]:
        if not metadata.get(name):
            yield f"{name} is missing"
    if "consumerGroup" in metadata:
        yield "with a consumerGroup KEDA does not read the stream's length"


def _seconds(text: str) -> float | None:
    """Go's durations, as far as they occur."""
    parts = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", str(text))
    if not text or parts is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    return hours * 3600 + minutes * 60 + seconds
