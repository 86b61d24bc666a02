"""What Knative Serving 1.23 and KEDA 2.20 refuse, or take and fail on later, and no schema of one object says.

Each rule takes all objects of a stack and yields a sentence for everything it finds. Sources: observed on a cluster,
and knative/serving pkg/apis, kedacore/keda pkg/scalers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from tests.infra.manifests import KNATIVE_SERVICE, SCALED_OBJECT, Object, kind_of, named, of_kind

Rule = Callable[[list[Object]], Iterator[str]]

_AUTOSCALING = "autoscaling.knative.dev/"


def limits_are_ordered(found: list[Object]) -> Iterator[str]:
    """What is least is not above what is most, and an answer begins before it must end."""
    for service in of_kind(found, KNATIVE_SERVICE):
        template = service["spec"]["template"]
        scale = template["metadata"]["annotations"]
        if int(scale.get(f"{_AUTOSCALING}min-scale", 0)) > int(scale[f"{_AUTOSCALING}max-scale"]):
            yield f"{named(service)}: min-scale is above max-scale"
        spec = template["spec"]
        if spec.get("responseStartTimeoutSeconds", 0) > spec.get("timeoutSeconds", 300):
            yield f"{named(service)}: responseStartTimeoutSeconds is above timeoutSeconds"
    for scaled in of_kind(found, SCALED_OBJECT):
        if scaled["spec"].get("minReplicaCount", 0) > scaled["spec"].get("maxReplicaCount", 100):
            yield f"{named(scaled)}: minReplicaCount is above maxReplicaCount"


def function_accounts_exist(found: list[Object]) -> Iterator[str]:
    """Knative takes a Service whose account does not exist; it then stays RevisionMissing."""
    accounts = {each["metadata"]["name"] for each in of_kind(found, ("v1", "ServiceAccount"))}
    for service in of_kind(found, KNATIVE_SERVICE):
        account = service["spec"]["template"]["spec"].get("serviceAccountName", "default")
        if account not in accounts:
            yield f"{named(service)}: the ServiceAccount {account} does not exist"


def scaled_objects_have_targets(found: list[Object]) -> Iterator[str]:
    """One ScaledObject a Deployment, which exists and leaves the number of its pods to KEDA."""
    deployments = {each["metadata"]["name"]: each for each in of_kind(found, ("apps/v1", "Deployment"))}
    targets = Counter(each["spec"]["scaleTargetRef"]["name"] for each in of_kind(found, SCALED_OBJECT))
    for target, count in targets.items():
        if count > 1:
            yield f"{count} ScaledObjects scale {target}"
        if target not in deployments:
            yield f"there is no Deployment {target} to scale"
        elif "replicas" in deployments[target]["spec"]:
            yield f"Deployment {target}: every apply would fight KEDA over replicas"


def triggers_can_work(found: list[Object]) -> Iterator[str]:
    """KEDA takes a ScaledObject whose authentication does not exist, and refuses two triggers of one name."""
    known = {
        each["metadata"]["name"] for each in found if kind_of(each) == ("keda.sh/v1alpha1", "TriggerAuthentication")
    }
    for scaled in of_kind(found, SCALED_OBJECT):
        triggers = scaled["spec"]["triggers"]
        if len({trigger["name"] for trigger in triggers}) < len(triggers):
            yield f"{named(scaled)}: two triggers have the same name"
        for name in sorted({trigger["authenticationRef"]["name"] for trigger in triggers} - known):
            yield f"{named(scaled)}: there is no TriggerAuthentication {name}"


RULES: tuple[Rule, ...] = (
    limits_are_ordered,
    function_accounts_exist,
    scaled_objects_have_targets,
    triggers_can_work,
)
