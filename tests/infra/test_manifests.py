"""The overlays as they are: rendered, valid, acceptable to Knative and KEDA, and by our own rules."""

from __future__ import annotations

import copy
import math
import tomllib
from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest

from events.settings import LOGINS
from tests.infra import admission, rules, schemas
from tests.infra.manifests import (
    COMPONENT,
    KNATIVE_SERVICE,
    ROOT,
    STACKS,
    Object,
    environment,
    named,
    objects,
    of_kind,
    ours,
    pods,
    rendered,
    rendered_by_the_oldest,
)
from tests.infra.rules import configuration, openings

every_stack = pytest.mark.parametrize("stack", STACKS)


class Mark(Enum):
    """What is no value. Its name is in the ids of tests, which must not vary."""

    GONE = "gone"


#: What a mutation puts in place of a field to take it away.
GONE: Any = Mark.GONE

#: Which object, where in it (RFC 6901), what is put there.
Mutation = tuple[str, str, Any]


def changed(stack: str, *mutations: Mutation) -> list[Object]:
    """A stack's objects with something broken."""
    found = objects(stack)
    for name, pointer, value in mutations:
        [target] = [each for each in found if f"{each['kind']} {each['metadata']['name']}".startswith(name)][:1]
        *path, last = (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
        place: Any = target
        for part in path:
            place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
        _put(place, last, copy.deepcopy(value))
    return found


def _put(place: Any, last: str, value: Any) -> None:
    if isinstance(place, list):
        place.append(value) if last == "-" else place.__setitem__(int(last), value)
    elif value is GONE:
        del place[last]
    else:
        place[last] = value


def faults(found: list[Object], table: tuple[Callable[[list[Object]], Any], ...]) -> list[str]:
    return [fault for rule in table for fault in rule(found)]


@every_stack
def test_every_object_is_what_the_api_server_takes(stack):
    found = {named(each): schemas.fault(each) for each in objects(stack)}
    assert {name: fault for name, fault in found.items() if fault} == {}


@every_stack
def test_knative_and_keda_take_every_object_and_can_work_with_it(stack):
    assert faults(objects(stack), admission.RULES) == []


@every_stack
def test_every_object_follows_our_own_rules(stack):
    assert faults(objects(stack), rules.RULES) == []


@every_stack
def test_every_object_is_in_the_namespace_of_its_stack(stack):
    found = {each["metadata"].get("namespace") or each["metadata"]["name"] for each in objects(stack)}
    assert found == {f"sspp-{stack}"}


@every_stack
def test_every_object_says_what_it_is_part_of(stack):
    found = {named(each): each["metadata"].get("labels", {}) for each in objects(stack) if each["kind"] != "Namespace"}
    assert {name for name, labels in found.items() if labels.get("app.kubernetes.io/part-of") != "sspp"} == set()


@every_stack
def test_the_oldest_kubectl_renders_the_same(stack):
    assert rendered_by_the_oldest(stack) == rendered(stack)


@every_stack
def test_no_placeholder_reaches_an_object(stack):
    assert "NAMESPACE" not in rendered(stack)


@every_stack
def test_rendering_is_repeatable(stack):
    before = rendered(stack)
    rendered.cache_clear()
    assert rendered(stack) == before


@pytest.mark.parametrize(("stack", "most", "front_door"), [("dev", 1, 1), ("staging", 2, 2), ("prod", 5, 10)])
def test_each_stack_runs_as_many_pods_of_a_kind_as_its_size_allows(stack, most, front_door):
    scales = {}
    for each in objects(stack):
        if each["kind"] == "ScaledObject":
            scales[each["metadata"]["name"]] = each["spec"]["maxReplicaCount"]
        elif each["apiVersion"] == "serving.knative.dev/v1":
            told = each["spec"]["template"]["metadata"]["annotations"]
            scales[each["metadata"]["name"]] = int(told["autoscaling.knative.dev/max-scale"])
    assert scales == {name: front_door if name == "ingest" else most for name in scales}
    assert len(scales) == (6 if stack == "dev" else 8)


@every_stack
def test_only_two_pods_of_prods_front_door_never_sleep(stack):
    scales = {
        each["metadata"]["name"]: each["spec"]["template"]["metadata"]["annotations"]
        for each in of_kind(objects(stack), KNATIVE_SERVICE)
    }
    awake = {
        name: told["autoscaling.knative.dev/min-scale"]
        for name, told in scales.items()
        if "autoscaling.knative.dev/min-scale" in told
    }
    assert awake == ({"ingest": "2"} if stack == "prod" else {})


@every_stack
def test_an_identity_exists_before_the_pods_that_have_it(stack):
    """`kubectl apply` goes by the order of the file, Argo CD by wave first."""
    found = objects(stack)
    place = {id(each): (_wave(each), index) for index, each in enumerate(found)}
    accounts = {each["metadata"]["name"]: place[id(each)] for each in of_kind(found, ("v1", "ServiceAccount"))}
    waiting = [pod for pod in pods(found) if "serviceAccountName" in pod.spec]
    assert len(waiting) >= 10
    for pod in waiting:
        needed, own = accounts[pod.spec["serviceAccountName"]], place[id(pod.owner)]
        assert needed < own, named(pod.owner)
        assert needed[1] < own[1], named(pod.owner)


def _wave(found):
    return int(found["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", 0))


@pytest.mark.parametrize("stack", ["staging", "prod"])
@pytest.mark.parametrize(
    ("component", "ports"),
    [
        ("index", {443, 5432, 9200, 9243}),
        ("api", {443, 5432, 9200, 9243}),
        ("process", {5432}),
        ("migrate", {5432}),
        ("notify", {25, 465, 587, 2525, 5432}),
    ],
)
def test_what_secrets_lead_to_may_be_outside_the_cluster(stack, component, ports):
    assert openings.ports_outside(objects(stack), component) == ports


JOBS = {"sspp-migrate": ["--wait", "300"], "sspp-schema": ["--schema", "--wait", "300"]}


@pytest.mark.parametrize(("stack", "names"), [("dev", ["sspp-migrate"]), ("staging", [*JOBS]), ("prod", [*JOBS])])
def test_the_set_up_jobs_wait_for_stores_that_start_with_them(stack, names):
    jobs = [each for each in objects(stack) if each["kind"] == "Job"]
    found = {each["metadata"]["name"]: each for each in jobs if each["metadata"]["name"] != "sspp-passwords"}
    commands = {name: job["spec"]["template"]["spec"]["containers"][0]["command"] for name, job in found.items()}
    assert commands == {name: ["python", "-m", "functions.migrate", *JOBS[name]] for name in names}


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_before_a_sync_the_schema_is_migrated_with_nothing_that_only_the_sync_brings(stack):
    [job] = [each for each in objects(stack) if "PreSync" in str(each["metadata"].get("annotations"))]
    assert job["metadata"]["annotations"]["argocd.argoproj.io/hook"] == "PreSync"
    pod = job["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert "serviceAccountName" not in pod
    assert "envFrom" not in container
    told = environment(objects(stack), container)
    assert told == {
        "DATABASE_URL": ("sspp-database", "DATABASE_URL"),
        "SSPP_DATABASE_LOGINS": ("sspp-logins", "logins"),
    }


@every_stack
def test_each_part_logs_in_to_postgresql_as_itself_and_only_migrate_as_the_owner(stack):
    found = objects(stack)
    logins = {pod.component: environment(found, container).get("DATABASE_URL") for pod, container in ours(found)}
    assert {name: told for name, told in logins.items() if told} == {
        **{name: ("sspp-logins", name) for name in LOGINS if name != "index" or stack != "dev"},
        "migrate": ("sspp-database", "DATABASE_URL"),
    }


@every_stack
def test_each_part_is_a_user_of_redis_with_its_own_rights(stack):
    found = objects(stack)
    users = {(pod.component, environment(found, container).get("REDIS_URL")) for pod, container in ours(found)}
    expected = {(component, ("sspp-redis", user)) for component, user in configuration.REDIS_USER_OF.items()}
    if stack == "dev":
        expected.discard(("dispatcher-signals", ("sspp-redis", "dispatcher")))
    assert {(component, told) for component, told in users if told} == expected


@every_stack
def test_the_deployed_version_is_this_one(stack):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert {container["image"].rpartition(":")[2] for _, container in ours(objects(stack))} == {version}


def replicas(scaled: Object, waiting: int, running: int) -> int:
    """How many pods the autoscaler wants. Source: kubernetes, pkg/controller/podautoscaler/replica_calculator.go."""
    [trigger] = [each for each in scaled["spec"]["triggers"] if each["name"] == "stream-0"]
    behavior = scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    up, down = float(behavior["scaleUp"]["tolerance"]), float(behavior["scaleDown"]["tolerance"])
    each = int(trigger["metadata"]["streamLength"])
    if 1 - down <= waiting / (each * running) <= 1 + up:
        return running
    return max(1, min(math.ceil(waiting / each), int(scaled["spec"]["maxReplicaCount"])))


@pytest.mark.parametrize(
    ("running", "waiting", "wanted"),
    [
        (1, 1, 1),
        (1, 100, 1),
        (1, 101, 2),
        (1, 350, 4),
        (1, 100_000, 5),
        (2, 200, 2),
        (2, 201, 3),
        (2, 150, 2),
        (2, 20, 2),
        (2, 19, 1),
        (5, 50, 5),
        (5, 49, 1),
        (5, 0, 1),
    ],
)
def test_more_than_100_waiting_a_dispatcher_is_one_more_and_under_10_are_fewer(running, waiting, wanted):
    found = [each for each in objects("prod") if each["kind"] == "ScaledObject"]
    assert {replicas(each, waiting, running) for each in found} == {wanted}


def of_function(field: str, value: Any) -> Mutation:
    return "Service process", f"/spec/template/{field}", value


def of_scale(name: str, value: Any) -> Mutation:
    return of_function(f"metadata/annotations/autoscaling.knative.dev~1{name}", value)


def of_container(field: str, value: Any) -> Mutation:
    return of_function(f"spec/containers/0/{field}", value)


def of_scaled(field: str, value: Any) -> Mutation:
    return "ScaledObject dispatcher-events", f"/spec/{field}", value


#: Broken manifests that the API server or a webhook refuses, or KEDA fails on: unknown fields, wrong types and values.
UNACCEPTABLE: list[Mutation] = [
    ("Service process", "/spec/template/spec/timeoutseconds", 10),
    ("Service process", "/spec/template/spec/containers/0/imagepullpolicy", "Always"),
    ("Service process", "/spec/template/spec/containers/0/envFrom/0/configMapRef/key", "x"),
    ("Service process", "/spec/template/spec/containerConcurrency", "4"),
    ("Service process", "/spec/template/metadata/annotations/x", 1),
    ("Service process", "/metadata/annotation", {}),
    ("Service process", "/metadata/name", "Process"),
    ("ScaledObject dispatcher-events", "/spec/pollinginterval", 2),
    ("ScaledObject dispatcher-events", "/spec/triggers/0/metadata/streamLength", 100),
    ("ScaledObject dispatcher-events", "/spec/triggers/0/type", GONE),
    ("TriggerAuthentication sspp-redis", "/spec/secretTargetRefs", []),
    ("Deployment dispatcher-events", "/spec/template/spec/containers/0/readinessprobe", {}),
    ("Deployment dispatcher-events", "/spec/selector", GONE),
    ("StatefulSet sspp-redis", "/spec/template/spec/containers/0/resources/limits/memory", []),
    ("NetworkPolicy redis", "/spec/ingress/0/ports/0/portt", 1),
    ("PodDisruptionBudget process", "/spec/maxUnavailble", 1),
    ("CronJob sspp-tick", "/spec/jobTemplate/spec/backofflimit", 1),
    ("Service process", "/metadata/annotations/autoscaling.knative.dev~1max-scale", "1"),
    of_function("spec/timeoutSeconds", 601),
    of_function("spec/containerConcurrency", 1001),
    *(of_scale("window", wrong) for wrong in ("5s", "2h", "soon")),
    of_scale("scale-to-zero-pod-retention-period", "61m"),
    of_scale("initial-scale", "0"),
    *(of_scale("max-scale", wrong) for wrong in ("two", "0", 1, GONE)),
    *(
        of_function(f"spec/{name}", {})
        for name in ("securityContext", "nodeSelector", "tolerations", "topologySpreadConstraints", "initContainers")
    ),
    of_function("spec/priorityClassName", "high"),
    of_function("spec/terminationGracePeriodSeconds", 60),
    of_function("spec/automountServiceAccountToken", True),
    of_function("spec/volumes", [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]),
    of_container("env/-", {"name": "PORT", "value": "1"}),
    of_container("env/-", {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
    of_container("lifecycle", {"preStop": {}}),
    of_container("ports/-", {"containerPort": 9000}),
    of_container("ports", GONE),
    of_container("startupProbe", {"httpGet": {"path": "/"}}),
    of_container("readinessProbe", {"tcpSocket": {"port": 8080}}),
    of_container("readinessProbe", GONE),
    of_container("readinessProbe/failureThreshold", 3),
    of_scaled("scaleTargetRef", {"name": "process", "kind": "Service"}),
    *(of_scaled(f"triggers/0/metadata/{name}", GONE) for name in ("streamLength", "stream", "address")),
    of_scaled("triggers/1/metadata/listName", GONE),
    of_scaled("triggers/0/metadata/address", ""),
    of_scaled("triggers/0/metadata/consumerGroup", "dispatchers"),
    of_scaled("triggers/0/type", "redis-stream"),
    of_scaled("triggers/0/type", "redis-cluster-streams"),
    of_scaled("triggers/0/authenticationRef", GONE),
]


@pytest.mark.parametrize("mutation", UNACCEPTABLE, ids=lambda mutation: " ".join(map(str, mutation))[:80])
def test_unknown_fields_and_wrong_values_are_refused(mutation):
    before = objects("dev")
    [broken] = [each for each in changed("dev", mutation) if each not in before]
    assert schemas.fault(broken)


TRIGGER = {"type": "redis", "name": "stream-0", "metadata": {"address": "a:1", "listName": "l", "listLength": "1"}}


def knative(field: str, value: Any, says: str, *, name: str = "process") -> tuple[list[Mutation], str]:
    return [(f"Service {name}", f"/spec/template/{field}", value)], says


def scale(name: str, value: Any, says: str) -> tuple[list[Mutation], str]:
    return knative(f"metadata/annotations/autoscaling.knative.dev~1{name}", value, says)


def container(field: str, value: Any, says: str, *, name: str = "process") -> tuple[list[Mutation], str]:
    return knative(f"spec/containers/0/{field}", value, says, name=name)


def scaled(field: str, value: Any, says: str) -> tuple[list[Mutation], str]:
    return [("ScaledObject dispatcher-events", f"/spec/{field}", value)], says


INADMISSIBLE = [
    knative("spec/responseStartTimeoutSeconds", 41, "responseStartTimeoutSeconds is above timeoutSeconds"),
    scale("min-scale", "2", "min-scale is above max-scale"),
    knative("spec/serviceAccountName", "ssp", "the ServiceAccount ssp does not exist"),
    knative("spec/serviceAccountName", GONE, "the ServiceAccount default does not exist"),
    scaled("scaleTargetRef/name", "dispatcher-notices", "2 ScaledObjects scale dispatcher-notices"),
    scaled("scaleTargetRef/name", "dispatcher", "there is no Deployment dispatcher"),
    scaled("triggers/1/name", "stream-0", "two triggers have the same name"),
    scaled("triggers/0/authenticationRef/name", "redis", "there is no TriggerAuthentication redis"),
    scaled("minReplicaCount", 2, "minReplicaCount is above maxReplicaCount"),
    ([("Deployment dispatcher-events", "/spec/replicas", 1)], "every apply would fight KEDA over replicas"),
]


@pytest.mark.parametrize(("mutations", "says"), INADMISSIBLE, ids=[says for _, says in INADMISSIBLE])
def test_what_knative_and_keda_refuse_or_wrongly_accept_is_found(mutations, says):
    assert any(says in fault for fault in faults(changed("dev", *mutations), admission.RULES))


def dispatcher(field: str, value: Any, says: str) -> tuple[list[Mutation], str]:
    return [("Deployment dispatcher-events", f"/spec/template/spec/{field}", value)], says


def setting(name: str, value: Any, says: str) -> tuple[list[Mutation], str]:
    return [("ConfigMap sspp-settings-", f"/data/{name}", value)], says


def redis(field: str, value: Any, says: str) -> tuple[list[Mutation], str]:
    return [("StatefulSet sspp-redis", f"/spec/{field}", value)], says


CONTAINER = "template/spec/containers/0"
ALLOWED = {"matchExpressions": [{"key": COMPONENT, "operator": "In", "values": ["ingest", "intruder"]}]}

AGAINST_OUR_RULES = [
    setting("SSPP_CORS_ORIGIN", "x", "events/settings.py knows no SSPP_CORS_ORIGIN"),
    setting("SSPP_CORS_ORIGINS", GONE, "no manifest sets SSPP_CORS_ORIGINS"),
    setting("SSPP_HOME", "/tmp", "SSPP_HOME is local only"),
    setting("SSPP_PARTITIONS", "2", "no trigger of type redis watches sspp:{1}:notices:retry"),
    setting("SSPP_SEARCH", "elasticsearch", "the channel signals has no dispatcher-signals"),
    setting("SSPP_CLAIM_IDLE_SECONDS", "45", "is not above SSPP_DELIVERY_TIMEOUT_SECONDS"),
    setting("SSPP_DELIVERY_TIMEOUT_SECONDS", "40", "Service api: a dispatcher gives up before timeoutSeconds"),
    setting("SSPP_DELIVERY_TIMEOUT_SECONDS", "55", "the grace period is shorter than a delivery"),
    setting("SSPP_FUNCTION_TIMEOUT_SECONDS", "38", "leaves no time for a cold start"),
    setting("SSPP_MAX_WAITING_BYTES", "90000000", "are more than a third of maxmemory"),
    setting("SSPP_MAX_STREAM_LENGTH", "90000", "is reached before SSPP_MAX_WAITING_BYTES"),
    knative("spec/timeoutSeconds", 30, "cuts the drain off"),
    knative("spec/containerConcurrency", 5, "containerConcurrency 5 is not what its process serves"),
    knative("spec/containerConcurrency", 0, "containerConcurrency 0 is not what", name="ingest"),
    knative("spec/containers/0/env", [], "Service process: DATABASE_URL is required"),
    container("env/0/valueFrom/secretKeyRef/key", "URL", "there is no URL in a Secret sspp-logins"),
    container("env/0/valueFrom/secretKeyRef/name", "database", "in a Secret database"),
    container("env/0", {"name": "DATABASE_URL", "value": "postgresql://a:b@c/d"}, "DATABASE_URL is written down"),
    ([("Service sspp-redis", "/kind", "Secret")], "a Secret is among the manifests"),
    scaled("triggers/0/metadata/stream", "sspp:{0}:event:stream", "no trigger of type redis-streams watches"),
    scaled("triggers/0/metadata/stream", "sspp:{0}:event:stream", "which is nothing of this channel's"),
    scaled("triggers/1", TRIGGER, "no trigger of type redis watches sspp:{0}:events:retry"),
    scaled("triggers/0/metadata/address", "sspp-redis:6379", "asks sspp-redis:6379"),
    scaled("pollingInterval", 2, "pollingInterval makes an event wait"),
    scaled("minReplicaCount", 1, "it must sleep"),
    ([("ScaledObject dispatcher-events", "/metadata/name", "events")], "differ in dispatcher-events"),
    ([("Deployment dispatcher-events", "/metadata/name", "events")], "the channel events has no dispatcher-events"),
    dispatcher("containers/0/command/3", "signals", "does not run the channel events"),
    dispatcher("containers/0/env/2/value", "http://process", "dispatcher-events delivers to http://process"),
    container("env/0/value", "http://api.sspp-dev.svc.cluster.local/", "is no cluster-local function", name="ingest"),
    container("env/1/value", "http://index.sspp-prod.svc.cluster.local/", "is no cluster-local function", name="api"),
    dispatcher(
        "containers/0/env/2/value", "http://ingest.sspp-dev.svc.cluster.local/", "is no cluster-local function"
    ),
    dispatcher("terminationGracePeriodSeconds", 30, "the grace period is shorter than a delivery"),
    dispatcher("automountServiceAccountToken", True, "a token is mounted"),
    dispatcher(
        "volumes", [{"name": "t", "projected": {"sources": [{"serviceAccountToken": {}}]}}], "a token is mount"
    ),
    dispatcher("containers/0/securityContext/readOnlyRootFilesystem", False, "readOnlyRootFilesystem is not True"),
    dispatcher("containers/0/securityContext/capabilities", GONE, "capabilities is not"),
    dispatcher("containers/0/resources/limits", {}, "no memory among its limits"),
    dispatcher("containers/0/resources/limits/cpu", "1", "a CPU limit makes wakes slower"),
    dispatcher("containers/0/image", "dev.local/sspp:latest", "has no version"),
    dispatcher("containers/0/image", "dev.local:5000/sspp", "has no version"),
    ([("Service process", "/metadata/labels", {})], "ingest and api are public, all else is not"),
    (
        [("Service api", "/metadata/labels/networking.knative.dev~1visibility", "cluster-local")],
        "are public, all else",
    ),
    scale("max-scale", "21", "98 connections to PostgreSQL of 100"),
    ([("ScaledObject dispatcher-events", "/spec/maxReplicaCount", 200)], "more than half of 500"),
    redis(f"{CONTAINER}/image", "redis:7.2.16-bookworm", "redis:7.2.16-bookworm has no digest"),
    redis(f"{CONTAINER}/args", ["--maxmemory", "256mb"], "leaves no memory for rewriting"),
    redis("volumeClaimTemplates", [], "Redis has no volume"),
    (
        [
            (
                "Service process",
                "/spec/template/metadata/annotations/queue.sidecar.serving.knative.dev~1memory-resource-limit",
                GONE,
            )
        ],
        "queue-proxy has no memory-resource-limit",
    ),
    ([("PodDisruptionBudget process", "/spec", {"minAvailable": 1, "selector": {"matchLabels": {}}})], "must be 1"),
    ([("PodDisruptionBudget redis", "/spec/unhealthyPodEvictionPolicy", GONE)], "broken pods would block a drain"),
    (
        [("PodDisruptionBudget process", "/spec/selector/matchLabels", {COMPONENT: "processes"})],
        "budgets and components differ in process",
    ),
    ([("NetworkPolicy closed", "/spec/policyTypes", ["Ingress"])], "nothing is denied by default"),
    ([("NetworkPolicy functions", "/spec/podSelector", ALLOWED)], "there is no component intruder"),
    ([("NetworkPolicy redis", "/spec/ingress/0/from/0/podSelector", ALLOWED)], "there is no component intruder"),
    ([("NetworkPolicy redis", "/spec/ingress/0/from/0/podSelector", {})], "a whole namespace is let in or out"),
    (
        [("NetworkPolicy redis", "/spec/ingress/0/from/1/podSelector/matchLabels/app", "keda")],
        "there is no app=keda in keda",
    ),
    ([("NetworkPolicy to-redis", "/spec/podSelector", ALLOWED)], "dispatcher-events uses redis and may not"),
    (
        [("NetworkPolicy to-redis", "/spec/podSelector/matchExpressions/0/values/-", "process")],
        "process may use redis and does not",
    ),
    ([("NetworkPolicy to-redis", "/spec/egress/0/ports/0/port", 6380)], "may use port 6380 and does not"),
    ([("CronJob sspp-tick", "/spec/schedule", "0 * * * *")], "the clock does not look every minute"),
    ([("Job sspp-migrate", "/metadata/labels", {})], "nobody deletes it before the next apply"),
    ([("Job sspp-migrate", "/metadata/annotations", {})], "Argo CD would make it again"),
    ([("Job sspp-migrate", "/spec/ttlSecondsAfterFinished", GONE)], "it stays after it ended"),
    ([("Job sspp-migrate", "/spec/activeDeadlineSeconds", GONE)], "it may stay for ever"),
    ([("Job sspp-migrate", "/spec/activeDeadlineSeconds", 600)], "ends before its longest statement"),
]


WHERE_SIGNALS_ARE_COPIED = [
    (
        [("ScaledObject dispatcher-signals", "/spec/triggers/5/metadata/streamLength", "100")],
        "ahead-0 adds dispatchers by what is another's",
    ),
    ([("ScaledObject dispatcher-signals", "/spec/triggers/6", TRIGGER)], "watches sspp:{0}:events:slow:stream"),
    ([("ConfigMap sspp-settings", "/data/SSPP_SEARCH", "postgres")], "differ in dispatcher-signals"),
]


@pytest.mark.parametrize(
    ("mutations", "says"), WHERE_SIGNALS_ARE_COPIED, ids=[says for _, says in WHERE_SIGNALS_ARE_COPIED]
)
def test_what_they_forbid_where_signals_are_copied_is_found(mutations, says):
    assert any(says in fault for fault in faults(changed("staging", *mutations), rules.RULES))


@pytest.mark.parametrize(("mutations", "says"), AGAINST_OUR_RULES, ids=[says for _, says in AGAINST_OUR_RULES])
def test_what_our_own_rules_forbid_is_found(mutations, says):
    assert any(says in fault for fault in faults(changed("dev", *mutations), rules.RULES))


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("appendfsync always", "appendfsync everysec", "appendfsync is not always"),
        ("appendonly yes", "", "appendonly is not yes"),
        ("maxmemory-policy noeviction", "maxmemory-policy allkeys-lru", "maxmemory-policy is not noeviction"),
        ("maxclients 500", "maxclients 20", "more than half of 20"),
    ],
)
def test_a_redis_that_could_lose_an_accepted_event_is_found(before, after, says):
    found = objects("dev")
    [config] = [each for each in found if "redis.conf" in each.get("data", {})]
    config["data"]["redis.conf"] = config["data"]["redis.conf"].replace(before, after)
    assert any(says in fault for fault in faults(found, rules.RULES))
