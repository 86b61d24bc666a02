"""The program, run whole under mocks: what it registers, with which options, and what it waits for."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import json
import os
import threading
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

import pulumi
from events.settings import LOGINS, SchemaSettings
from functions.local.postgres import as_login
from tests.infra import manifests, pulumi_kubernetes_api, pulumi_linode_api, pulumi_program, schemas
from tests.infra.conftest import five_nodes
from tests.infra.pulumi_kubernetes_api import Api, node
from tests.infra.pulumi_program import PROGRAM, SECRETS, Run, configuration, opened, whole
from tests.servers import tls
from tests.servers.parts import until
from tests.servers.redis_server import DEPLOYED_USERS

STACKS = ("dev", "staging", "prod")
NAMES = Path(__file__).parent / "pulumi_names.json"


@pytest.fixture(scope="module")
def stacks(cluster: Api) -> dict[str, Run]:
    """Every stack, as `pulumi up` runs it."""
    return {stack: pulumi_program.run(stack, configuration(stack), cluster.kubeconfig) for stack in STACKS}


@pytest.fixture(params=STACKS)
def up(request: pytest.FixtureRequest, stacks: dict[str, Run]) -> Run:
    return stacks[request.param]


@pytest.fixture
def prod(stacks: dict[str, Run]) -> Run:
    return stacks["prod"]


# -- every stack


def test_every_stack_goes_through(up: Run) -> None:
    assert (up.refused, up.crashed) == ("", "")
    assert up.outputs["address"] == "198.51.100.7"


@pytest.mark.parametrize("stack", STACKS)
def test_a_first_preview_knows_nothing_of_the_cloud_and_registers_all_the_same(
    stack: str, stacks: dict[str, Run]
) -> None:
    seen = pulumi_program.run(stack, configuration(stack), preview=True, unknown=True)
    assert (seen.refused, seen.crashed) == ("", "")
    assert names(seen) == names(stacks[stack])


@pytest.mark.parametrize("stack", STACKS)
def test_a_later_preview_looks_and_does_not_wait(stack: str, certificate: tls.Certificate) -> None:
    with pulumi_kubernetes_api.running(Api(certificate, [[node("system-0", ready=False)]], ingress=[])) as api:
        seen = pulumi_program.run(stack, configuration(stack), api.kubeconfig, preview=True)
    assert (seen.refused, seen.crashed) == ("", "")
    assert opened(seen.outputs["address"]) == {"$unknown": True}  # there is none yet


def test_every_resource_has_a_provider_of_ours(up: Run) -> None:
    ours = {one.name for one in up.resources if one.type.startswith("pulumi:providers:")}
    for one in up.resources:
        if one.custom and one.name not in ours:
            kind, _, name = one.provider.partition("pulumi:providers:")[2].partition("::")
            assert name.partition("::")[0] in ours, one
            assert kind == one.type.partition(":")[0], one


def test_what_holds_data_is_protected_and_nothing_else(up: Run) -> None:
    protected = {one.type.rpartition(":")[2] for one in up.resources if one.protect}
    some = {kind for kind in ("DatabasePostgresqlV2", "ObjectStorageBucket") if up.of(kind)}
    assert protected == {"LkeCluster", "LkeNodePool", "Namespace"} | some
    (home,) = [one for one in up.of(":Namespace") if one.protect]
    assert home.name.startswith("sspp-")


def test_protection_can_be_lifted_for_a_teardown(cluster: Api) -> None:
    lifted = pulumi_program.run("dev", configuration("dev", protect="false"), cluster.kubeconfig)
    assert not any(one.protect for one in lifted.resources)


def test_a_released_name_is_never_lost(up: Run, request: pytest.FixtureRequest) -> None:
    # A resource under another name is another resource: the old one would be deleted, with its data. Whoever renames
    # one gives it an alias and adds the new name here.
    stack = request.node.callspec.params["up"]
    released = {tuple(pair) for pair in json.loads(NAMES.read_text("utf-8"))[stack]}
    assert released == names(up)


def names(run: Run) -> set[tuple[str, str]]:
    return {(one.type, one.name) for one in run.resources}


def test_no_value_of_a_secret_is_registered_in_the_clear(up: Run) -> None:
    for one in up.resources:
        shown = json.dumps(clear(one.inputs), default=str)
        for secret in [*SECRETS.values(), "p/w@d", "kube-token"]:
            assert secret not in shown, (one.name, secret)


def clear(value: Any) -> Any:
    """What of ``value`` is not marked as secret."""
    if isinstance(value, dict):
        return {key: clear(inner) for key, inner in value.items() if key != "$secret"}
    return [clear(inner) for inner in value] if isinstance(value, list) else value


# -- the cluster


def test_one_fixed_pool_is_in_the_cluster_and_the_other_scales_by_itself(prod: Run) -> None:
    cluster, workers = prod.one("LkeCluster"), prod.one("LkeNodePool")
    (system,) = cluster.inputs["pools"]
    assert (system["count"], system["labels"]) == (3, {"sspp.io/pool": "system"})
    assert "autoscaler" not in system
    assert cluster.inputs["externalPoolTags"][0] in workers.inputs["tags"]
    assert workers.inputs["autoscaler"] == {"min": 2, "max": 8}
    assert workers.ignore_changes == ("nodeCount",)
    assert set(cluster.secret_outputs) == {"kubeconfig"}


def test_prods_control_plane_is_highly_available_and_lets_in_whom_it_was_told(prod: Run) -> None:
    assert prod.one("LkeCluster").inputs["controlPlane"] == {
        "highAvailability": True,
        "acl": {"enabled": True, "addresses": [{"ipv4s": ["203.0.113.7/32"], "ipv6s": ["2001:db8::/48"]}]},
    }


def test_devs_control_plane_has_no_list(stacks: dict[str, Run]) -> None:
    assert stacks["dev"].one("LkeCluster").inputs["controlPlane"] == {"highAvailability": False}


def test_a_standard_cluster_is_told_nothing_only_the_beta_api_knows(up: Run) -> None:
    assert not {"tier", "subnetId", "vpcId"} & set(up.one("LkeCluster").inputs)
    assert not up.calls[0][1].get("tier")


def test_an_enterprise_cluster_meets_its_database_in_the_vpc(cluster: Api) -> None:
    told = configuration("staging", tier="enterprise") | {"linode:apiVersion": "v4beta"}
    enterprise = pulumi_program.run("staging", told, cluster.kubeconfig)
    assert (enterprise.refused, enterprise.crashed) == ("", "")
    inputs = enterprise.one("LkeCluster").inputs
    assert (inputs["tier"], inputs["vpcId"], inputs["subnetId"]) == ("enterprise", 4711, 4711)
    assert enterprise.calls[0][1]["tier"] == "enterprise"
    assert enterprise.one("DatabasePostgresqlV2").inputs["privateNetwork"]["publicAccess"] is False
    assert enterprise.of("DatabaseAccessControls") == []
    assert not [one for one in enterprise.of("Release") if one.name.startswith("node-firewall")]  # LKE gives it one


def test_the_api_may_be_another(cluster: Api) -> None:
    with pulumi_linode_api.running(pulumi_linode_api.Api()) as other:
        told = configuration("dev") | {"linode:url": other.url}
        run = pulumi_program.run("dev", told, cluster.kubeconfig)
    assert run.one("providers:linode").inputs["url"] == other.url


NARROW = "lke:read_write object_storage:read_write events:read_only"


@pytest.mark.parametrize(
    ("stack", "scopes", "says"),
    [
        ("dev", "lke:read_write", "may not read Events, which `pulumi up` waits by: [401] Your OAuth token is not"),
        ("dev", NARROW, "linode:token lacks firewall:read_write: make"),
        ("dev", f"{NARROW} firewall:read_only", "linode:token lacks firewall:read_write: make"),
        ("dev", f"{NARROW} firewall:read_write", ""),
        ("staging", f"{NARROW} firewall:read_write", "lacks databases:read_write, linodes:read_only: make"),
        ("prod", f"{NARROW} firewall:read_write databases:read_write linodes:read_write", "lacks domains:read_write:"),
        ("prod", "*", ""),
        ("prod", None, ""),  # Linode does not say what the token may
    ],
)
@pytest.mark.parametrize("preview", [True, False], ids=["preview", "up"])
def test_a_token_that_lacks_a_scope_is_refused_before_anything_is_created(
    stack: str, scopes: str | None, says: str, preview: bool, cluster: Api
) -> None:
    done = pulumi_program.run(stack, configuration(stack), cluster.kubeconfig, preview=preview, scopes=scopes)
    assert done.crashed == ""
    assert says in done.refused
    assert bool(done.refused) is bool(says)
    if says:
        assert {one.type for one in done.resources} == {"pulumi:providers:linode"}


@pytest.mark.parametrize(
    ("image", "refused", "warned"),
    [
        ("open:0.1.0", "", ""),
        ("tokens:0.1.0", "", ""),
        ("open:0.2.0", "cannot be pulled without a password: 127.0.0.1:", ""),
        ("open@sha256:" + "0" * 64, "answers 404. Push it, or let everybody read it there", ""),
        ("closed:0.1.0", "answers 401", ""),
        ("private:0.1.0", "answers 403", ""),
        ("busy:0.1.0", "", "does not say whether it has sspp:image"),
    ],
)
def test_an_image_that_no_node_could_pull_is_refused_before_anything_is_created(
    image: str, refused: str, warned: str, cluster: Api
) -> None:
    told = configuration("dev", image=f"registry.example.com/{image}")
    done = pulumi_program.run("dev", told, cluster.kubeconfig, preview=True)
    assert done.crashed == ""
    assert refused in done.refused
    assert bool(done.refused) is bool(refused)
    assert warned in " ".join(done.warnings)
    assert ("whether it has" in " ".join(done.warnings)) is bool(warned)
    if refused:
        assert {one.type for one in done.resources} == {"pulumi:providers:linode"}


def test_a_registry_that_cannot_be_reached_from_here_is_a_warning(cluster: Api) -> None:
    told = configuration("dev", image="127.0.0.1:9/sspp:0.1.0")
    done = pulumi_program.run("dev", told, cluster.kubeconfig, preview=True)
    assert (done.refused, done.crashed) == ("", "")
    assert "127.0.0.1:9 does not say whether it has sspp:image" in done.warnings[0]


@pytest.mark.parametrize(
    ("image", "host", "name", "reference"),
    [
        ("acme/sspp:1.0", "registry-1.docker.io", "acme/sspp", "1.0"),
        ("docker.io/acme/sspp:1.0", "registry-1.docker.io", "acme/sspp", "1.0"),
        ("ghcr.io/acme/team/sspp@sha256:ab", "ghcr.io", "acme/team/sspp", "sha256:ab"),
        ("localhost:5000/sspp:1.0", "localhost:5000", "sspp", "1.0"),
    ],
)
def test_an_image_is_looked_for_where_a_node_looks(image: str, host: str, name: str, reference: str) -> None:
    with pulumi_program.on_path():
        registry = importlib.import_module("registry")
    assert registry.parsed(image) == (host, name, reference)


def test_an_api_that_is_away_is_one_sentence() -> None:
    told = configuration("dev") | {"linode:url": "http://127.0.0.1:9/v4"}
    assert "no answer from 127.0.0.1:9" in pulumi_program.run("dev", told).refused


def test_a_version_lke_does_not_offer_is_refused_before_anything_is_created() -> None:
    refused = pulumi_program.run("dev", configuration("dev"), offered=("1.33", "1.34"))
    assert "set sspp:kubernetesVersion to 1.34" in refused.refused
    assert {one.type for one in refused.resources} == {"pulumi:providers:linode"}


@pytest.mark.parametrize("said", ["invoking\nError connecting to the Linode API: [401] Invalid Token", "[500] Ouch"])
def test_a_linode_that_cannot_be_asked_is_one_sentence(said: str) -> None:
    refused = pulumi_program.run("dev", configuration("dev"), linode_says=said)
    assert refused.crashed == ""
    assert refused.refused.startswith("Linode cannot be asked")
    assert said.splitlines()[-1] in refused.refused
    assert len(refused.refused.splitlines()) == 1


@pytest.mark.parametrize(("version", "warned"), [("1.34", True), ("1.35", False)])
def test_an_upgrade_says_what_happens_to_the_nodes_before_it_happens(version: str, warned: bool, cluster: Api) -> None:
    here = [{"id": pulumi_linode_api.CLUSTER, "label": "sspp-dev", "k8sVersion": version}]
    seen = pulumi_program.run("dev", configuration("dev"), cluster.kubeconfig, preview=True, here=here)
    assert [text for text in seen.warnings if "replaces every node" in text] == seen.warnings[: int(warned)]
    (asked,) = [args for token, args in seen.calls if token.endswith("getLkeClusters")]
    assert asked["filters"] == [{"name": "label", "values": ["sspp-dev"]}]


@pytest.mark.parametrize(
    ("stack", "version", "preview", "followed"),
    [
        ("staging", "1.34", False, True),
        ("staging", "1.34", True, False),
        ("staging", "1.35", False, False),
        ("dev", "1.34", False, False),  # its PostgreSQL is in the cluster
    ],
)
def test_an_upgrade_keeps_postgresqls_list_of_addresses_while_it_runs(
    stack: str, version: str, preview: bool, followed: bool, cluster: Api
) -> None:
    here = [{"id": pulumi_linode_api.CLUSTER, "label": f"sspp-{stack}", "k8sVersion": version}]
    done = pulumi_program.run(stack, configuration(stack), cluster.kubeconfig, preview=preview, here=here)
    assert (done.refused, done.crashed) == ("", "")
    assert done.admitted == ([["198.51.100.1/32"]] if followed else [])


def test_every_node_that_comes_is_let_in_and_none_is_shut_out_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    with pulumi_program.on_path():
        account, config = importlib.import_module("account"), importlib.import_module("config")
    monkeypatch.setattr(account, "FOLLOW_S", 0.02)
    monkeypatch.setattr(account.pulumi.log, "info", lambda *_, **__: None)
    replaced = pulumi_linode_api.Api(nodes=[[1, 2], [3, 2], [3, 4]], allowed=["198.51.100.1/32"], failures=2)
    with pulumi_linode_api.running(replaced) as api:
        told = configuration("staging") | {"linode:apiUrl": api.url, "x:name": "staging"}
        stack = config.parse({key.partition(":")[2]: value for key, value in told.items()})
        done = threading.Event()
        following = threading.Thread(
            target=account.keep_admitted, args=(stack, pulumi_linode_api.CLUSTER, "sspp.io/pool=system", done)
        )
        following.start()
        until(lambda: "198.51.100.4/32" in api.allowed, within_s=30, what="the last node is let in")
        done.set()
        following.join()
    assert [sorted(set(before) - set(after)) for before, after in pairwise(api.puts)] == [[]] * (len(api.puts) - 1)
    assert {"198.51.100.1/32", "198.51.100.3/32", "198.51.100.4/32"} <= set(api.allowed)
    assert "198.51.100.9/32" not in api.allowed  # a node that comes and goes
    assert not [each for each in api.allowed if each.startswith("192.168.")]


def test_a_misspelt_setting_is_refused_with_the_one_it_resembles() -> None:
    refused = pulumi_program.run("dev", configuration("dev", controlPlaneACL='["203.0.113.7/32"]', colour="red"))
    assert "sspp:controlPlaneACL is no setting; is it sspp:controlPlaneAcl?" in refused.refused
    assert "sspp:colour is no setting" in refused.refused
    assert refused.resources == []


def test_a_wrong_configuration_is_refused_before_anything_is_created() -> None:
    refused = pulumi_program.run("prod", configuration("prod", controlPlaneAcl=None, seed=None))
    assert "sspp:controlPlaneAcl" in refused.refused
    assert "sspp:seed" in refused.refused
    assert refused.resources == []


# -- waiting for it


@pytest.fixture
def readiness() -> Iterator[Any]:
    with pulumi_program.on_path():
        yield importlib.import_module("readiness")


def test_nothing_is_put_into_the_cluster_before_its_nodes_are_ready(certificate: tls.Certificate) -> None:
    late = [[], [node("system-0", ready=False, says="cni not initialised")], [node("system-0"), node("worker-0")]]
    with pulumi_kubernetes_api.running(Api(certificate, late)) as api:
        done = pulumi_program.run("dev", configuration("dev"), api.kubeconfig)
    assert (done.refused, done.crashed) == ("", "")
    assert len([path for path in api.asked if path == "/api/v1/nodes"]) == 3
    created = [one.type for one in done.resources]
    assert created.index("pulumi:providers:kubernetes") > created.index("linode:index/lkeNodePool:LkeNodePool")


def test_when_nodes_do_not_come_it_says_what_to_look_at_and_touches_no_kubernetes(
    certificate: tls.Certificate,
) -> None:
    broken = node("lke-1", ready=False, says="container runtime network not ready")
    with pulumi_kubernetes_api.running(Api(certificate, [[broken]])) as api:
        done = pulumi_program.run("dev", configuration("dev"), api.kubeconfig)
    said = done.refused
    assert "gave up after 20 min: 0 of 2 nodes are Ready (lke-1: container runtime network not ready)" in said
    assert "Cloud Manager" in said
    assert "sspp:readyTimeoutMinutes" in said
    assert not [one for one in done.resources if one.type.startswith("kubernetes:")]


@pytest.fixture
def kubernetes(cluster: Api, readiness: Any) -> Any:
    return readiness.Kubernetes(cluster.kubeconfig)


def test_the_addresses_are_those_of_the_nodes_that_stay(readiness: Any, kubernetes: Any) -> None:
    found = readiness.addresses(kubernetes, "sspp.io/pool=system")
    assert found == ["198.51.100.0/32", "198.51.100.1/32", "198.51.100.2/32"]


def test_a_control_plane_that_does_not_answer_points_at_the_list_of_who_may_ask(
    certificate: tls.Certificate, readiness: Any
) -> None:
    with pulumi_kubernetes_api.running(Api(certificate, [[]])) as api:
        kubeconfig = api.kubeconfig
    with pytest.raises(readiness.NotYet, match="sspp:controlPlaneAcl"):
        readiness.nodes_ready(readiness.Kubernetes(kubeconfig), 1)


def test_another_clusters_certificate_is_not_taken(cluster: Api, readiness: Any, tmp_path: Path) -> None:
    other = yaml.safe_load(cluster.kubeconfig)
    stranger = Api(tls.certificate(tmp_path, "localhost")).kubeconfig
    other["clusters"][0]["cluster"]["certificate-authority-data"] = yaml.safe_load(stranger)["clusters"][0]["cluster"][
        "certificate-authority-data"
    ]
    with pytest.raises(readiness.NotYet, match="certificate verify failed"):
        readiness.nodes_ready(readiness.Kubernetes(yaml.safe_dump(other)), 1)


def test_another_clusters_certificate_is_taken_where_the_kubeconfig_says_not_to_look(
    cluster: Api, readiness: Any
) -> None:
    other = yaml.safe_load(cluster.kubeconfig)
    del other["clusters"][0]["cluster"]["certificate-authority-data"]
    other["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True
    readiness.nodes_ready(readiness.Kubernetes(yaml.safe_dump(other)), 5)


def test_a_control_plane_without_tls_is_asked_without(readiness: Any) -> None:
    with pulumi_kubernetes_api.running(Api(None, [five_nodes()])) as api:
        readiness.nodes_ready(readiness.Kubernetes(api.kubeconfig), 5)


MINIMAL = {
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "k"}}],
    "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:9"}}],
}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"current-context": None}, "no current-context"),
        ({"current-context": "d"}, "no context called d"),
        ({"contexts": None}, "no context called c"),
        ({"contexts": [{"name": "c", "context": {"user": "u"}}]}, "no cluster in its context"),
        ({"contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}]}, "no user called u"),
        ({"clusters": []}, "no cluster called k"),
        ({"clusters": [{"name": "k"}]}, "no cluster called k"),
        ({"clusters": [{"name": "k", "cluster": {"x": 1}}]}, "no server with http:// or https:// but ''"),
        ({"clusters": [{"name": "k", "cluster": {"server": "127.0.0.1:9"}}]}, "but '127.0.0.1:9'"),
    ],
)
def test_a_kubeconfig_that_leads_nowhere_says_what_it_has_not(
    changes: dict[str, Any], says: str, readiness: Any
) -> None:
    readiness.Kubernetes(yaml.safe_dump(MINIMAL))  # as little as there may be
    with pytest.raises(readiness.pulumi.RunError, match=says):
        readiness.Kubernetes(yaml.safe_dump(MINIMAL | changes))


def test_an_empty_kubeconfig_is_one_that_leads_nowhere(readiness: Any) -> None:
    with pytest.raises(readiness.pulumi.RunError, match="the kubeconfig has no current-context"):
        readiness.Kubernetes("")


def test_a_gateway_without_an_address_is_waited_for(certificate: tls.Certificate, readiness: Any) -> None:
    missing = pytest.raises(readiness.NotYet, match="knative-serving/kourier has no public address")
    with pulumi_kubernetes_api.running(Api(certificate, [[]], ingress=[])) as api, missing:
        readiness.gateway_address(readiness.Kubernetes(api.kubeconfig), "knative-serving", "kourier")


@pytest.mark.parametrize(("stack", "refused"), [("dev", False), ("prod", True)])
def test_a_gateway_that_gets_no_address_matters_where_names_lead_to_it(
    stack: str, refused: bool, certificate: tls.Certificate
) -> None:
    with pulumi_kubernetes_api.running(Api(certificate, [five_nodes()], ingress=[])) as api:
        done = pulumi_program.run(stack, configuration(stack), api.kubeconfig)
    assert ("knative-serving/kourier has no public address" in done.refused) is refused
    assert done.crashed == ""


def test_what_is_there_at_last_is_given(readiness: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter([False, False, True])

    def look() -> str:
        if not next(seen):
            raise readiness.NotYet("nothing yet")
        return "there"

    monkeypatch.setattr(readiness, "POLL_S", 0)
    monkeypatch.setattr(readiness.pulumi.log, "info", lambda *_, **__: None)
    assert asyncio.run(readiness.until(look, 60, "")) == "there"


# -- the network, the bucket


def test_the_nodes_of_a_standard_cluster_get_their_firewall_from_linodes_controller(up: Run) -> None:
    # A pool of a standard cluster does not keep a firewall_id: told one, the provider would plan to delete the pool.
    assert "firewallId" not in up.one("LkeCluster").inputs["pools"][0]
    assert "firewallId" not in up.one("LkeNodePool").inputs
    controller = up.one("Release", "node-firewall-chart")
    assert (controller.inputs["chart"], controller.inputs["namespace"]) == ("cloud-firewall-controller", "kube-system")
    assert "node-firewall-crd-chart" in controller.depends_on


def test_the_firewall_controller_is_deleted_with_its_cluster_and_never_before_its_own_object(up: Run) -> None:
    charts = [one for one in up.of("Release") if one.name.startswith("node-firewall")]
    assert {one.deleted_with for one in charts} == {"cluster"}
    assert len(charts) == 2


def test_a_standard_cluster_has_no_network_that_nothing_is_in(up: Run) -> None:
    assert up.of("Vpc") == up.of("VpcSubnet") == []


def test_the_gateway_is_open_for_tls_only_where_there_is_a_certificate(stacks: dict[str, Run]) -> None:
    ports = {
        stack: [rule["ports"] for rule in run.one("Firewall", "gateway-firewall").inputs["inbounds"]]
        for stack, run in stacks.items()
    }
    assert ports == {"dev": ["80"], "staging": ["80"], "prod": ["443"]}


def test_the_domain_leads_to_the_gateway(prod: Run) -> None:
    assert prod.one("Domain", "zone").inputs["domain"] == "sspp.example.com"
    record = prod.one("DomainRecord").inputs
    assert (record["name"], record["recordType"], record["target"]) == ("*", "A", "198.51.100.7")
    assert opened(prod.outputs["ingest"])["url"] == "https://ingest.sspp.example.com"
    assert prod.one("Domain", "zone").retain  # others' records may be in it by then


def test_a_zone_that_exists_is_used_and_never_registered(cluster: Api) -> None:
    run = pulumi_program.run("prod", configuration("prod", zone="existing"), cluster.kubeconfig)
    assert (run.refused, run.crashed) == ("", "")
    assert run.of("Domain") == []
    assert run.one("DomainRecord").inputs["domainId"] == 815


def test_the_bucket_expires_its_objects_and_what_was_deleted_as_late(stacks: dict[str, Run]) -> None:
    bucket = stacks["staging"].one("ObjectStorageBucket").inputs
    assert "corsEnabled" not in bucket  # newer endpoints refuse it even when it is false
    assert (bucket["acl"], bucket["versioning"]) == ("private", True)
    (rule,) = bucket["lifecycleRules"]
    assert (rule["enabled"], rule["expiration"]["days"], rule["noncurrentVersionExpiration"]["days"]) == (True, 30, 30)


def test_a_key_opens_the_bucket_and_nothing_else(up: Run) -> None:
    (access,) = up.one("ObjectStorageKey").inputs["bucketAccesses"]
    bucket = "sspp-backups-of-the-tests"
    assert (access["bucketName"], access["permissions"], access["region"]) == (bucket, "read_write", "us-ord")


def test_a_bucket_that_nothing_can_be_deleted_from_is_used_and_never_registered(prod: Run) -> None:
    assert prod.of("ObjectStorageBucket") == []
    assert secrets(prod)["sspp-backup"]["AWS_ENDPOINT_URL"] == "https://us-ord-1.linodeobjects.com"


def test_what_backs_up_has_the_certificate_and_nothing_in_the_cluster_the_key(up: Run) -> None:
    told = secrets(up)["sspp-backup-certificate"]["BACKUP_CERTIFICATE"]
    assert told == configuration("dev")["sspp:backupCertificate"]
    assert "sspp-backup-key" not in secrets(up)
    for job in up.of(":CronJob"):
        pod = job.spec["jobTemplate"]["spec"]["template"]["spec"]
        asked = {
            entry["name"] for container in [*pod["initContainers"], *pod["containers"]] for entry in container["env"]
        }
        assert ("BACKUP_KEY" in asked) is job.name.startswith("restore-")


# -- Knative, KEDA, TLS


def test_kourier_is_the_gateway_and_its_balancer_has_the_firewall(up: Run) -> None:
    spec = up.one("KnativeServing").spec
    assert spec["version"] == "1.23.0"
    assert spec["ingress"]["kourier"]["enabled"] is True
    assert spec["config"]["network"]["ingress-class"] == "kourier.ingress.networking.knative.dev"
    (service,) = spec["services"]
    assert service["name"] == "kourier"
    assert service["annotations"]["service.beta.kubernetes.io/linode-loadbalancer-firewall-id"] == "4711"
    assert all(isinstance(value, str) for value in service["annotations"].values())
    assert up.one("KnativeServing").inputs["metadata"]["annotations"] == {"pulumi.com/waitFor": "condition=Ready"}


def test_a_node_can_always_be_drained(stacks: dict[str, Run]) -> None:
    for stack, replicas in (("dev", 1), ("prod", 2)):
        spec = stacks[stack].one("KnativeServing").spec
        assert spec["high-availability"] == {"replicas": replicas}
        budgets = {budget["name"]: budget["maxUnavailable"] for budget in spec["podDisruptionBudgets"]}
        assert budgets == {"activator-pdb": 1, "webhook-pdb": 1, "3scale-kourier-gateway-pdb": 1}
        keda = stacks[stack].one("Release", "keda-chart").inputs["values"]
        assert keda["podDisruptionBudget"]["operator"] == {"maxUnavailable": 1}


def test_charts_are_pinned_and_have_a_namespace_of_their_own(prod: Run) -> None:
    charts = {one.inputs["name"]: one.inputs for one in prod.of("helm.sh/v3:Release")}
    assert charts["keda"]["version"] == "2.20.2"
    assert charts["knative-operator"]["version"] == "v1.23.0"
    for name, chart in charts.items():
        assert chart.get("version") or "/v0.2.0/" in chart["chart"], name
        # Linode's controller looks for its own Deployment in kube-system.
        assert chart["namespace"] == "kube-system" or prod.one(":Namespace", chart["namespace"]), name


def test_charts_come_from_a_mirror_where_there_is_one(cluster: Api) -> None:
    mirrors = {
        "keda": "https://mirror.example.com/charts",
        "argo-cd": "oci://mirror.example.com/argo-cd",
        "cert-manager-webhook-linode": "https://mirror.example.com/linode-dns.tgz",
    }
    run = pulumi_program.run("prod", configuration("prod", charts=json.dumps(mirrors)), cluster.kubeconfig)
    assert (run.refused, run.crashed) == ("", "")
    charts = {one.inputs["name"]: one.inputs for one in run.of("helm.sh/v3:Release")}
    assert (charts["keda"]["repositoryOpts"], charts["keda"]["version"]) == ({"repo": mirrors["keda"]}, "2.20.2")
    assert (charts["argocd"]["chart"], charts["argocd"]["version"]) == (mirrors["argo-cd"], "10.1.1")
    assert charts["linode-dns"]["chart"] == mirrors["cert-manager-webhook-linode"]
    assert "repositoryOpts" not in charts["argocd"]
    assert charts["cert-manager"]["repositoryOpts"] == {"repo": "https://charts.jetstack.io"}


def test_every_chart_that_is_installed_can_be_mirrored(prod: Run) -> None:
    with pulumi_program.on_path():
        known = importlib.import_module("versions").CHARTS
    assert {one.inputs["chart"] for one in prod.of("helm.sh/v3:Release")} == {chart.name for chart in known.values()}


def test_the_gateway_has_its_certificate_before_it_is_told_of_it(prod: Run) -> None:
    certificate = prod.one("Certificate")
    assert certificate.spec["dnsNames"] == ["*.sspp.example.com", "sspp.example.com"]
    assert prod.one("KnativeServing").spec["config"]["kourier"] == {
        "certs-secret-name": certificate.spec["secretName"],
        "certs-secret-namespace": "knative-serving",
    }
    assert certificate.name in prod.one("KnativeServing").depends_on
    assert certificate.inputs["metadata"]["annotations"] == {"pulumi.com/waitFor": "condition=Ready"}
    assert "letsencrypt" in certificate.depends_on


def test_another_dns_solver_takes_the_place_of_linodes(cluster: Api) -> None:
    solver = {"cloudflare": {"apiTokenSecretRef": {"name": "cf", "key": "token"}}}
    run = pulumi_program.run(
        "prod", configuration("prod", dnsSolver=json.dumps(solver), dnsToken=None), cluster.kubeconfig
    )
    assert run.one("ClusterIssuer").spec["acme"]["solvers"] == [{"dns01": solver}]
    assert not [one for one in run.of("Release") if one.name == "linode-dns-chart"]


def test_without_a_domain_there_is_no_certificate_manager(stacks: dict[str, Run]) -> None:
    assert not [one for one in stacks["dev"].resources if "cert-manager" in one.type or one.name == "cert-manager"]


# -- the data stores and the Secrets

#: The users of Redis that parts log in as.
REDIS_URLS = ("ingest", "dispatcher", "api", "operator")
#: Names both sides rely on: knative/ refers to these.
KEYS = {
    "sspp-redis": {
        *REDIS_URLS,
        *(f"{user}-password" for user in DEPLOYED_USERS),
        "REDIS_BACKUP_URL",
    },
    "sspp-delivery": {"SSPP_DELIVERY_TOKEN"},
    "sspp-operator": {"SSPP_OPERATOR_KEY"},
    "sspp-smtp": {"SSPP_SMTP_URL"},
    "sspp-backup": {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "BUCKET"},
    "sspp-backup-certificate": {"BACKUP_CERTIFICATE"},
}


def secrets(run: Run) -> dict[str, dict[str, str]]:
    """Name -> keys and values of every Secret in the application's namespace."""
    return {
        one.inputs["metadata"]["name"]: opened(one.inputs["stringData"])
        for one in run.of(":Secret")
        if one.inputs["metadata"]["namespace"].startswith("sspp-")
    }


def test_the_secrets_the_manifests_name_are_there(up: Run, request: pytest.FixtureRequest) -> None:
    managed = request.node.callspec.params["up"] != "dev"
    expected = KEYS | {"sspp-database": {"DATABASE_URL"} if managed else {"DATABASE_URL", "password"}}
    expected["sspp-logins"] = {*LOGINS, "logins"}
    if managed:
        expected["sspp-elasticsearch"] = {"ELASTICSEARCH_URL"}
    found = {name: set(keys) for name, keys in secrets(up).items()}
    assert {name: found.get(name) for name in expected} == expected


def test_every_secret_is_its_own_and_stays_as_long_as_the_seed(stacks: dict[str, Run], cluster: Api) -> None:
    redis = secrets(stacks["dev"])["sspp-redis"]
    passwords = [value for key, value in redis.items() if key.endswith("password")]
    assert len({*passwords, *secrets(stacks["dev"])["sspp-delivery"].values()}) == 8
    for user in REDIS_URLS:
        assert redis[user] == f"redis://{user}:{redis[f'{user}-password']}@sspp-redis:6379/0"
    assert redis["REDIS_BACKUP_URL"] == f"redis://backup:{redis['backup-password']}@sspp-redis:6379/0"
    again = pulumi_program.run("dev", configuration("dev"), cluster.kubeconfig)
    other = pulumi_program.run("dev", configuration("dev", seed="t" * 64), cluster.kubeconfig)
    assert secrets(again)["sspp-redis"] == redis
    assert not set(secrets(other)["sspp-redis"].values()) & set(redis.values())


def test_the_database_is_reached_through_the_relay_and_known_by_its_authority(prod: Run) -> None:
    url = urlsplit(secrets(prod)["sspp-database"]["DATABASE_URL"])
    assert (url.hostname, url.port, url.path) == ("sspp-database", 5432, "/defaultdb")
    assert (url.username, url.password) == ("akmadmin", "p%2Fw%40d")
    told = parse_qs(url.query)
    assert told["sslmode"] == ["verify-ca"]
    (authority,) = told["sslrootcert"]
    assert urlsafe_b64decode(authority.removeprefix("data:")).decode() == pulumi_program.CA


@pytest.mark.parametrize("given", [pulumi_program.CA_OF_THE_API.decode(), "", "no certificate"])
def test_an_authority_that_is_no_pem_is_refused(given: str) -> None:
    with pulumi_program.on_path(), pytest.raises(pulumi.RunError, match="is not PEM"):
        importlib.import_module("databases").database_url("user", "password", given)


def test_the_relay_is_open_to_those_who_ask_and_out_to_the_database_alone(prod: Run) -> None:
    inwards = prod.one("NetworkPolicy", "sspp-database").spec["ingress"]
    (clients,) = inwards[0]["from"][0]["podSelector"]["matchExpressions"]
    assert clients["values"] == ["process", "index", "notify", "api", "migrate", "tick", "backup"]
    database, names = prod.one("NetworkPolicy", "from-sspp-database").spec["egress"]
    assert database["ports"] == [{"protocol": "TCP", "port": 12345}]  # the one Linode drew
    assert names["to"][0]["podSelector"] == {"matchLabels": {"k8s-app": "kube-dns"}}


def test_another_way_to_the_database_is_another_relay(prod: Run) -> None:
    haproxy = prod.one("ConfigMap", "sspp-database").inputs["data"]["haproxy.cfg"]
    assert "server primary db.example.net:12345\n" in haproxy
    # HAProxy reads its configuration once.
    annotations = prod.one("Deployment", "sspp-database").spec["template"]["metadata"]["annotations"]
    assert annotations == {"sspp.io/config": hashlib.sha256(haproxy.encode()).hexdigest()}


def test_the_database_lets_in_the_nodes_that_stay_and_the_relay_runs_there(prod: Run) -> None:
    access = prod.one("DatabaseAccessControls").inputs
    assert access["allowLists"] == ["198.51.100.0/32", "198.51.100.1/32", "198.51.100.2/32"]
    assert "allowLists" not in prod.one("DatabasePostgresqlV2").inputs
    assert prod.one("DatabasePostgresqlV2").ignore_changes == ("allowLists",)
    relay = prod.one("Deployment", "sspp-database").spec
    assert relay["replicas"] == 2
    assert relay["template"]["spec"]["nodeSelector"] == {"sspp.io/pool": "system"}


def test_the_database_is_made_while_the_cluster_is(prod: Run) -> None:
    created = [one.type.rpartition(":")[2] for one in prod.resources]
    assert created.index("DatabasePostgresqlV2") < created.index("kubernetes")


def test_elasticsearch_has_a_user_that_may_do_what_the_application_does(prod: Run) -> None:
    spec = prod.one("Elasticsearch").spec
    assert spec["nodeSets"][0]["count"] == 3
    role = json.loads(secrets(prod)["sspp-search-role"]["roles.yml"])["sspp"]
    assert role["indices"] == [{"names": ["sspp*"], "privileges": ["all"]}]
    user = secrets(prod)["sspp-search-user"]
    url = urlsplit(secrets(prod)["sspp-elasticsearch"]["ELASTICSEARCH_URL"])
    assert (url.username, url.password, url.port) == (user["username"], user["password"], 9200)
    assert url.hostname == f"{prod.one('Elasticsearch').inputs['metadata']['name']}-es-http"


def test_the_operator_is_left_to_say_which_group_may_write_to_elasticsearchs_volume(prod: Run) -> None:
    # ECK sets fsGroup 1000 only where the pod has no securityContext, not even an incomplete one.
    (nodes,) = prod.one("Elasticsearch").spec["nodeSets"]
    assert nodes["volumeClaimTemplates"]
    assert "securityContext" not in nodes["podTemplate"]["spec"]


def test_dev_brings_its_own_database(stacks: dict[str, Run]) -> None:
    secret = secrets(stacks["dev"])["sspp-database"]
    assert secret["DATABASE_URL"] == f"postgresql://sspp:{secret['password']}@sspp-postgres:5432/sspp?sslmode=disable"
    assert not stacks["dev"].of("DatabasePostgresqlV2")


@pytest.mark.parametrize("stack", STACKS)
def test_each_part_has_a_login_of_its_own_to_the_same_server(stacks: dict[str, Run], stack: str) -> None:
    made = secrets(stacks[stack])
    passwords = SchemaSettings(database_logins=made["sspp-logins"].pop("logins")).passwords
    owner = made["sspp-database"]["DATABASE_URL"]
    assert made["sspp-logins"] == {part: as_login(owner, part, passwords[part]) for part in LOGINS}
    assert len({urlsplit(owner).password, *passwords.values()}) == len(LOGINS) + 1


# -- a Redis Cluster


@pytest.fixture(scope="module")
def clustered(cluster: Api) -> Run:
    """prod on a Redis Cluster."""
    return pulumi_program.run("prod", configuration("prod", redis="cluster"), cluster.kubeconfig)


def test_the_parts_log_in_to_the_cluster_and_the_front_door_waits_for_a_replica(clustered: Run) -> None:
    assert (clustered.refused, clustered.crashed) == ("", "")
    redis = secrets(clustered)["sspp-redis"]
    options = {user: redis[user].partition("/0")[2] for user in REDIS_URLS}
    assert options == {
        "ingest": "?cluster=true&replicas=1",
        "api": "?cluster=true&replicas=1",
        "dispatcher": "?cluster=true",
        "operator": "?cluster=true",
    }
    assert redis["REDIS_BACKUP_URL"].endswith("@sspp-redis:6379/0")


def test_nothing_else_is_registered_under_another_name(clustered: Run, prod: Run) -> None:
    assert names(clustered) == names(prod)


def test_argo_cd_watches_the_overlay_with_the_cluster_and_replaces_the_image_it_has(clustered: Run) -> None:
    source = clustered.one("Application").spec["source"]
    assert source["path"] == "knative/overlays/prod-redis-cluster"
    assert (PROGRAM.parent / source["path"] / "kustomization.yaml").is_file()
    assert source["kustomize"]["images"] == ["registry.example.com/sspp=registry.example.com/sspp:0.1.0"]


@pytest.mark.parametrize("stack", ["staging", "prod"])
@pytest.mark.parametrize("render", [manifests.kustomized, manifests.kustomized_by_the_oldest])
def test_applied_from_here_it_is_the_overlay_with_the_cluster(
    stack: str, render: Callable[[Path], str], cluster: Api
) -> None:
    image = "registry.example.com/ours:1.2.3"
    told = configuration(stack, delivery="direct", image=image, repository=None, redis="cluster")
    run = pulumi_program.run(stack, told, cluster.kubeconfig)
    assert (run.refused, run.crashed) == ("", "")
    folder = (PROGRAM.parent / run.one("kustomize/v2:Directory").inputs["directory"]).resolve()
    applied = [each for each in yaml.safe_load_all(render(folder)) if each]
    (redis,) = [each for each in applied if each["kind"] == "StatefulSet" and each["metadata"]["name"] == "sspp-redis"]
    assert redis["spec"]["replicas"] == 6
    assert manifests.settings_map(applied)["SSPP_PARTITIONS"] == "12"
    assert {container["image"] for _, container in manifests.ours(applied)} == {image}
    assert [fault for each in applied if (fault := schemas.fault(each))] == []


def test_every_primary_is_saved_and_every_volume_is_restored(clustered: Run) -> None:
    jobs = {one.name: one.spec["jobTemplate"]["spec"]["template"]["spec"] for one in clustered.of(":CronJob")}
    assert "dump-cluster" in jobs["backup-redis"]["initContainers"][0]["command"]
    claims = [
        volume["persistentVolumeClaim"]["claimName"]
        for volume in jobs["restore-redis"]["volumes"]
        if "persistentVolumeClaim" in volume
    ]
    (redis,) = [
        each
        for each in manifests.folder_objects(manifests.ROOT / "knative" / "overlays" / "prod-redis-cluster")
        if each["kind"] == "StatefulSet"
    ]
    (template,) = redis["spec"]["volumeClaimTemplates"]
    name = f"{template['metadata']['name']}-{redis['metadata']['name']}"
    assert claims == [f"{name}-{number}" for number in range(redis["spec"]["replicas"])]
    assert jobs["restore-redis"]["containers"][0]["command"][-6:] == [f"/data-{number}" for number in range(6)]


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "up"])
@pytest.mark.parametrize(
    ("wanted", "there", "says"),
    [
        ("cluster", {}, "sspp:redis is cluster, and sspp-prod has a Redis that is single"),
        ("single", {"podManagementPolicy": "Parallel"}, "sspp:redis is single, and sspp-prod has a Redis that is clu"),
        ("single", {"podManagementPolicy": "OrderedReady"}, ""),
        ("cluster", {"podManagementPolicy": "Parallel"}, ""),
        ("cluster", None, ""),
    ],
)
def test_a_redis_that_holds_events_is_never_made_another_kind(
    wanted: str, there: dict[str, str] | None, says: str, preview: bool, certificate: tls.Certificate
) -> None:
    path = "/apis/apps/v1/namespaces/sspp-prod/statefulsets/sspp-redis"
    held = {path: there} if there is not None else {}
    with pulumi_kubernetes_api.running(Api(certificate, [five_nodes()], statefulsets=held)) as api:
        told = configuration("prod", redis=wanted)
        done = pulumi_program.run("prod", told, api.kubeconfig, preview=preview)
    assert done.crashed == ""
    assert says in done.refused
    assert bool(done.refused) is bool(says)
    if says:
        assert not [one for one in done.resources if one.type.startswith("kubernetes:")]


# -- our own pods


def pods(run: Run) -> list[dict[str, Any]]:
    deployments = [one.spec["template"] for one in run.of(":Deployment")]
    jobs = [one.spec["jobTemplate"]["spec"]["template"] for one in run.of(":CronJob")]
    return [*deployments, *jobs]


def test_our_pods_may_do_nothing_they_need_not(prod: Run) -> None:
    assert len(pods(prod)) == 5
    for pod in pods(prod):
        assert pod["metadata"]["labels"]["app.kubernetes.io/part-of"] == "sspp"
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        for container in [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}
            assert container["resources"]["limits"]["memory"]
            assert "@sha256:" in container["image"]


def test_backups_run_by_themselves_and_restores_only_when_asked(up: Run) -> None:
    jobs = {one.inputs["metadata"]["name"]: one.spec for one in up.of(":CronJob")}
    assert {name: job["suspend"] for name, job in jobs.items()} == {
        "backup-redis": False,
        "backup-postgres": False,
        "restore-redis": True,
        "restore-postgres": True,
    }
    for job in jobs.values():
        assert job["concurrencyPolicy"] == "Forbid"


def test_the_cronjobs_run_the_scripts_that_are_rehearsed(prod: Run) -> None:
    scripts = prod.one("ConfigMap", "sspp-backup-scripts").inputs["data"]
    assert scripts == {path.name: path.read_text("utf-8") for path in (PROGRAM / "backup").glob("*.sh")}
    called = set()
    for job in prod.of(":CronJob"):
        pod = job.spec["jobTemplate"]["spec"]["template"]["spec"]
        for container in [*pod["initContainers"], *pod["containers"]]:
            called |= {Path(word).name for word in container["command"] if word.startswith("/scripts/")}
            named = {entry["valueFrom"]["secretKeyRef"]["name"] for entry in container["env"] if "valueFrom" in entry}
            # No step has both the data's password and the bucket's key, or both a key and what it opens.
            assert len(named) <= 1
    assert called == set(scripts)


def test_redis_is_saved_with_the_client_of_the_server_that_runs(prod: Run) -> None:
    (server,) = [
        container["image"]
        for pod in manifests.pods(manifests.objects("prod"))
        for container in pod.spec["containers"]
        if pod.component == "redis"
    ]
    (backup,) = [job for job in prod.of(":CronJob") if job.name == "backup-redis"]
    assert backup.spec["jobTemplate"]["spec"]["template"]["spec"]["initContainers"][0]["image"] == server


def test_backups_reach_the_stores_and_the_bucket(up: Run) -> None:
    out = up.one("NetworkPolicy", "backup-to-stores").spec["egress"]
    assert [[port["port"] for port in rule["ports"]] for rule in out] == [[6379, 5432], [443]]
    assert up.one("NetworkPolicy", "stores-from-backup").spec["policyTypes"] == ["Ingress"]


def test_our_objects_are_what_kubernetes_says(prod: Run) -> None:
    try:
        import kubernetes_validate
    except ModuleNotFoundError:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("kubernetes-validate is not installed")
    ours = [one for one in prod.resources if one.type.startswith("kubernetes:") and "apiVersion" in one.inputs]
    built_in = [one for one in ours if one.type.partition(":")[2].partition("/")[0] in BUILT_IN]
    assert len(built_in) > 20
    for one in built_in:
        kubernetes_validate.validate(whole(opened(one.inputs)), "1.35", strict=True)


BUILT_IN = {"core", "apps", "batch", "policy", "networking.k8s.io"}


# -- the application


def test_argo_cd_watches_the_overlay_of_the_stack_and_nothing_else_applies_it(prod: Run) -> None:
    application = prod.one("Application")
    source = application.spec["source"]
    assert (source["path"], source["targetRevision"]) == ("knative/overlays/prod", "main")
    assert (PROGRAM.parent / "knative").is_dir()
    assert application.spec["destination"]["namespace"] == "sspp-prod"
    assert not prod.of("kustomize/v2:Directory")


def test_a_stack_may_apply_the_overlay_itself_and_then_has_no_argo_cd(stacks: dict[str, Run]) -> None:
    dev = stacks["dev"]
    overlay = dev.one("kustomize/v2:Directory")
    assert not dev.of("Application")
    assert not [one for one in dev.resources if "argocd" in one.name]
    # Its Namespace is there already.
    assert "::kubernetes-adopting::" in overlay.provider


def test_the_application_comes_when_all_it_needs_is_there(prod: Run) -> None:
    before = set(prod.one("Application").depends_on)
    assert {"argocd-chart", "knative-serving", "keda-chart", "sspp-redis", "secret-sspp-database"} <= before
    assert {"elasticsearch-sspp", "postgres-access", "sspp-prod"} <= before


def test_the_namespace_is_the_programs_own_as_the_overlay_describes_it(
    up: Run, request: pytest.FixtureRequest
) -> None:
    stack = request.node.callspec.params["up"]
    (described,) = [each for each in manifests.objects(stack) if each["kind"] == "Namespace"]
    made = up.one(":Namespace", f"sspp-{stack}").inputs
    assert made["metadata"] == described["metadata"]
    # Neither a lost Application nor one that no longer has it in its repository takes Redis' volume along.
    assert made["metadata"]["annotations"] == {"argocd.argoproj.io/sync-options": "Prune=false,Delete=false"}


@pytest.mark.parametrize("stack", STACKS)
def test_applied_from_here_it_is_the_overlay_without_its_namespace_and_with_jobs_that_stay(
    stack: str, cluster: Api
) -> None:
    image = "registry.example.com/sspp:1.2.3"
    told = configuration(stack, delivery="direct", image=image, repository=None)
    run = pulumi_program.run(stack, told, cluster.kubeconfig)
    folder = (PROGRAM.parent / run.one("kustomize/v2:Directory").inputs["directory"]).resolve()
    applied = list(yaml.safe_load_all(manifests.kustomized(folder)))
    expected = [each for each in manifests.objects(stack) if each["kind"] != "Namespace"]
    for each in expected:
        if each["kind"] == "Job":
            del each["spec"]["ttlSecondsAfterFinished"]  # what went away would be made again after each refresh
        if each["apiVersion"] == "serving.knative.dev/v1":
            # Pulumi's own order of a Directory: it creates the rest at the same time.
            account = f"/namespaces/sspp-{stack}/ServiceAccount/sspp"
            each["metadata"]["annotations"]["config.kubernetes.io/depends-on"] = account
    for _, container in manifests.ours(expected):
        container["image"] = image or container["image"]
    found, wanted = keyed(applied), keyed(expected)
    for name in [name for name in wanted if name[0] == "NetworkPolicy"]:
        del found[name], wanted[name]  # tests/infra/test_network.py
    assert found == wanted


def keyed(found: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("registry.example.com/sspp:1.2.3", {"newName": "registry.example.com/sspp", "newTag": "1.2.3"}),
        ("localhost:5000/sspp@sha256:" + "a" * 64, {"newName": "localhost:5000/sspp", "digest": "sha256:" + "a" * 64}),
        ("localhost:5000/sspp", None),
    ],
)
def test_the_image_is_named_in_one_place(
    image: str, expected: dict[str, str] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overlay = tmp_path / "knative" / "overlays" / "dev"
    overlay.mkdir(parents=True)
    (overlay / "kustomization.yaml").write_text("images: [{name: sspp, newName: dev.local/sspp}]", "utf-8")
    with pulumi_program.on_path():
        config, delivery = importlib.import_module("config"), importlib.import_module("delivery")
    told = {key.partition(":")[2]: value for key, value in configuration("dev").items()}
    if expected is None:
        with pytest.raises(config.ConfigError, match="sspp:image"):
            config.parse({**told, "name": "dev", "image": image})
        return
    monkeypatch.setattr(delivery, "REPOSITORY", tmp_path)
    stack = config.parse({**told, "name": "dev", "image": image})
    target = delivery.directory(stack, tmp_path / "cache")
    written = yaml.safe_load((target / "kustomization.yaml").read_text("utf-8"))
    assert (target / written["resources"][0]).resolve() == overlay
    assert written["images"] == [{"name": "dev.local/sspp", **expected}]
    assert delivery.application(stack)["spec"]["source"]["kustomize"]["images"] == [f"sspp={image}"]


# -- the custom resources, against their own schemas


@pytest.mark.parametrize("kind", ["KnativeServing", "Application"])
def test_custom_resources_are_what_their_definitions_say(prod: Run, kind: str) -> None:
    written = whole(opened({key: prod.one(kind).inputs[key] for key in ("apiVersion", "kind", "spec")}))
    written["metadata"] = {"name": "tried"}
    assert schemas.fault(written) == ""
    assert "odd" in schemas.fault({**written, "spec": {**written["spec"], "odd": 1}})
